//! What becomes of a batch that was sent: it waits, or it is closed and its rows settled.

use tokio::time::Instant;

use super::{LaneAtWork, Step};
use crate::batch::{Batch, BatchId};
use crate::courier::dispatcher::{Dispatched, NotSent};
use crate::courier::underway::Underway;
use crate::outbox::{Change, Close, Recorded};
use crate::platform::verdict::{Closing, Outcome, Verdict};
use crate::telemetry::event::BatchClosed;

impl LaneAtWork {
    pub(super) fn sent(&mut self, underway: Underway, dispatched: Dispatched) {
        self.sending -= 1;
        match dispatched {
            Dispatched::Answered(Verdict::Close(closing)) => {
                match &closing.because {
                    Some(wait) => self.wait_without_batch(wait),
                    None => self.recover(),
                }
                self.close(underway, closing);
            }
            Dispatched::Answered(Verdict::Wait(wait)) => self.wait(underway, wait),
            Dispatched::NotSent(NotSent::Stopping) => {}
            Dispatched::NotSent(NotSent::LeaseLost) => self.lost(Some(underway.id())),
            Dispatched::NotSent(NotSent::NotRecorded(error)) => self.failed(&error),
        }
    }

    /// The batch has its end: write it, and put what is left of it into smaller batches.
    pub(super) fn close(&mut self, underway: Underway, closing: Closing) {
        let Underway { batch, begun, .. } = underway;
        let now = Instant::now();
        let children: Vec<Underway> = batch
            .split(
                &closing.unsettled,
                closing.maybe_delivered,
                BatchId::generate,
            )
            .into_iter()
            .map(|child| Underway::child(child, now))
            .collect();
        let change = Change::Close(Close {
            batch: batch.id,
            attempts: batch.attempts,
            outcome: closing.outcome.as_str(),
            answer: closing.answer.clone(),
            rows: closing.settled.clone(),
            children: children.iter().map(Underway::entry).collect(),
        });
        self.record(change, move |recorded| {
            if matches!(recorded, Ok(Recorded::Done)) {
                BatchClosed {
                    batch: &batch,
                    closing: &closing,
                    took: begun.elapsed(),
                }
                .emit();
            }
            Step::Closed(batch, recorded, children)
        });
    }

    /// The rows of a closed batch are free, except those that went into its children.
    pub(super) fn let_go(&mut self, batch: &Batch, children: &[Underway]) {
        self.numbers.remove(&batch.contacts);
        for contact in &batch.contacts {
            self.open.remove(&contact.id);
        }
        for child in children {
            self.numbers.insert(&child.batch.contacts);
            self.open
                .extend(child.batch.contacts.iter().map(|contact| contact.id));
        }
    }
}

/// The end of a batch that has no rows any more.
pub(super) fn vanished() -> Closing {
    Closing {
        outcome: Outcome::Vanished,
        answer: "all of its rows were deleted or settled by others".into(),
        settled: Vec::new(),
        unsettled: Vec::new(),
        maybe_delivered: false,
        because: None,
    }
}
