//! The sends of a lane: its batches that wait for their turn, have it, or are on their way.

use std::collections::VecDeque;

use crate::courier::dispatcher::{Admission, NotSent};
use crate::courier::underway::Underway;

#[derive(Default)]
pub(super) struct Sends {
    /// The number of sends, waiting or on their way.
    under_way: usize,
    /// The number of sends that wait for their turn.
    queued: usize,
    /// Batches whose turn has come, or will not come.
    admitted: VecDeque<(Underway, Result<Admission, NotSent>)>,
}

impl Sends {
    /// Begins a send, which waits for its turn.
    pub(super) fn begin(&mut self) {
        self.under_way += 1;
        self.queued += 1;
    }

    /// Notes that the turn of a send has come, or will not come.
    pub(super) fn admit(&mut self, underway: Underway, admitted: Result<Admission, NotSent>) {
        self.queued -= 1;
        self.admitted.push_back((underway, admitted));
    }

    /// Takes out the next batch whose turn has come, or will not come.
    pub(super) fn next_admitted(&mut self) -> Option<(Underway, Result<Admission, NotSent>)> {
        self.admitted.pop_front()
    }

    /// Drops the batches whose turn has come. Dropping an admission gives its permit back.
    pub(super) fn drop_admitted(&mut self) {
        self.admitted.clear();
    }

    /// Ends a send, whether the request went out or not.
    pub(super) fn end(&mut self) {
        self.under_way -= 1;
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether a send waits for its turn.
    pub(super) fn is_any_queued(&self) -> bool {
        self.queued > 0
    }
}
