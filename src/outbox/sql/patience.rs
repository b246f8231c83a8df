//! How long a call may take that work waits for.
//!
//! The limit is usually short: then work that waits for a dead connection goes on within seconds of
//! the database's return. But a slow server that answers must get through in the end, however slow
//! it is. If other calls got answers while a call was given up, the next call of its kind may take
//! longer.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;

/// Longer than the limit on waiting for a lock in any session of ours, so that a server which still
/// answers reports its error first.
const SHORTEST: Duration = Duration::from_secs(10);

/// Longer than the limit on a statement in any session of ours, for the same reason.
pub(super) const LONGEST: Duration = Duration::from_secs(150);

/// The limits, and the facts that they depend on.
#[derive(Debug, Default)]
pub(super) struct Patience(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The limits of operations that need more than the shortest.
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
        lock(&self.0).limit(operation)
    }

    /// Notes that the database has answered a call.
    pub(super) fn heard(&self) {
        lock(&self.0).heard = Some(Instant::now());
    }

    /// Whether the database has answered any call after `began`.
    pub(super) fn has_heard_since(&self, began: Instant) -> bool {
        lock(&self.0).heard.is_some_and(|heard| heard > began)
    }

    /// Notes that a call took so long to be answered.
    pub(super) fn answered(&self, operation: &'static str, took: Duration) {
        let mut state = lock(&self.0);
        if took * 2 > SHORTEST {
            state.limits.insert(operation, LONGEST.min(took * 2));
        } else {
            state.limits.remove(operation);
        }
    }

    /// Notes that a call which began at `began` has come to its limit.
    pub(super) fn given_up(&self, operation: &'static str, began: Instant) {
        let mut state = lock(&self.0);
        if state.heard.is_some_and(|heard| heard > began) {
            let limit = state.limit(operation) * 2;
            state.limits.insert(operation, LONGEST.min(limit));
        }
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
