//! Giving up on a lane that has been waiting for a person for longer than
//! `retry.give_up_on_holds_after`.
//!
//! The wait begins with the lane's first such hold, which the database keeps, and ends when the
//! platform takes contacts of the lane again. A contact fails only when it has been due for as
//! long, too: a contact that came yesterday into a lane dead for months gets its own time. Each
//! time, a request finds out whether contacts fail: a batch is sent, and gets the same answer
//! again. Then the rest of the lane that is old enough fails with it, unsent.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::at_work::LaneAtWork;
use super::completed::Completed;
use crate::contact::{Contact, ContactId};
use crate::courier::underway::{Journal, Underway};
use crate::outbox::{Change, OutboxError, Recorded};
use crate::platform::verdict::{self, Wait};
use crate::telemetry::event::RowsExpired;

/// So many rows that are turned away one after the other, while none passes, speak for all.
const ROWS_TO_SPEAK_FOR_ALL: u32 = 3;

impl LaneAtWork {
    /// Returns how long a contact may wait, if the lane itself has been waiting for as long.
    fn limit_of_patience(&self) -> Option<Duration> {
        let limit = self.context.tuning().give_up_on_holds_after;
        let waited = self.patience.since?.elapsed();
        (!limit.is_zero() && waited >= limit).then_some(limit)
    }

    /// Whether all contacts of the batch have been waiting for a person for too long.
    pub(super) fn has_waited_too_long(&self, underway: &Underway, wait: &Wait) -> bool {
        let limit = self.limit_of_patience();
        wait.reason.waits_for_a_person()
            && limit
                .or_else(|| self.limit_of_wait(underway))
                .is_some_and(|limit| {
                    let mut contacts = underway.batch.contacts.iter();
                    contacts.all(|one| age(one, underway.read_at) >= limit)
                })
    }

    /// Returns how long a contact may wait, if this batch has been turned away for as long, though its lane
    /// goes on.
    fn limit_of_wait(&self, underway: &Underway) -> Option<Duration> {
        let limit = self.context.tuning().give_up_on_holds_after;
        let waited = underway.failing.turned_away_since()?.elapsed();
        (!limit.is_zero() && waited >= limit).then_some(limit)
    }

    /// Ends a batch that has been waiting for a person for too long, and lets the lane wait on. What was
    /// turned away may be so because of a single row, which does not speak for the others.
    pub(super) fn give_up_lane(&mut self, underway: Underway, wait: &Wait) {
        if wait.reason.is_before_the_platform() {
            if underway.batch.contacts.len() > 1 {
                return self.search_or_give_up(underway, wait);
            }
            self.turned_away.expired += 1;
            if self.turned_away.expired < ROWS_TO_SPEAK_FOR_ALL {
                return self.give_up_on_hold(underway, wait);
            }
        }
        self.wait_without_batch(wait, underway.sent_at);
        self.give_up_on_hold(underway, wait);
    }

    /// Ends a batch that has been waiting for a person for too long.
    fn give_up_on_hold(&mut self, underway: Underway, wait: &Wait) {
        let closing = verdict::give_up_on_hold(&underway.batch, wait);
        let search = self.culprits.give_up(&underway);
        self.close(underway, closing, search);
    }

    /// Lets the rest of the lane fail, too, if the lane has been waiting for a person for too long.
    pub(super) fn give_up_rest_after(&mut self, wait: &Wait) {
        if wait.reason.waits_for_a_person() && self.limit_of_patience().is_some() {
            self.patience.over = Some(wait.clone());
        }
    }

    /// Lets the rest of the lane fail, page by page; the next page follows when this one is
    /// written.
    pub(super) async fn give_up_rest(&mut self) -> Result<(), OutboxError> {
        let (Some(wait), Some(limit)) = (self.patience.over.clone(), self.limit_of_patience())
        else {
            return Ok(());
        };
        // A later request decides about the remaining rows.
        if self.end.is_some() || self.has_to_stop() {
            return Ok(());
        }
        for underway in mem::take(&mut self.ready) {
            // A batch that the journal does not know cannot be closed there. Its rows are read
            // again.
            let is_open = underway.journal == Journal::Waiting;
            if is_open && self.has_waited_too_long(&underway, &wait) {
                self.give_up_on_hold(underway, &wait);
            } else {
                self.ready.push_back(underway);
            }
        }
        for mut underway in self.culprits.take_waiting() {
            underway.search = None;
            if self.has_waited_too_long(&underway, &wait) {
                self.give_up_on_hold(underway, &wait);
            } else {
                self.ready.push_back(underway);
            }
        }
        for (resend_at, underway) in self.loners.take_all() {
            if self.has_waited_too_long(&underway, &wait) {
                self.give_up_on_hold(underway, &wait);
            } else {
                self.loners.put(underway, resend_at, &self.context.notes);
            }
        }
        // The next rows are read when the failures so far are written.
        while self.end.is_none() && !self.reading.is_refusing() {
            self.read_ahead().await?;
            let read_at = self.reading.read_at;
            let (old, young): (Vec<Contact>, Vec<Contact>) = mem::take(&mut self.reading.waiting)
                .into_iter()
                .partition(|contact| age(contact, read_at) >= limit);
            for contact in &young {
                self.occupied.let_go(contact.id);
            }
            if !old.is_empty() {
                self.expire(&old, &wait);
            } else if self.has_to_stop() {
                return Ok(());
            } else if young.is_empty() && !self.reading.is_refusing() {
                self.patience.over = None;
                return Ok(());
            }
        }
        Ok(())
    }

    fn expire(&mut self, contacts: &[Contact], wait: &Wait) {
        self.turn.batches += 1;
        let ids: Vec<ContactId> = contacts.iter().map(|contact| contact.id).collect();
        let rows = verdict::expire_on_hold(contacts, wait);
        let lane = Arc::clone(&self.lease);
        self.reading.refuses(rows.len());
        self.record(Change::Refuse(rows.clone()), move |recorded| {
            if matches!(recorded, Ok(Recorded::Done)) {
                let (lane, rows) = (&lane.lane, &rows);
                RowsExpired { lane, rows }.emit();
            }
            Completed::Refused(ids, recorded)
        });
    }
}

/// Returns how long a contact has been due that was read at `read_at`.
fn age(contact: &Contact, read_at: Instant) -> Duration {
    contact.due_for + read_at.elapsed()
}
