//! The sends of a lane: its batches that wait for their turn, have it, or are on their way.

use std::collections::VecDeque;

use crate::courier::dispatcher::{Admission, NotSent};
use crate::courier::underway::Underway;

#[derive(Default)]
pub(super) struct Sends {
    /// How many there are.
    under_way: usize,
    /// How many of them wait for their turn.
    queued: usize,
    /// Those whose turn has come, or will not.
    admitted: VecDeque<(Underway, Result<Admission, NotSent>)>,
}

impl Sends {
    /// Begins one: it waits for its turn.
    pub(super) fn begin(&mut self) {
        self.under_way += 1;
        self.queued += 1;
    }

    /// Notes that the turn of one has come, or will not.
    pub(super) fn admit(&mut self, underway: Underway, admitted: Result<Admission, NotSent>) {
        self.queued -= 1;
        self.admitted.push_back((underway, admitted));
    }

    /// Takes out the next one whose turn has come, or will not.
    pub(super) fn next_admitted(&mut self) -> Option<(Underway, Result<Admission, NotSent>)> {
        self.admitted.pop_front()
    }

    /// Sends none of those whose turn has come. Dropping an admission gives its permit back.
    pub(super) fn drop_admitted(&mut self) {
        self.admitted.clear();
    }

    /// Ends one, sent or not.
    pub(super) fn end(&mut self) {
        self.under_way -= 1;
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether one waits for its turn.
    pub(super) fn is_any_queued(&self) -> bool {
        self.queued > 0
    }
}
