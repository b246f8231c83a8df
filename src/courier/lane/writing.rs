//! Whether the outcomes of a lane can be written.

use crate::outbox::LeasedLane;

/// The reason of a hold: the database does not let the courier write the lane's rows or batches.
pub(super) const UNWRITABLE: &str = "rows_not_writable";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// As far as is known.
    Works,
    /// Nothing may be sent before it is known.
    Doubtful,
    /// The lane is stopped.
    Fails,
}

impl Writing {
    /// Returns what is known when a lane is leased. Writing is in doubt if it did not work before,
    /// or if a batch was under way when its owner stopped: the writing may have been why.
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
