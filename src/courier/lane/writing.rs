//! Whether the outcomes of a lane can be written.

use crate::outbox::LeasedLane;

/// The reason of a hold: the database does not let the courier write the lane's rows or batches.
pub(super) const UNWRITABLE: &str = "rows_not_writable";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// Outcomes can be written, as far as is known.
    Works,
    /// Nothing may be sent before a test write.
    Doubtful,
    /// Outcomes cannot be written; the lane is stopped.
    Fails,
}

impl Writing {
    /// Returns what is known when a lane is leased. Writing is in doubt if it failed before, or if
    /// a batch was under way when its owner stopped: failed writing may have stopped it.
    pub(super) fn expected(leased: &LeasedLane) -> Self {
        let is_doubtful = match &leased.held_because {
            Some(reason) => reason == UNWRITABLE,
            None => leased.open.iter().any(|batch| batch.maybe_delivered),
        };
        if is_doubtful {
            Self::Doubtful
        } else {
            Self::Works
        }
    }
}
