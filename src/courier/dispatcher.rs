//! The dispatcher: one send of one batch, from the journal entry to the verdict.
//!
//! Lanes hand batches in. The dispatcher guarantees that no more than `max_in_flight` requests are
//! under way, that the rate limits are kept, that the batch is in the journal before its first byte
//! goes out, and that nothing is sent on a lease that may be lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::breaker;
use super::context::Context;
use super::limits::{Departed, OwnTurn};
use super::permits::Permit;
use super::refusal_count::RefusalsBefore;
use super::store::NotRecorded;
use super::underway::{Journal, Underway};
use crate::contact::ContactId;
use crate::outbox::{Change, Lease, Postpone, Recorded};
use crate::platform::verdict::{self, Verdict, WaitReason};
use crate::telemetry::event::{RateLimitWait, RequestEnded, RequestSent};
use crate::telemetry::traces::HeldBy;

/// While the journal is written, the dispatcher looks so often whether the write waits for a lock.
const LOOK_AT_LOCKS: Duration = Duration::from_secs(1);

/// The result of a send.
#[derive(Debug)]
pub(super) enum Dispatched {
    /// The batch went out; the verdict reads the answer, or its absence. With it: whether the answer
    /// counts rows as taken.
    Answered(Verdict, bool),
    NotSent(NotSent),
}

/// Why a batch did not go out.
#[derive(Debug)]
pub(super) enum NotSent {
    /// The courier is stopping; the batch was not even journalled anew.
    Stopping,
    /// While the batch waited for its turn, a gate closed, the lane was paused, or the rate of the
    /// lane or its user was used up.
    NotNow,
    /// The lane has another owner, or may have one.
    LeaseLost,
    /// The journal found that these rows of the batch are not pending any more.
    Stale(Vec<ContactId>),
    /// The journal could not be written.
    NotRecorded(NotRecorded),
}

/// The turn of a lane to send one request.
pub(super) struct Admission {
    permit: Permit,
    rate_wait: RateLimitWait,
}

/// Borrows the courier's parts for one send.
pub(super) struct Dispatcher<'a>(pub(super) &'a Context);

