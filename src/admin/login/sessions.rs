//! Sessions: the users who have logged in, for how long, and by which cookie and token.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::users::Users;
use crate::lock::lock;

/// The most sessions; a further one ends the session that has been idle for longest.
const MOST: usize = 32;

/// A session without an action for so long ends.
const IDLE: Duration = Duration::from_mins(30);

/// A session ends after so long in any case.
const LONGEST: Duration = Duration::from_hours(12);

/// All sessions. Only digests of their secrets are kept.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

#[derive(Debug)]
struct Session {
    user: String,
    /// The user's hash when the session began: another password ends it.
    hash: String,
    token: [u8; 32],
    began: Instant,
    used: Instant,
}

/// The keys that the browser gets.
#[derive(Debug)]
pub(super) struct Keys {
    /// For the cookie.
    pub(super) id: String,
    /// For the page.
    pub(super) token: String,
}

impl Session {
    fn is_over(&self, users: &Users) -> bool {
        self.used.elapsed() > IDLE
            || self.began.elapsed() > LONGEST
            || users.hash(&self.user) != Some(&self.hash)
    }
}

impl Sessions {
    /// Begins a session of an existing user.
    pub(super) fn begin(&self, user: &str, users: &Users) -> Option<Keys> {
        let hash = users.hash(user)?.to_owned();
        let keys = Keys {
            id: secret(),
            token: secret(),
        };
        let now = Instant::now();
        let session = Session {
            user: user.to_owned(),
            hash,
            token: digest(&keys.token),
            began: now,
            used: now,
        };
        let mut open = lock(&self.0);
        open.retain(|_, session| !session.is_over(users));
        while open.len() >= MOST {
            let idle = open.iter().min_by_key(|(_, session)| session.used);
            let Some(id) = idle.map(|(id, _)| *id) else {
                break;
            };
            open.remove(&id);
        }
        open.insert(digest(&keys.id), session);
        Some(keys)
    }

    /// Returns the user of a session. With `acts` the request is an action, which keeps the session
    /// alive.
    pub(super) fn user(&self, id: &str, token: &str, users: &Users, acts: bool) -> Option<String> {
        let mut open = lock(&self.0);
        let id = digest(id);
        let session = open.get_mut(&id)?;
        if session.is_over(users) {
            open.remove(&id);
            return None;
        }
        if !bool::from(session.token.ct_eq(&digest(token))) {
            return None;
        }
        if acts {
            session.used = Instant::now();
        }
        Some(session.user.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, id: &str) {
        lock(&self.0).remove(&digest(id));
    }
}

/// Makes 256 random bits that nobody can guess.
fn secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$04$WHkkWQSdmXDo/Kkhw8tGLuFpwkyUmkBLl0wfPZBklKE7.GP/L6Yh2";

    fn users(names: &[&str]) -> Users {
        let lines: Vec<String> = names.iter().map(|name| format!("{name}:{HASH}")).collect();
        Users::read(&lines.join("\n")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_needs_its_cookie_and_its_token() {
        let (sessions, users) = (Sessions::default(), users(&["anna", "ben"]));
        let [anna, ben] = ["anna", "ben"].map(|name| sessions.begin(name, &users).unwrap());
        let user = |id: &str, token: &str| sessions.user(id, token, &users, true);
        assert_eq!(user(&anna.id, &anna.token).as_deref(), Some("anna"));
        for (id, token) in [
            (&*anna.id, &*ben.token),
            (&anna.token, &anna.id),
            (&anna.id, ""),
            ("", &anna.token),
            ("", ""),
        ] {
            assert_eq!(user(id, token), None);
        }
        sessions.end(&anna.id);
        assert_eq!(user(&anna.id, &anna.token), None);
        assert_eq!(user(&ben.id, &ben.token).as_deref(), Some("ben"));
        assert!(sessions.begin("carla", &users).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_it_is_idle_when_it_is_old_and_with_its_password() {
        let (sessions, both) = (Sessions::default(), users(&["anna", "ben"]));
        let keys = sessions.begin("anna", &both).unwrap();
        let is_open = |acts| sessions.user(&keys.id, &keys.token, &both, acts).is_some();
        tokio::time::advance(IDLE).await;
        assert!(is_open(false), "looking at it does not keep it");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!is_open(true));

        let keys = sessions.begin("anna", &both).unwrap();
        let is_open = |users: &Users| sessions.user(&keys.id, &keys.token, users, true).is_some();
        let times = LONGEST.as_secs() / IDLE.as_secs();
        for _ in 0..times {
            tokio::time::advance(IDLE).await;
            assert!(is_open(&both));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!is_open(&both));

        let keys = sessions.begin("anna", &both).unwrap();
        let is_open = |users: &Users| sessions.user(&keys.id, &keys.token, users, true).is_some();
        assert!(is_open(&both));
        assert!(!is_open(&users(&["ben"])));
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_only_so_many_and_the_idlest_gives_way() {
        let (sessions, users) = (Sessions::default(), users(&["anna"]));
        let mut all = Vec::new();
        for _ in 0..MOST {
            all.push(sessions.begin("anna", &users).unwrap());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let is_open =
            |keys: &Keys, acts| sessions.user(&keys.id, &keys.token, &users, acts).is_some();
        assert!(is_open(&all[0], true));
        sessions.begin("anna", &users).unwrap();
        assert!(is_open(&all[0], false));
        assert!(!is_open(&all[1], false));
        assert!(is_open(&all[2], false));
        assert_eq!(lock(&sessions.0).len(), MOST);
    }
}
