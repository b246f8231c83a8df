//! How a lane comes to wait, and how it goes on.

use std::time::Duration;

use tokio::time::Instant;

use super::{LaneAtWork, LaneEnd, Step, Writing};
use crate::courier::store::NotRecorded;
use crate::courier::underway::Underway;
use crate::outbox::{Change, Hold, Postpone, Recorded};
use crate::platform::verdict::{self, Wait};
use crate::telemetry::event::{BatchPostponed, LanePaused, LaneRecovered, LaneStopped};

/// Why a lane waits whose rows, or whose batches, the database does not let the courier write.
pub(super) const UNWRITABLE: &str = "rows_not_writable";

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
            // A lane that is stopped keeps the hold that it has.
            hold: (self.writing != Writing::Fails).then(|| Hold {
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
        if self.writing == Writing::Fails {
            return;
        }
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

    /// The database does not let the lane's outcomes be written, and would not if asked again: nothing
    /// more is sent, for it would be sent again and again.
    pub(super) fn stop(&mut self, words: &str) {
        if self.ended.is_some() {
            return;
        }
        (self.ended, self.writing) = (Some(LaneEnd::Done), Writing::Fails);
        self.failures += 1;
        let delay = self.context.tuning().backoff.delay(self.failures);
        let lane = &self.lease.lane;
        if self.context.note_waiting(lane, UNWRITABLE) {
            LaneStopped {
                lane,
                error: words,
                delay,
            }
            .emit();
        }
        let hold = Hold {
            reason: UNWRITABLE,
            message: words.into(),
            delay,
            failures: self.failures,
        };
        self.record(Change::Hold(hold), Step::Stopped);
    }

    /// The hold is put up. If that cannot be written either, the lane cools.
    pub(super) fn stopped(&mut self, recorded: Result<Recorded, NotRecorded>) {
        match recorded {
            Ok(Recorded::Done) => {}
            Ok(Recorded::Fenced | Recorded::Stale(_)) => self.lost(None),
            Err(error) => self.fail(&error),
        }
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
        if self.failures == 0 || self.writing == Writing::Fails {
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
