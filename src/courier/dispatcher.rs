//! The dispatcher: one send of one batch, from the journal entry to the verdict.
//!
//! Lanes hand batches in; the dispatcher sees to it that no more than `max_in_flight` requests are
//! under way, that the rate limits are kept, that the batch is in the journal before its first byte
//! goes out, and that nothing is sent on a lease that may be lost.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::Instant;

use super::context::lock;
use super::gates::Gates;
use super::heartbeat::LeaseClock;
use super::lifecycle::Lifecycle;
use super::limits::Limits;
use super::permits::Permits;
use super::recorder::Recorder;
use super::store::NotRecorded;
use super::tuning::Tuner;
use super::underway::{Journal, Underway};
use crate::contact::ContactId;
use crate::outbox::{Change, Lease, Postpone, Recorded};
use crate::platform::client::Platform;
use crate::platform::verdict::{self, Verdict, WaitReason};
use crate::telemetry::event::{RateLimitWait, RequestEnded, RequestSent};
use crate::telemetry::traces::Hold;

/// What became of a send.
#[derive(Debug)]
pub(super) enum Dispatched {
    /// It went out, and this is what the answer, or its absence, says.
    Answered(Verdict),
    /// It did not go out.
    NotSent(NotSent),
}

/// Why a batch did not go out.
#[derive(Debug)]
pub(super) enum NotSent {
    /// The courier is ending; the batch was not even journalled anew.
    Stopping,
    /// A gate was closed while it waited for the rate limit.
    NotNow,
    /// The lane has another owner, or may have one.
    LeaseLost,
    /// These rows of it are not pending any more, which the journal was told to look at.
    Stale(Vec<ContactId>),
    /// The journal could not be written.
    NotRecorded(NotRecorded),
}

/// Shared by all lanes of a courier.
pub(super) struct Dispatcher {
    /// Where batches go.
    pub(super) platform: Arc<dyn Platform>,
    /// What can change, as how answers are told apart.
    pub(super) tuner: Tuner,
    /// One permit per request that may be under way.
    pub(super) permits: Permits,
    /// The rate limits, and the budget for retries.
    pub(super) limits: Limits,
    /// Who may not send for now.
    pub(super) gates: Mutex<Gates>,
    /// Writes the journal.
    pub(super) recorder: Recorder,
    /// Whether leases are good.
    pub(super) leases: LeaseClock,
    /// Whether to go on.
    pub(super) life: Lifecycle,
}

impl Dispatcher {
    /// Sends the batch once.
    pub(super) async fn send(&self, lease: &Arc<Lease>, underway: &mut Underway) -> Dispatched {
        let mut limits = RateLimitWait::default();
        let trace = &mut underway.trace;
        let turn = async {
            if underway.is_retry {
                let budget = self.limits.retry_ready();
                trace.held(Hold::RetryBudget, budget).await;
            }
            let lane = limits.during(self.limits.lane_ready(&lease.lane));
            trace.held(Hold::RateLimit, lane).await;
            trace.held(Hold::Permit, self.permits.acquire()).await
        };
        let permit = tokio::select! {
            biased;
            () = self.life.stopping() => return Dispatched::NotSent(NotSent::Stopping),
            permit = turn => permit,
        };
        if !self.leases.is_good() {
            return Dispatched::NotSent(NotSent::LeaseLost);
        }
        underway.batch.attempts += 1;
        if let Err(not_sent) = self.journal(lease, underway).await {
            underway.batch.attempts -= 1;
            return Dispatched::NotSent(not_sent);
        }
        // Last of all, so that a journal that takes its time cannot make requests bunch up behind
        // the limit; and then gates and lease again, for both have taken time.
        let hindered = tokio::select! {
            biased;
            () = self.life.stopping() => Some(NotSent::Stopping),
            () = underway.trace.held(Hold::RateLimit, limits.during(self.limits.ready(&lease.lane))) => self
                .gates()
                .is_shut(&lease.lane, Instant::now())
                .then_some(NotSent::NotNow),
        };
        if let Some(hindered) = hindered {
            self.take_back(lease, underway).await;
            return Dispatched::NotSent(hindered);
        }
        if !self.leases.is_good() {
            return Dispatched::NotSent(NotSent::LeaseLost);
        }
        limits.emit();
        let verdict = self.deliver(underway).await;
        drop(permit);
        Dispatched::Answered(verdict)
    }

    /// Who may not send for now.
    pub(super) fn gates(&self) -> MutexGuard<'_, Gates> {
        lock(&self.gates)
    }

    /// One request, and what its answer says.
    async fn deliver(&self, underway: &mut Underway) -> Verdict {
        let Underway { batch, trace, .. } = underway;
        trace.sends(batch.attempts);
        let (request, sent) = (RequestSent::emit(batch), Instant::now());
        let reply = self.platform.deliver(batch).await;
        let took = request.answered();
        let verdict = verdict::read(batch, &reply, &self.tuner.current().rules);
        trace.answered(&reply, &verdict);
        RequestEnded {
            batch,
            verdict: &verdict,
            took,
        }
        .emit();
        match &verdict {
            Verdict::Wait(wait) if wait.reason == WaitReason::RateLimited => {
                self.limits.too_many(sent);
            }
            Verdict::Close(closing) if closing.because.is_none() => self.limits.succeeded(),
            _ => {}
        }
        verdict
    }

    /// The journal says that the batch may be on its way, but not a byte of it was sent. If this
    /// cannot be written, the next owner takes the batch for one that may have been delivered.
    async fn take_back(&self, lease: &Arc<Lease>, underway: &mut Underway) {
        underway.batch.attempts -= 1;
        let change = Change::Postpone(Postpone {
            batch: underway.id(),
            attempts: underway.batch.attempts,
            maybe_delivered: underway.batch.maybe_delivered,
            failing: underway.failing_since.is_some(),
            hold: None,
        });
        self.recorder.record(lease, change).await.ok();
    }

    /// Sees to it that the journal says: this batch may be on its way.
    async fn journal(&self, lease: &Arc<Lease>, underway: &mut Underway) -> Result<(), NotSent> {
        let batch = &underway.batch;
        let change = match underway.journal {
            Journal::New => Change::Open(underway.entry()),
            // It says so already, and one write less is one write less.
            Journal::Waiting if batch.maybe_delivered => return Ok(()),
            Journal::Waiting => Change::Resend {
                batch: batch.id,
                attempts: batch.attempts,
                contacts: batch.contact_ids(),
            },
        };
        let written = self.recorder.record(lease, change);
        match underway.trace.held(Hold::Journal, written).await {
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
