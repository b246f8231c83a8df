//! How a lane comes to wait, and how it goes on.

use std::time::Duration;

use tokio::time::Instant;

use super::{LaneAtWork, Step};
use crate::courier::underway::Underway;
use crate::outbox::{Change, Hold, Postpone};
use crate::platform::verdict::{self, Wait};
use crate::telemetry::event::{BatchPostponed, LanePaused, LaneRecovered};

impl LaneAtWork {
    /// The batch goes again later, and the lane waits with it.
    pub(super) fn wait(&mut self, mut underway: Underway, wait: Wait) {
        underway.batch.maybe_delivered |= wait.maybe_delivered;
        if !wait.reason.counts_as_attempt() {
            underway.batch.attempts -= 1;
        }
        if self.gives_up(&mut underway, &wait) {
            let closing = verdict::give_up(&underway.batch, &wait.message);
            let search = self.given_up(&underway);
            return self.close(underway, closing, search);
        }
        let delay = self.hold(&wait);
        let (batch, lane) = (&underway.batch, &self.lease.lane);
        let news = self.context.note_waiting(lane, wait.reason.as_str());
        BatchPostponed {
            batch,
            wait: &wait,
            delay,
            news,
        }
        .emit();
        let change = Change::Postpone(Postpone {
            batch: batch.id,
            attempts: batch.attempts,
            maybe_delivered: batch.maybe_delivered,
            failing: wait.reason.runs_out(),
            hold: Some(Hold {
                reason: wait.reason.as_str(),
                message: wait.message,
                delay,
                failures: self.failures,
            }),
        });
        underway.is_retry = true;
        underway.trace.waits(wait.reason.as_str());
        self.record(change, |recorded| Step::Postponed(underway, recorded));
    }

    /// The lane waits, though the batch that showed why goes no more.
    pub(super) fn wait_without_batch(&mut self, wait: &Wait) {
        let delay = self.hold(wait);
        let reason = wait.reason.as_str();
        let lane = &self.lease.lane;
        if self.context.note_waiting(lane, reason) {
            LanePaused { lane, wait, delay }.emit();
        }
        let hold = Hold {
            reason,
            message: wait.message.clone(),
            delay,
            failures: self.failures,
        };
        self.record(Change::Hold(hold), Step::Noted);
    }

    /// Whether the batch has been failing for longer than we try.
    fn gives_up(&self, underway: &mut Underway, wait: &Wait) -> bool {
        if !wait.reason.runs_out() {
            underway.failing_since = None;
            return false;
        }
        let since = *underway.failing_since.get_or_insert_with(Instant::now);
        let limit = self.context.tuning().give_up_after;
        !limit.is_zero() && since.elapsed() >= limit
    }

    /// Holds the lane. Sends that were under way together are one failure.
    fn hold(&mut self, wait: &Wait) -> Duration {
        let now = Instant::now();
        let policy = self.context.tuning().backoff;
        let lane = &self.lease.lane;
        let gate = self
            .context
            .move_gates(|gates| gates.close(lane, wait, |n| policy.delay(n), now));
        let until = match (self.held_until, gate) {
            (Some(until), None) => until,
            (held, gate) => {
                self.failures += u32::from(held.is_none());
                now + gate.unwrap_or_else(|| policy.delay(self.failures))
            }
        };
        self.held_until = Some(until);
        until.saturating_duration_since(now)
    }

    /// The platform takes contacts of this lane: what stood in the way is gone.
    pub(super) fn recover(&mut self) {
        if self.failures == 0 {
            return;
        }
        self.failures = 0;
        if self.context.note_going(&self.lease.lane) {
            LaneRecovered {
                lane: &self.lease.lane,
            }
            .emit();
        }
        self.record(Change::Recover, Step::Noted);
    }
}
