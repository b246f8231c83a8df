//! How long a call that work waits for may take.
//!
//! As a rule not long: what waits for a dead connection goes on within seconds of the database's
//! return. But a server that is slow and answers must get through in the end, however slow it is: as
//! long as other calls get answers while one is given up, the next of its kind may take longer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longer than the limit on waiting for a lock in any session of ours, so that a server which still
/// answers has the first word.
const SHORTEST: Duration = Duration::from_secs(10);

/// Longer than the limit on a statement in any session of ours, for the same reason.
pub(super) const LONGEST: Duration = Duration::from_secs(150);

/// The limits, and what they go by.
#[derive(Debug, Default)]
pub(super) struct Patience(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Of those operations that need more than the shortest.
    limits: HashMap<&'static str, Duration>,
    heard: Option<Instant>,
}

impl State {
    fn limit(&self, operation: &'static str) -> Duration {
        self.limits.get(operation).copied().unwrap_or(SHORTEST)
    }
}

impl Patience {
    /// How long a call that begins now may take.
    pub(super) fn limit(&self, operation: &'static str) -> Duration {
        self.lock().limit(operation)
    }

    /// The database has answered something.
    pub(super) fn heard(&self) {
        self.lock().heard = Some(Instant::now());
    }

    /// Whether it has answered anything after that.
    pub(super) fn has_heard_since(&self, began: Instant) -> bool {
        self.lock().heard.is_some_and(|heard| heard > began)
    }

    /// A call was answered after so long.
    pub(super) fn answered(&self, operation: &'static str, took: Duration) {
        let mut state = self.lock();
        if took * 2 > SHORTEST {
            state.limits.insert(operation, LONGEST.min(took * 2));
        } else {
            state.limits.remove(operation);
        }
    }

    /// A call that began then has come to its limit.
    pub(super) fn given_up(&self, operation: &'static str, began: Instant) {
        let mut state = self.lock();
        if state.heard.is_some_and(|heard| heard > began) {
            let limit = state.limit(operation) * 2;
            state.limits.insert(operation, LONGEST.min(limit));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each value is whole by itself, so a panic elsewhere cannot spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_database_that_answers_nothing_is_not_waited_for_longer_the_next_time() {
        let patience = Patience::default();
        patience.heard();
        tokio::time::advance(Duration::from_secs(1)).await;
        let began = Instant::now();
        tokio::time::advance(SHORTEST).await;
        patience.given_up("record", began);
        assert_eq!(patience.limit("record"), SHORTEST);
        assert!(!patience.has_heard_since(began));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_slow_and_answers_others_is_given_more_time_until_it_is_quick_again() {
        let patience = Patience::default();
        for more in [20, 40, 80, 150, 150] {
            let began = Instant::now();
            tokio::time::advance(SHORTEST).await;
            patience.heard();
            patience.given_up("record", began);
            assert_eq!(patience.limit("record"), Duration::from_secs(more));
        }
        assert_eq!(patience.limit("lease"), SHORTEST, "another operation");
        patience.answered("record", Duration::from_secs(30));
        assert_eq!(patience.limit("record"), Duration::from_mins(1));
        patience.answered("record", Duration::from_secs(1));
        assert_eq!(patience.limit("record"), SHORTEST);
    }
}
