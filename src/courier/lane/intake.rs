//! The intake of a lane at work: rows that are read ahead, and batches that an earlier owner left
//! open.
//!
//! It guarantees that a row comes in once, and that a row that breaks a rule is refused unsent.

use std::cmp::Reverse;
use std::sync::Arc;

use tokio::time::Instant;

use super::at_work::LaneAtWork;
use super::completed::Completed;
use super::hold::{SENDS_TO_SPLIT, SENDS_WITHOUT_OTHERS};
use crate::batch::Batch;
use crate::contact::{Contact, ContactId, OutboxRow};
use crate::courier::failing::Failing;
use crate::courier::underway::Underway;
use crate::courier::watch::DatabaseWork;
use crate::outbox::{Change, OpenBatch, OutboxError, Recorded};
use crate::platform::verdict::{self, WaitReason};
use crate::settlement::{Final, RowOutcome};
use crate::telemetry::event::{RowsRefused, TakenOver};
use crate::telemetry::traces::Origin;

const UNFIT_ID: &str = "a contact's id is not between 1 and 9223372036854775807, so the courier cannot \
     settle it: delete the row, on MySQL and MariaDB run ALTER TABLE contact_outbox AUTO_INCREMENT = 1 \
     then, and insert the contact again without an id";

/// At most this many bytes are read at once: the size of a usual request.
const PAGE_BYTES: usize = 1_048_576;

impl LaneAtWork {
    /// Reads on until a batch is full, or the lane ends. Rows that break a rule fill no batch, so
    /// this may take long: it stops when many rows are being refused, and when it is others' turn.
    pub(super) async fn read_ahead(&mut self) -> Result<(), OutboxError> {
        let context = Arc::clone(&self.context);
        let (rows, room) = (context.page_size(), context.tuning().room());
        while self.reading.wants_more(room) {
            // The room is reserved before the read, so that lanes that read at once share it.
            let bytes = self.occupied.reserve(PAGE_BYTES, context.most_lanes());
            if bytes == 0 {
                break;
            }
            let limit = self.reading.page_limit(bytes, rows, room.contacts);
            let asked = Instant::now();
            let page = context
                .outbox
                .read_page(&self.lease.lane, &self.reading.cursor, limit)
                .await;
            context.watch.note(DatabaseWork::Read, asked, &page);
            self.occupied.give_back(bytes);
            let page = page?;
            self.reading.advance(&page, Instant::now());
            self.take_in(page.rows);
            // A lane whose turn is over still reads until it has something to send.
            let has_found = !self.reading.waiting.is_empty() || self.reading.is_refusing();
            if self.end.is_some() || has_found && self.has_to_stop() {
                break;
            }
        }
        Ok(())
    }

    /// Keeps the valid rows to be composed, and refuses the others.
    fn take_in(&mut self, rows: Vec<OutboxRow>) {
        let mut refused = Vec::new();
        for row in rows {
            // MySQL's ids are unsigned: an id that is too great for `i64` is read as negative.
            if row.id <= 0 {
                self.stop(UNFIT_ID);
                break;
            }
            let contact = ContactId(row.id);
            if self.reading.is_stale(contact) {
                // The same rows would be read again and again.
                self.reading.is_behind = true;
                continue;
            }
            if self.occupied.has(contact) {
                continue;
            }
            let in_doubt = row.in_doubt;
            match Contact::check(row, &self.context.request) {
                Ok(contact) => {
                    self.occupied.take(contact.id, contact.bytes);
                    self.reading.waiting.push_back(contact);
                }
                Err(violation) => {
                    self.occupied.take(contact, 0);
                    let end = Final::breaks_a_rule(in_doubt, violation.0);
                    refused.push(RowOutcome { contact, end });
                }
            }
        }
        self.refuse(refused, Change::Refuse);
    }

    /// Settles rows that break a rule, by this change.
    fn refuse(&mut self, rows: Vec<RowOutcome>, change: impl FnOnce(Vec<RowOutcome>) -> Change) {
        if rows.is_empty() {
            return;
        }
        let lane = self.lease.lane.clone();
        self.reading.refuses(rows.len());
        self.record(change(rows.clone()), move |recorded| {
            if matches!(recorded, Ok(Recorded::Done)) {
                let (lane, rows) = (&lane, &rows);
                RowsRefused { lane, rows }.emit();
            }
            let ids = rows.iter().map(|row| row.contact).collect();
            Completed::Refused(ids, recorded)
        });
    }

