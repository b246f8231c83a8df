//! How a lane begins to wait, and how it goes on.

use std::time::Duration;

use tokio::time::Instant;

use super::at_work::LaneAtWork;
use super::completed::Completed;
use super::end::LaneEnd;
use super::writing::{UNWRITABLE, Writing};
use crate::courier::gate::Closing;
use crate::courier::gates::Closed;
use crate::courier::store::Answer;
use crate::courier::underway::Underway;
use crate::outbox::{Apart, Change, Hold, Postpone, Recorded};
use crate::platform::verdict::{self, Wait, WaitReason};
use crate::telemetry::event::{BatchPostponed, LaneHeld, LaneRecovered, LaneStopped};

/// After this many failed sends, the parts of a batch are tried, while the platform answers others.
pub(super) const SENDS_TO_SPLIT: u32 = 3;

/// After this many failed sends, the last one of the whole batch included, a single row leaves its
/// search.
const SENDS_TO_LEAVE: u32 = 2;

/// The same as [`SENDS_TO_SPLIT`], if there are no others.
pub(super) const SENDS_WITHOUT_OTHERS: u32 = 5;

impl LaneAtWork {
    /// Postpones the batch, and lets the lane wait with it.
    pub(super) fn wait(&mut self, mut underway: Underway, wait: Wait) {
        let (was_aside, was_alone) = (underway.is_loner, underway.failing.is_put_off_alone());
        self.catch_up(&mut underway);
        underway.waits(&wait, self.turned_away.last, self.passed_at, Instant::now());
        self.notice_turned_away(&mut underway);
        self.notice_put_off(&mut underway, was_alone);
        if self.gives_up(&underway) {
            let closing = verdict::give_up(&underway.batch, &wait.message);
            let search = self.culprits.give_up(&underway);
            return self.close(underway, closing, search);
        }
        if self.is_to_blame(&underway, &wait) {
            return self.search_or_give_up(underway, &wait);
        }
        if self.has_waited_too_long(&underway, &wait) {
            return self.give_up_lane(underway, &wait);
        }
        self.set_aside(&mut underway, &wait);
        let waits_alone = self.waits_alone(&underway, &wait);
        let own = self.delay_if_put_off(&underway, &wait);
        let delay = if waits_alone {
            self.tell_the_breaker(&wait, underway.sent_at);
            own.unwrap_or_else(|| self.delay_alone(&underway, &wait))
        } else {
            self.hold(&wait, underway.sent_at)
        };
        let is_to_remember = underway.failing.away.is_some() || underway.failing.put_off.is_some();
        if underway.is_loner || is_to_remember {
            let resend_in = own.map_or(delay, |own| own.max(delay));
            let resend_at = underway.is_loner.then(|| Instant::now() + resend_in);
            underway.note(resend_at, &self.context.notes);
        } else {
            self.context.notes.forget_failing(underway.id());
        }
        let (batch, lane) = (&underway.batch, &self.lease.lane);
        let is_news = if waits_alone {
            !was_aside || underway.failing.is_put_off_alone() && !was_alone
        } else {
            self.context.notes.lane_waits(lane, wait.reason.as_str())
        };
        BatchPostponed {
            batch,
            wait: &wait,
            delay,
            is_news,
            is_apart: waits_alone,
        }
        .emit();
        underway.trace.waits(wait.reason.as_str());
        let change = self.postponed(&underway, wait, delay, waits_alone);
        underway.is_retry = true;
        self.record(change, |recorded| Completed::Postponed(underway, recorded));
    }

    /// Returns the write that postpones the batch, and its lane if it does not wait alone.
    fn postponed(
        &self,
        underway: &Underway,
        wait: Wait,
        delay: Duration,
        waits_alone: bool,
    ) -> Change {
        let (batch, reason) = (&underway.batch, wait.reason.as_str());
        Change::Postpone(Postpone {
            batch: batch.id,
            attempts: batch.attempts,
            maybe_delivered: batch.maybe_delivered,
            failing: wait.reason.runs_out(),
            apart: waits_alone.then(|| Apart {
                reason,
                message: wait.message.clone(),
            }),
            // A lane that is stopped keeps its present hold.
            hold: (self.writing != Writing::Fails && !waits_alone).then(|| Hold {
                reason,
                message: wait.message,
                delay,
                failures: self.trouble.failures,
                needs_person: wait.reason.waits_for_a_person(),
            }),
        })
    }

