//! A lane's turn: how long it may go on while other lanes wait.

use std::time::Duration;

use tokio::time::Instant;

/// Batches that a lane may send while other lanes wait for their turn.
const TURN: u32 = 20;

/// Where requests are slow or rare, a turn ends after this time, whether a batch was sent or not.
const TURN_TIME: Duration = Duration::from_secs(1);

/// After this time the lane is read from its start again, because a transaction may commit a
/// smaller id late.
const LONGEST_TURN: Duration = Duration::from_mins(1);

pub(super) struct Turn {
    began: Instant,
    /// Batches sent so far.
    pub(super) batches: u32,
    /// Whether one of them was composed in this turn.
    pub(super) has_composed: bool,
}

impl Turn {
    pub(super) fn begin(now: Instant) -> Self {
        Self {
            began: now,
            batches: 0,
            has_composed: false,
        }
    }

    pub(super) fn is_over(&self, others_wait: bool) -> bool {
        let went = self.began.elapsed();
        let is_long = self.batches >= TURN || went >= TURN_TIME;
        went > LONGEST_TURN || is_long && others_wait
    }
}