    /// Takes up the batches that an earlier owner left open.
    pub(super) fn adopt(&mut self, open: Vec<OpenBatch>, held_because: Option<&str>) {
        if open.is_empty() {
            return;
        }
        // The take-over is no news if this courier itself gave the lane back while it waited.
        if self.context.notes.waits_for(&self.lease.lane).is_none() {
            TakenOver {
                lane: &self.lease.lane,
                batches: open.len(),
                maybe_delivered: open.iter().filter(|batch| batch.maybe_delivered).count(),
            }
            .emit();
        }
        let longest = self.context.request.max_contact_bytes;
        let reason = held_because.and_then(WaitReason::named);
        for batch in open {
            for row in &batch.rows {
                let bytes = usize::try_from(row.bytes.min(longest)).unwrap_or(usize::MAX);
                self.occupied.take(ContactId(row.id), bytes);
            }
            let lane = &self.lease.lane;
            let (underway, changed) = Underway::adopted(lane, batch, longest, Instant::now());
            let mut underway = underway.traced(&self.context.traces, Origin::Adopted);
            self.recognise_failing(&mut underway, reason);
            self.refuse_adopted(&underway.batch, changed);
            self.occupied.numbers.insert(&underway.batch.contacts);
            let batch = &underway.batch;
            if batch.contacts.is_empty() {
                self.close(underway, verdict::vanished(), None);
            } else if batch.maybe_delivered && !batch.options.resend_is_safe() {
                let closing = verdict::unconfirmed(batch, "its courier stopped while it was sent");
                self.close(underway, closing, None);
            } else {
                self.again(underway);
            }
        }
        // The batches with the most failures are taken apart or given up first.
        let ready = self.ready.make_contiguous();
        ready.sort_by_key(|underway| Reverse(underway.failing.sends));
    }

    /// Settles rows of an adopted batch that break a rule by now. If they may have been delivered, they
    /// name the batch, so that `requeue` knows how they were sent.
    fn refuse_adopted(&mut self, batch: &Batch, changed: Vec<RowOutcome>) {
        let (id, attempts) = (batch.id, batch.attempts);
        if batch.maybe_delivered {
            self.refuse(changed, |rows| Change::RefuseSent {
                batch: id,
                attempts,
                rows,
            });
        } else {
            self.refuse(changed, Change::Refuse);
        }
    }

    /// Takes over how often a batch has failed, as far as it is known. Sets a single row aside that has been
    /// failing, and what is known to fail by itself. If the lane fails, the others tell.
    /// `reason`: why the lane was held.
    fn recognise_failing(&mut self, underway: &mut Underway, reason: Option<WaitReason>) {
        if let Some(noted) = self.context.notes.failing(underway.id()) {
            underway.failing = Failing {
                since: underway.failing.since,
                ..noted.failing
            };
            underway.is_loner = noted.resend_at.is_some();
            let at = underway.failing.turned_away_at();
            self.turned_away.last = self.turned_away.last.max(at);
            self.recall_passed(underway);
            return;
        }
        let batch = &underway.batch;
        if underway.failing.since.is_some() && batch.maybe_delivered {
            let is_single = batch.contacts.len() == 1;
            // The lane's failures in a row outlive its place. The failures of a batch that waited by
            // itself do not count for the lane. A single row would be given up for those of the
            // batches that it was part of, so few of them count.
            let failures = if is_single { 0 } else { self.trouble.failures };
            let most = failures.max(SENDS_TO_SPLIT);
            underway.failing.sends = batch.attempts.min(most);
            underway.is_loner = is_single && batch.attempts >= SENDS_TO_SPLIT;
        } else if let Some(reason) = reason.filter(|_| !batch.maybe_delivered) {
            underway.failing.sends = batch.attempts.min(sends_before(reason));
        }
    }
}

/// Returns how many sends of an adopted batch count at most. One more has a batch taken apart that a firewall
/// turned away often enough. What the platform does not find or allow lets other batches go first.
fn sends_before(reason: WaitReason) -> u32 {
    if reason.is_before_the_platform() {
        SENDS_WITHOUT_OTHERS - 1
    } else {
        u32::from(reason.may_be_about_a_row())
    }
}
