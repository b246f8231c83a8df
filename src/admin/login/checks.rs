//! Checks of passwords: one at a time, off the threads of the courier, and slower after a wrong
//! one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::users::Users;

/// The most log-ins under way; all others are turned away at once.
const AT_ONCE: usize = 4;

/// How long no password is checked after a wrong one: this bounds the speed of guessing.
const AFTER_A_WRONG_ONE: Duration = Duration::from_secs(1);

/// The places of log-ins.
#[derive(Debug)]
pub(super) struct Checks {
    places: Arc<Semaphore>,
    /// When the next check may begin. The running check holds the lock.
    turn: Arc<Mutex<Instant>>,
}

/// A place, taken until the check is made.
pub(super) struct Place {
    turn: Arc<Mutex<Instant>>,
    permit: OwnedSemaphorePermit,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            turn: Arc::new(Mutex::new(Instant::now())),
        }
    }
}

impl Checks {
    /// Returns a place; `None`: too many log-ins are under way.
    pub(super) fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let turn = Arc::clone(&self.turn);
        Some(Place { turn, permit })
    }
}

impl Place {
    /// Whether this is the user's password.
    pub(super) async fn check(self, users: Arc<Users>, name: String, password: String) -> bool {
        let mut turn = self.turn.lock_owned().await;
        sleep_until(*turn).await;
        let permit = self.permit;
        let check = move || {
            let right = users.has(&name, &password);
            if !right {
                *turn = Instant::now() + AFTER_A_WRONG_ONE;
            }
            // A client that hangs up keeps its place until here. Otherwise one client could run
            // many checks.
            drop(permit);
            right
        };
        tokio::task::spawn_blocking(check).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: &str = "anna:$2y$04$WHkkWQSdmXDo/Kkhw8tGLuFpwkyUmkBLl0wfPZBklKE7.GP/L6Yh2";

    #[tokio::test(start_paused = true)]
    async fn after_a_wrong_password_the_next_check_waits() {
        let (checks, users) = (Checks::default(), Arc::new(Users::read(ANNA).unwrap()));
        let check = async |name: &str, password: &str| {
            let began = Instant::now();
            let place = checks.place().unwrap();
            let right = place.check(Arc::clone(&users), name.into(), password.into());
            (right.await, began.elapsed() >= AFTER_A_WRONG_ONE)
        };
        assert_eq!(check("anna", "geheim").await, (true, false));
        assert_eq!(check("anna", "wrong").await, (false, false));
        assert_eq!(check("ben", "geheim").await, (false, true));
        assert_eq!(check("anna", "geheim").await, (true, true));
        assert_eq!(check("anna", "geheim").await, (true, false));
    }

    #[tokio::test]
    async fn only_so_many_are_at_it() {
        let checks = Checks::default();
        let places: Vec<_> = (0..AT_ONCE).map(|_| checks.place().unwrap()).collect();
        assert!(checks.place().is_none());
        drop(places);
        assert!(checks.place().is_some());
    }
}
