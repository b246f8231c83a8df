//! The outcome of a batch that was sent: it waits, or it is closed and its rows settled.

use tokio::time::Instant;

use super::at_work::LaneAtWork;
use super::completed::{ClosedBatch, Completed};
use super::culprits::Search;
use super::taking::took_a_row;
use crate::batch::{Batch, BatchId};
use crate::contact::{Contact, ContactId};
use crate::courier::dispatcher::{Dispatched, NotSent};
use crate::courier::failing::Failing;
use crate::courier::isolation::Cut;
use crate::courier::refusals;
use crate::courier::underway::{Journal, Underway};
use crate::outbox::{Change, Close, Recorded};
use crate::platform::verdict::{self, Closing, Outcome, Verdict};
use crate::telemetry::event::BatchClosed;
use crate::telemetry::traces::Origin;

impl LaneAtWork {
    pub(super) fn sent(&mut self, mut underway: Underway, dispatched: Dispatched) {
        self.sends.end();
        match dispatched {
            Dispatched::Answered(Verdict::Close(closing), counted) => {
                let search = if let Some(wait) = &closing.because {
                    self.wait_without_batch(wait, underway.sent_at);
                    None
                } else {
                    self.answered(&underway, &closing)
                };
                if took_a_row(&underway.batch, &closing, counted) {
                    self.taking.takes(underway.sent_at);
                    self.passes(underway.sent_at);
                    self.tell_those_put_off(underway.sent_at);
                }
                self.close(underway, closing, search);
            }
            Dispatched::Answered(Verdict::Wait(wait), _) => self.wait(underway, wait),
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

    /// Sends the batch without the rows that are not pending any more.
    fn goes_without(&mut self, mut underway: Underway, rows: Vec<ContactId>) {
        self.reading.note_stale(rows);
        let (gone, rest): (Vec<Contact>, Vec<Contact>) =
            std::mem::take(&mut underway.batch.contacts)
                .into_iter()
                .partition(|contact| self.reading.is_stale(contact.id));
        self.occupied.free(&gone);
        underway.batch.contacts = rest;
        if !underway.batch.contacts.is_empty() {
            self.again(underway);
        } else if underway.journal == Journal::Waiting {
            let search = self.culprits.give_up(&underway);
            self.close(underway, verdict::vanished(), search);
        } else {
            self.reading.is_behind = true;
            underway.trace.lost();
        }
    }

    /// Acts on what the answer says beyond this batch: whether the lane is well, and where to look
    /// for culprits. Returns the search that the batch belongs to.
    fn answered(&mut self, underway: &Underway, closing: &Closing) -> Option<Search> {
        let (lane, now) = (&self.lease.lane, Instant::now());
        self.answered_at = Some(now);
        if self.context.move_gates(|gates| gates.open(lane, now)) {
            self.context.token_taken_again.notify_one();
        }
        let batch = &underway.batch;
        let search = self.culprits.search(underway, closing);
        let alone = closing.outcome == Outcome::Refused && batch.contacts.len() == 1;
        if refusals::shows_progress(&closing.settled, alone) {
            self.recover();
        }
        let goes_on = search.is_some_and(|search| search.cut.is_some());
        if let Some(all) = self.culprits.note(underway, closing, alone, goes_on) {
            self.wait_without_batch(&all.wait(), underway.sent_at);
        }
        search
    }

    /// Cuts a piece without asking about it as a whole: its parts say more.
    pub(super) fn take_apart(&mut self, piece: Underway, cut: Cut) {
        let search = piece.search.map(|id| Search { id, cut: Some(cut) });
        let closing = verdict::taken_apart(&piece.batch);
        self.close(piece, closing, search);
    }

    /// Writes the end of a batch, and puts its open rows into smaller batches.
    pub(super) fn close(&mut self, underway: Underway, closing: Closing, search: Option<Search>) {
        self.context.notes.forget_failing(underway.id());
        if closing.outcome == Outcome::Refused {
            self.taking.refuses(Instant::now());
        }
        let children = self.parts(&underway, &closing, search);
        let Underway {
            batch,
            begun,
            read_at,
            mut trace,
            ..
        } = underway;
        trace.settles();
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
            let closed = ClosedBatch {
                batch,
                children,
                search,
            };
            Completed::Closed(closed, recorded)
        });
    }

    /// Returns smaller batches of the rows that a closing leaves open.
    fn parts(
        &self,
        underway: &Underway,
        closing: &Closing,
        search: Option<Search>,
    ) -> Vec<Underway> {
        // The parts of a batch that fails by itself have been failing with it, and its last failure
        // counts for each of them.
        let failing = if closing.outcome == Outcome::TakenApart {
            underway.failing.of_a_part()
        } else {
            Failing::default()
        };
        let was_refused = underway.was_refused || closing.outcome == Outcome::Refused;
        let now = Instant::now();
        let open = &closing.unsettled;
        let cut = search.and_then(|search| search.cut);
        let first = cut.map_or(open.len().div_ceil(2), |cut| cut.first);
        let search = search.map(|search| search.id);
        let part = |part: Batch| {
            let part = Underway::child(part, search, underway.read_at, now);
            Underway {
                failing,
                sent_at: underway.sent_at,
                was_refused,
                ..part.traced(&self.context.traces, Origin::Split)
            }
        };
        let parts = underway
            .batch
            .split(open, first, closing.maybe_delivered, BatchId::generate);
        parts.into_iter().map(part).collect()
    }

    /// Frees the rows of a batch whose end is written, and goes on with its parts.
    pub(super) fn closed(&mut self, closed: ClosedBatch) {
        let ClosedBatch {
            batch,
            children,
            search,
        } = closed;
        self.occupied.free(&batch.contacts);
        for child in &children {
            self.occupied.add(&child.batch.contacts);
            if child.failing.is_suspected || child.failing.put_off.is_some() {
                child.note(None, &self.context.notes);
            }
        }
        match search {
            None => self.ready.extend(children),
            Some(search) => self.culprits.put(search, children),
        }
    }

    /// Puts a postponed batch back to wait for its turn.
    pub(super) fn again(&mut self, mut underway: Underway) {
        self.catch_up(&mut underway);
        if underway.is_loner {
            let noted = self.context.notes.failing(underway.id());
            let resend_at = noted.and_then(|noted| noted.resend_at);
            let resend_at = resend_at.unwrap_or_else(Instant::now);
            return self.loners.put(underway, resend_at, &self.context.notes);
        }
        match underway.search {
            None if underway.failing.sends > 0 => self.ready.push_front(underway),
            None => self.ready.push_back(underway),
            Some(search) => self.culprits.put_back(search, underway),
        }
    }
}