impl Dispatcher<'_> {
    /// Waits for the turn of the batch's lane.
    pub(super) async fn admit(
        &self,
        underway: &mut Underway,
        turn: OwnTurn,
    ) -> Result<Admission, NotSent> {
        let context = self.0;
        let limiter = &context.limiter;
        let mut rate_wait = RateLimitWait::default();
        let (trace, lane) = (&mut underway.trace, &underway.batch.lane);
        let turn = async {
            trace
                .held(HeldBy::RateLimit, rate_wait.during(turn.ready()))
                .await;
            let permit = context.permits.acquire(lane, limiter.room_inside());
            trace.held(HeldBy::Permit, permit).await
        };
        let permit = tokio::select! {
            biased;
            () = context.life.stopping() => Err(NotSent::Stopping),
            () = context.pauses.paused(lane) => Err(NotSent::NotNow),
            permit = turn => permit.ok_or(NotSent::Stopping),
        };
        Ok(Admission {
            permit: permit?,
            rate_wait,
        })
    }

    /// Sends the batch once.
    pub(super) async fn send(
        &self,
        lease: &Arc<Lease>,
        underway: &mut Underway,
        admission: Admission,
        refusals: &RefusalsBefore,
    ) -> Dispatched {
        let context = self.0;
        let limiter = &context.limiter;
        let Admission {
            permit,
            mut rate_wait,
        } = admission;
        if !context.leases.is_good() {
            return Dispatched::NotSent(NotSent::LeaseLost);
        }
        // Other requests of the lane may have used up its window. Then the permit is for lanes that
        // may send.
        let is_stuck = context.recorder.is_stuck(&lease.lane);
        if is_stuck || limiter.has_window(&lease.lane).is_err() {
            return Dispatched::NotSent(NotSent::NotNow);
        }
        let mut permit = match self.journal_soon(lease, underway, permit).await {
            Ok(permit) => permit,
            Err(not_sent) => return Dispatched::NotSent(not_sent),
        };
        // The rate limit comes last, so that a slow journal cannot bunch requests up behind it.
        // Gates and lease are then looked at again, because journal and limit have taken time.
        let departed = tokio::select! {
            biased;
            () = context.life.stopping() => Err(NotSent::Stopping),
            () = context.pauses.paused(&lease.lane) => Err(NotSent::NotNow),
            ready = underway.trace.held(HeldBy::RateLimit, rate_wait.during(limiter.ready(&lease.lane))) => {
                let is_open = |_: &Departed| !context.gates().is_shut(&lease.lane, Instant::now());
                ready.ok().filter(is_open).ok_or(NotSent::NotNow)
            }
        };
        let departed = match departed {
            Ok(departed) => departed,
            Err(hindered) => {
                self.take_back(lease, underway).await;
                return Dispatched::NotSent(hindered);
            }
        };
        if !context.leases.is_good() {
            // Frees the permit for others while this is written. If the lane has another owner, the
            // write is fenced.
            drop(permit);
            self.take_back(lease, underway).await;
            return Dispatched::NotSent(NotSent::LeaseLost);
        }
        rate_wait.emit();
        permit.goes_out();
        let (verdict, counted) = self.deliver(underway, departed, refusals).await;
        drop(permit);
        Dispatched::Answered(verdict, counted)
    }

    /// Makes one request, and reads its answer. Returns also whether the answer counts rows as taken.
    async fn deliver(
        &self,
        underway: &mut Underway,
        departed: Departed,
        refusals: &RefusalsBefore,
    ) -> (Verdict, bool) {
        let (request, sent) = (RequestSent::emit(&underway.batch), Instant::now());
        underway.sent_at = sent;
        let Underway { batch, trace, .. } = underway;
        trace.sends(batch.attempts);
        let reply = self.0.platform.deliver(batch).await;
        let took = request.answered();
        // Refusals may be quicker than the platform's work, and tell nothing of how long it takes.
        if reply.is_success() {
            self.0.limiter.answered(departed);
        }
        batch.taken_since &= refusals.are_all();
        let verdict = verdict::read(batch, &reply, &self.0.tuning().rules);
        trace.answered(&reply, &verdict);
        RequestEnded {
            batch,
            verdict: &verdict,
            took,
        }
        .emit();
        let lane = &batch.lane;
        let wait = verdict.wait();
        let has_failed = wait.is_some_and(|wait| breaker::counts(wait.reason));
        let is_refused = wait.is_some_and(|wait| wait.reason == WaitReason::RateLimited);
        if !has_failed && !is_refused {
            self.0.limiter.accepted(sent);
        }
        self.0.permits.note(lane, took, !has_failed);
        if wait.is_none() {
            self.0.limiter.succeeded();
        }
        (verdict, reply.counts_rows())
    }

    /// Journals the next attempt, and returns the permit. If the entry waits for a lock, the permit is for
    /// others, and the batch does not go out now.
    async fn journal_soon(
        &self,
        lease: &Arc<Lease>,
        underway: &mut Underway,
        permit: Permit,
    ) -> Result<Permit, NotSent> {
        underway.batch.attempts += 1;
        let mut permit = Some(permit);
        let mut journalling = Box::pin(self.journal(lease, underway));
        let journalled = loop {
            match timeout(LOOK_AT_LOCKS, &mut journalling).await {
                Ok(journalled) => break journalled,
                Err(_) => permit = permit.filter(|_| !self.0.recorder.is_stuck(&lease.lane)),
            }
        };
        drop(journalling);
        if journalled.is_err() {
            underway.batch.attempts -= 1;
        } else if permit.is_none() {
            self.take_back(lease, underway).await;
        }
        journalled.and(permit.ok_or(NotSent::NotNow))
    }

    /// Takes the entry of the journal back, because not a byte of the batch was sent. If this
    /// cannot be written, the next owner has to assume that the batch was delivered.
    async fn take_back(&self, lease: &Arc<Lease>, underway: &mut Underway) {
        underway.batch.attempts -= 1;
        let change = Change::Postpone(Postpone {
            batch: underway.id(),
            attempts: underway.batch.attempts,
            maybe_delivered: underway.batch.maybe_delivered,
            failing: underway.failing.since.is_some(),
            apart: None,
            hold: None,
        });
        self.0.recorder.record(lease, change).await.ok();
    }

    /// Writes into the journal that this batch may be on its way.
    async fn journal(&self, lease: &Arc<Lease>, underway: &mut Underway) -> Result<(), NotSent> {
        let batch = &underway.batch;
        let change = match underway.journal {
            Journal::New => Change::Open(underway.entry()),
            // The journal may say so already, but a row that is no longer pending must not be sent
            // again.
            Journal::Waiting => Change::Resend {
                batch: batch.id,
                attempts: batch.attempts,
                contacts: batch.contact_ids(),
            },
        };
        let written = self.0.recorder.record(lease, change);
        match underway.trace.held(HeldBy::Journal, written).await {
            Ok(Recorded::Done) => {
                underway.journal = Journal::Waiting;
                Ok(())
            }
            Ok(Recorded::Fenced) => Err(NotSent::LeaseLost),
            Ok(Recorded::Stale(rows)) => Err(NotSent::Stale(rows)),
            Err(error) => Err(NotSent::NotRecorded(error)),
        }
    }
}
