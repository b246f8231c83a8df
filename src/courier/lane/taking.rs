//! When the task last took a row, and when the platform last refused a batch of it.
//!
//! Words of a refusal may be about the task. They are taken for words about a row that may have arrived
//! only if the task has taken another row since.

use tokio::time::Instant;

use crate::batch::Batch;
use crate::courier::refusal_count::{RefusalCount, RefusalsBefore};
use crate::courier::underway::Underway;
use crate::platform::verdict::Closing;
use crate::settlement::Final;

#[derive(Default)]
pub(super) struct Taking {
    /// When the last request went out of which the task took a row.
    taken: Option<Instant>,
    /// When the last refusal of a whole request was read.
    refused: Option<Instant>,
    refusals: RefusalCount,
}

impl Taking {
    pub(super) fn takes(&mut self, sent: Instant) {
        self.taken = self.taken.max(Some(sent));
    }

    pub(super) fn refuses(&mut self, now: Instant) {
        self.refused = Some(now);
        self.refusals.note();
    }

    /// Notes the refusals for a batch that sets out.
    pub(super) fn refusals(&self) -> RefusalsBefore {
        self.refusals.before()
    }

    /// Whether a further refusal is about the rows of this batch: they have been refused before, and the
    /// task has taken a row since then, since their last send, and since any other refusal.
    pub(super) fn has_taken_since(&self, underway: &Underway) -> bool {
        underway.was_refused && self.taken > self.refused && self.taken > Some(underway.sent_at)
    }
}

/// Whether an answer says that the task took a row of this very request. `counted`: it counts one. A row
/// that was "already there" after a lost answer succeeds, and the task may have ended in between.
pub(super) fn took_a_row(batch: &Batch, closing: &Closing, counted: bool) -> bool {
    let mut settled = closing.settled.iter();
    settled.any(|row| row.end == Final::Succeeded) && (counted || !batch.maybe_delivered)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::batch::{BatchId, Composed};
    use crate::contact::{ContactId, Lane, RequestOptions};
    use crate::platform::verdict::Outcome;
    use crate::settlement::RowOutcome;

    fn batch() -> Batch {
        let composed = Composed {
            options: RequestOptions::default(),
            contacts: Vec::new(),
        };
        Batch::new(BatchId::generate(), Lane::new("u", "t").unwrap(), composed)
    }

    #[test]
    fn only_what_is_taken_after_the_last_refusal_and_send_tells_that_the_task_goes_on() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut underway = Underway::new(batch(), begin, at(1));
        let mut taking = Taking::default();
        underway.was_refused = true;
        assert!(!taking.has_taken_since(&underway));
        taking.takes(at(2));
        assert!(taking.has_taken_since(&underway));
        let refusals = taking.refusals();
        assert!(refusals.are_all());
        taking.refuses(at(3));
        assert!(!refusals.are_all(), "it was read meanwhile");
        assert!(!taking.has_taken_since(&underway));
        // Sent before the refusal, and answered behind it.
        taking.takes(at(2));
        assert!(!taking.has_taken_since(&underway));
        taking.takes(at(4));
        assert!(taking.has_taken_since(&underway));
        underway.sent_at = at(4);
        assert!(!taking.has_taken_since(&underway), "the same request");
        (underway.sent_at, underway.was_refused) = (at(1), false);
        assert!(!taking.has_taken_since(&underway), "never refused");
    }

    #[test]
    fn a_row_that_is_already_there_is_none_that_the_task_takes() {
        let mut batch = batch();
        let row = RowOutcome {
            contact: ContactId(1),
            end: Final::Succeeded,
        };
        let closing = |settled| Closing {
            outcome: Outcome::Imported,
            answer: String::new(),
            settled,
            unsettled: Vec::new(),
            maybe_delivered: true,
            because: None,
        };
        let succeeds = closing(vec![row]);
        assert!(took_a_row(&batch, &succeeds, false));
        assert!(!took_a_row(&batch, &closing(Vec::new()), true));
        batch.maybe_delivered = true;
        assert!(!took_a_row(&batch, &succeeds, false));
        assert!(took_a_row(&batch, &succeeds, true));
    }
}