    /// Sets aside a batch that fails by itself while the platform answers others of the lane. A
    /// single row leaves its search, which goes on without it.
    fn set_aside(&mut self, underway: &mut Underway, wait: &Wait) {
        let is_single = underway.batch.contacts.len() == 1;
        let sends = if underway.search.is_some() {
            SENDS_TO_LEAVE
        } else {
            SENDS_TO_SPLIT
        };
        let others_pass = if underway.failing.away.is_some() {
            underway.failing.is_suspected || underway.failing.is_turned_away_alone()
        } else {
            self.others_of_lane_pass(underway)
        };
        let is_aside = self.is_put_off_apart(underway, wait)
            || fails_by_itself(wait) && others_pass
            || is_single && underway.failing.sends >= sends;
        if is_single && is_aside {
            self.culprits.leave(underway);
        }
        underway.is_loner |= is_aside;
    }

    /// Whether the platform has answered another batch of the lane since this one began to fail, or
    /// while this one was under way.
    fn others_of_lane_pass(&self, underway: &Underway) -> bool {
        let since = underway.failing.since.unwrap_or(underway.sent_at);
        let since = since.min(underway.sent_at);
        self.answered_at.is_some_and(|answered| answered > since)
    }

    /// Whether only this batch waits, because it fails by itself: the platform answers others
    /// meanwhile, or the lane has no others that could wait with it.
    fn waits_alone(&self, underway: &Underway, wait: &Wait) -> bool {
        if wait.reason.puts_off() {
            return underway.failing.is_put_off_alone();
        }
        if !underway.is_loner || !fails_by_itself(wait) || wait.retry_after.is_some() {
            return false;
        }
        if underway.failing.away.is_some() {
            return self.is_turned_away_apart(underway);
        }
        let others_pass = |since| self.context.gates().has_answered_since(since);
        underway.failing.since.is_some_and(others_pass)
            || self.others_of_lane_pass(underway)
            || self.has_no_others()
    }

    /// Whether no other due rows of the lane are known.
    pub(super) fn has_no_others(&self) -> bool {
        let is_idle = self.sends.under_way() == 0 && self.ready.is_empty();
        is_idle && self.reading.is_drained() && self.culprits.waiting().next().is_none()
    }

    /// Whether the batch has to be taken apart or given up, because it fails by itself while the
    /// platform answers others. If there are no others, its own parts can tell.
    fn is_to_blame(&self, underway: &Underway, wait: &Wait) -> bool {
        if underway.failing.away.is_some() {
            return self.is_turned_away_to_blame(underway, wait);
        }
        let Some(since) = underway.failing.since else {
            return false;
        };
        let others_pass = || self.context.gates().has_answered_since(since);
        let sends = underway.failing.sends;
        if underway.batch.contacts.len() == 1 {
            return underway.failing.is_long(Instant::now()) && others_pass();
        }
        sends >= SENDS_WITHOUT_OTHERS || sends >= SENDS_TO_SPLIT && others_pass()
    }

    /// Takes apart a batch that fails by itself, or gives it up if it is a single row.
    pub(super) fn search_or_give_up(&mut self, underway: Underway, wait: &Wait) {
        if underway.batch.contacts.len() == 1 {
            let closing = verdict::fails_alone(&underway.batch, &wait.message);
            let search = self.culprits.give_up(&underway);
            return self.close(underway, closing, search);
        }
        BatchPostponed {
            batch: &underway.batch,
            wait,
            delay: Duration::ZERO,
            is_news: false,
            is_apart: false,
        }
        .emit();
        let search = self.culprits.search_in_the_dark(&underway);
        let closing = verdict::fails_whole(&underway.batch, &wait.message);
        self.close(underway, closing, Some(search));
    }

    /// Lets the lane wait although the batch whose answer said so is closed.
    pub(super) fn wait_without_batch(&mut self, wait: &Wait, sent: Instant) {
        if self.writing == Writing::Fails {
            return;
        }
        let delay = self.hold(wait, sent);
        self.give_up_rest_after(wait);
        let reason = wait.reason.as_str();
        let lane = &self.lease.lane;
        if self.context.notes.lane_waits(lane, reason) {
            LaneHeld { lane, wait, delay }.emit();
        }
        let hold = Hold {
            reason,
            message: wait.message.clone(),
            delay,
            failures: self.trouble.failures,
            needs_person: wait.reason.waits_for_a_person(),
        };
        self.record(Change::Hold(hold), Completed::Noted);
    }

