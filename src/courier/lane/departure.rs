//! The way of a batch out: it is paid for, waits for its turn, is filled up, and is sent.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::at_work::LaneAtWork;
use super::completed::Completed;
use crate::batch::{Composed, compose};
use crate::courier::dispatcher::{Dispatched, Dispatcher, NotSent};
use crate::courier::limits::OwnTurn;
use crate::courier::underway::{Journal, Underway};

/// A batch that has waited this long for its turn is filled up with new contacts.
const LONG: Duration = Duration::from_millis(20);

impl LaneAtWork {
    /// Pays for one more request, and takes its turn. Fails with the instant before which there is
    /// none.
    pub(super) fn pay(&mut self, underway: &Underway) -> Result<OwnTurn, Instant> {
        let budget = self.trouble.budget_of_next(underway.is_retry);
        let turn = self.context.limiter.take_turn(&self.lease.lane, budget)?;
        self.trouble.next_goes();
        Ok(turn)
    }

    /// Lets a batch wait for its turn.
    pub(super) fn begin(&mut self, mut underway: Underway, turn: OwnTurn) {
        self.sends.begin();
        underway.failing.sets_out(self.turned_away.passed);
        self.turn.batches += 1;
        self.reading.batch_goes();
        let context = Arc::clone(&self.context);
        self.steps.spawn(async move {
            let admitted = Dispatcher(&context).admit(&mut underway, turn).await;
            Completed::Admitted(underway, admitted)
        });
    }

    /// Sends the batches whose turn has come.
    pub(super) async fn send_admitted(&mut self) {
        while let Some((mut underway, admitted)) = self.sends.next_admitted() {
            let admitted = match self.end {
                None => admitted,
                Some(_) => admitted.and(Err(NotSent::NotNow)),
            };
            let admission = match admitted {
                Ok(admission) => admission,
                Err(not_sent) => {
                    self.sent(underway, Dispatched::NotSent(not_sent));
                    continue;
                }
            };
            self.fill_up(&mut underway).await;
            if self.end.is_some() {
                self.sent(underway, Dispatched::NotSent(NotSent::NotNow));
                continue;
            }
            underway.batch.taken_since = self.taking.has_taken_since(&underway);
            let refusals = self.taking.refusals();
            let (context, lease) = (Arc::clone(&self.context), Arc::clone(&self.lease));
            self.steps.spawn(async move {
                let way = Dispatcher(&context);
                let dispatched = way.send(&lease, &mut underway, admission, &refusals).await;
                Completed::Sent(underway, dispatched)
            });
        }
    }

    /// Adds contacts to a batch that the journal does not know yet, if some have come while the
    /// batch waited for its turn.
    async fn fill_up(&mut self, underway: &mut Underway) {
        let room = self.context.tuning().room();
        let is_full = underway.batch.contacts.len() >= room.contacts;
        if underway.journal != Journal::New || is_full || underway.begun.elapsed() < LONG {
            return;
        }
        if !self.reading.is_behind {
            self.reading.goes_on();
            // Contacts that cannot be read now go later.
            self.read_ahead().await.ok();
        }
        // The time that they have been due is brought up to the last page, as for newly read
        // contacts.
        let before = self.reading.read_at.duration_since(underway.read_at);
        let contacts = std::mem::take(&mut underway.batch.contacts);
        self.occupied.numbers.remove(&contacts);
        for mut contact in contacts.into_iter().rev() {
            contact.due_for += before;
            self.reading.waiting.push_front(contact);
        }
        // Nothing keeps the first contact from going, so there is always a batch.
        let composed = compose(&mut self.reading.waiting, &self.occupied.numbers, room);
        if let Some(Composed { contacts, .. }) = composed {
            self.occupied.numbers.insert(&contacts);
            (underway.batch.contacts, underway.read_at) = (contacts, self.reading.read_at);
        }
    }
}
