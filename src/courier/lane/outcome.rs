//! What becomes of a batch that was sent: it waits, or it is closed and its rows settled.

use tokio::time::Instant;

use super::{LaneAtWork, Step};
use crate::batch::{Batch, BatchId};
use crate::contact::{Contact, ContactId};
use crate::courier::dispatcher::{Dispatched, NotSent};
use crate::courier::isolation::{Answered, Cut};
use crate::courier::refusals;
use crate::courier::underway::{Journal, Underway};
use crate::outbox::{Change, Close, Recorded};
use crate::platform::verdict::{self, Closing, Outcome, Verdict, Wait};
use crate::telemetry::event::BatchClosed;
use crate::telemetry::traces::Origin;

/// A batch whose end is being written.
pub(super) struct Closed {
    /// The batch.
    pub(super) batch: Batch,
    children: Vec<Underway>,
    search: Option<Search>,
}

/// The search for culprits that a batch belongs to.
#[derive(Clone, Copy)]
pub(super) struct Search {
    /// The batch that it began with.
    id: BatchId,
    /// Where what is open is cut; `None`: nothing of it is open.
    cut: Option<Cut>,
}

impl LaneAtWork {
    pub(super) fn sent(&mut self, mut underway: Underway, dispatched: Dispatched) {
        self.sending -= 1;
        match dispatched {
            Dispatched::Answered(Verdict::Close(closing)) => {
                let search = if let Some(wait) = &closing.because {
                    self.wait_without_batch(wait);
                    None
                } else {
                    self.answered(&underway, &closing)
                };
                self.close(underway, closing, search);
            }
            Dispatched::Answered(Verdict::Wait(wait)) => self.wait(underway, wait),
            Dispatched::NotSent(NotSent::Stopping) => {}
            Dispatched::NotSent(NotSent::NotNow) => {
                underway.trace.waits("gate");
                self.again(underway);
            }
            Dispatched::NotSent(NotSent::LeaseLost) => {
                let batch = underway.id();
                underway.trace.lost();
                self.lost(Some(batch));
            }
            Dispatched::NotSent(NotSent::Stale(rows)) => self.goes_without(underway, rows),
            Dispatched::NotSent(NotSent::NotRecorded(error)) => self.failed(&error),
        }
    }

    /// Some rows of the batch are not pending any more: the others go without them.
    fn goes_without(&mut self, mut underway: Underway, rows: Vec<ContactId>) {
        self.stale.extend(rows);
        let (gone, rest): (Vec<Contact>, Vec<Contact>) =
            std::mem::take(&mut underway.batch.contacts)
                .into_iter()
                .partition(|contact| self.stale.contains(&contact.id));
        self.numbers.remove(&gone);
        for contact in gone {
            self.open.remove(&contact.id);
        }
        underway.batch.contacts = rest;
        if !underway.batch.contacts.is_empty() {
            self.again(underway);
        } else if underway.journal == Journal::Waiting {
            let search = self.given_up(&underway);
            self.close(underway, vanished(), search);
        } else {
            self.behind = true;
            underway.trace.lost();
        }
    }

    /// What the answer says beyond this batch: where to look for culprits, and whether the lane is
    /// well.
    fn answered(&mut self, underway: &Underway, closing: &Closing) -> Option<Search> {
        let lane = &self.lease.lane;
        self.context
            .move_gates(|gates| gates.open(lane, Instant::now()));
        let batch = &underway.batch;
        let first = underway.search.unwrap_or(batch.id);
        let search = self.search(underway, closing);
        let alone = closing.outcome == Outcome::Refused && batch.contacts.len() == 1;
        if refusals::shows_progress(&closing.settled, alone) {
            self.recover();
        }
        let refusals = self.refusals.entry(first).or_default();
        refusals.note(&closing.settled, alone);
        let goes_on = search.is_some_and(|search| search.cut.is_some());
        if !goes_on && self.isolations.is_over(first) {
            let refusals = self.refusals.remove(&first).unwrap_or_default();
            if let Some(words) = refusals.unanimous(&mut self.streak) {
                self.wait_without_batch(&Wait::all_refused(&words));
            }
        }
        search
    }

    /// The search that the batch belongs to, or that begins with it.
    fn search(&mut self, underway: &Underway, closing: &Closing) -> Option<Search> {
        let (rows, open) = (underway.batch.contacts.len(), closing.unsettled.len());
        let begins = open > 0 && closing.outcome != Outcome::TooLarge;
        let id = underway.search.or(begins.then_some(underway.batch.id))?;
        let answered = match closing.outcome {
            Outcome::Refused if open == rows || rows == 1 => Answered::Refused { rows },
            Outcome::Refused | Outcome::Unaccounted | Outcome::TooLarge => {
                Answered::Partly { open }
            }
            _ => Answered::Accepted { rows },
        };
        let cut = self.isolations.answered(id, answered);
        Some(Search { id, cut })
    }

    /// A piece that was given up says nothing about the others.
    pub(super) fn given_up(&mut self, underway: &Underway) -> Option<Search> {
        if let Some(refusals) = underway.search.and_then(|id| self.refusals.get_mut(&id)) {
            refusals.spoil();
        }
        underway.search.map(|id| Search { id, cut: None })
    }

    /// Nothing is asked about this piece as a whole: its parts say more.
    pub(super) fn take_apart(&mut self, piece: Underway, cut: Cut) {
        let search = piece.search.map(|id| Search { id, cut: Some(cut) });
        let closing = verdict::taken_apart(&piece.batch);
        self.close(piece, closing, search);
    }

    /// The batch has its end: write it, and put what is left of it into smaller batches.
    pub(super) fn close(&mut self, underway: Underway, closing: Closing, search: Option<Search>) {
        let Underway {
            batch,
            begun,
            read_at,
            mut trace,
            ..
        } = underway;
        trace.settles();
        let now = Instant::now();
        let open = &closing.unsettled;
        let cut = search.and_then(|search| search.cut);
        let first = cut.map_or(open.len().div_ceil(2), |cut| cut.first);
        let children: Vec<Underway> = batch
            .split(open, first, closing.maybe_delivered, BatchId::generate)
            .into_iter()
            .map(|child| Underway::child(child, search.map(|search| search.id), read_at, now))
            .map(|child| child.traced(&self.context.traces, Origin::Split))
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
                    read_ago: read_at.elapsed(),
                }
                .emit();
                trace.closed(&batch, &closing);
            } else {
                trace.lost();
            }
            let closed = Closed {
                batch,
                children,
                search,
            };
            Step::Closed(closed, recorded)
        });
    }

    /// The end is written: the parts come next.
    pub(super) fn closed(&mut self, closed: Closed) {
        let Closed {
            batch,
            children,
            search,
        } = closed;
        self.let_go(&batch, &children);
        match search {
            None => self.ready.extend(children),
            Some(Search { id, cut }) => {
                let rows = |child: Underway| {
                    let rows = child.batch.contacts.len();
                    (child, rows)
                };
                let parts = children.into_iter().map(rows).collect();
                self.isolations.put(id, parts, cut);
            }
        }
    }

    /// A batch that was postponed waits for its turn.
    pub(super) fn again(&mut self, underway: Underway) {
        match underway.search {
            None => self.ready.push_back(underway),
            Some(search) => {
                let rows = underway.batch.contacts.len();
                self.isolations.put_back(search, underway, rows);
            }
        }
    }

    /// The rows of a closed batch are free, except those that went into its children.
    fn let_go(&mut self, batch: &Batch, children: &[Underway]) {
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