    /// Stops the lane because the database refuses to write its outcomes. Rows sent now would stay
    /// pending and be sent again and again.
    pub(super) fn stop(&mut self, words: &str) {
        if self.end.is_some() {
            return;
        }
        (self.end, self.writing) = (Some(LaneEnd::Done), Writing::Fails);
        self.trouble.failures += 1;
        let backoff = self.context.tuning().backoff;
        let delay = backoff.delay_for_a_person(self.trouble.failures);
        let lane = &self.lease.lane;
        if self.context.notes.lane_waits(lane, UNWRITABLE) {
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
            failures: self.trouble.failures,
            needs_person: false,
        };
        self.record(Change::Hold(hold), Completed::Stopped);
    }

    /// Lets the lane cool if the hold cannot be written either.
    pub(super) fn stopped(&mut self, recorded: Answer) {
        match recorded {
            Ok(Recorded::Done) => {}
            Ok(Recorded::Fenced | Recorded::Stale(_)) => self.lost(None),
            Err(error) => self.fail(&error),
        }
    }

    /// Whether the batch has been failing for longer than `retry.give_up_after`.
    fn gives_up(&self, underway: &Underway) -> bool {
        let limit = self.context.tuning().give_up_after;
        let is_over = |since: Instant| !limit.is_zero() && since.elapsed() >= limit;
        let put_off = underway.failing.put_off;
        let alone = put_off.filter(|_| underway.batch.contacts.len() == 1);
        let alone_since = alone.and_then(|put_off| put_off.alone_since());
        underway.failing.since.is_some_and(is_over) || alone_since.is_some_and(is_over)
    }

    /// Holds the lane because of the answer to a request sent at `sent`, and returns for how long.
    /// Sends that were under way together count as one failure.
    fn hold(&mut self, wait: &Wait, sent: Instant) -> Duration {
        let now = Instant::now();
        if wait.reason.waits_for_a_person() {
            self.patience.begin(now);
        }
        let tuning = self.context.tuning();
        let delay = |failures| {
            if wait.reason.waits_for_a_person() {
                tuning.backoff.delay_for_a_person(failures)
            } else {
                tuning.backoff.delay(failures)
            }
        };
        let closing = Closing {
            delay,
            longest: tuning.longest_retry_after,
            sent,
        };
        let lane = &self.lease.lane;
        let closed = self.context.move_gates(|gates| {
            let is_void = gates.have_overtaken(lane, wait.reason, sent);
            (!is_void).then(|| gates.close(lane, wait, &closing, now))
        });
        if wait.reason == WaitReason::RateLimited
            && let Some(closed) = &closed
        {
            self.teach(closed, sent);
        }
        let until = match closed {
            None => self.trouble.hold_until_now(now),
            Some(closed) => self.trouble.hold(&closed, delay, now),
        };
        self.trouble.budget = self.context.budget(lane, wait.reason.as_str());
        until.saturating_duration_since(now)
    }

    /// Tells the rate of all of a 429.
    fn teach(&self, closed: &Closed, sent: Instant) {
        let (lane, limiter) = (&self.lease.lane, &self.context.limiter);
        if closed.is_surely_alone {
            let gates = self.context.gates();
            limiter.take_back(|one, _| gates.is_surely_alone(one));
        } else if closed.is_about_everybody {
            limiter.too_many(lane, sent, closed.wait.unwrap_or_default());
        }
    }

    /// Tells the breaker that a batch has failed by itself. If batches of many lanes do, it is the
    /// platform.
    fn tell_the_breaker(&self, wait: &Wait, sent: Instant) {
        let (lane, now) = (&self.lease.lane, Instant::now());
        let tuning = self.context.tuning();
        let closing = Closing {
            delay: |failures| tuning.backoff.delay(failures),
            longest: tuning.longest_retry_after,
            sent,
        };
        self.context.move_gates(|gates| {
            if !gates.have_overtaken(lane, wait.reason, sent) {
                gates.failed_alone(lane, wait, &closing, now);
            }
        });
    }

    /// Ends the hold of a lane whose contacts the platform takes again.
    pub(super) fn recover(&mut self) {
        if self.trouble.failures == 0 || self.writing == Writing::Fails {
            return;
        }
        self.trouble.failures = 0;
        self.patience.end();
        if self.context.notes.lane_goes_on(&self.lease.lane) {
            LaneRecovered {
                lane: &self.lease.lane,
            }
            .emit();
        }
        self.record(Change::Recover, Completed::Noted);
    }
}

/// Whether a wait may be about one batch alone. A refused token or a full rate is about others, too, even if
/// the batch may have been delivered.
fn fails_by_itself(wait: &Wait) -> bool {
    wait.reason.may_be_about_a_row() || wait.maybe_delivered && wait.reason.runs_out()
}
