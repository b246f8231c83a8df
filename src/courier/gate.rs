//! A gate: how long it has been closed, when it may open, and which lanes probe it.
//!
//! When its time is up, a gate lets a single request through to find out. Pure: `now` is an
//! argument.

use std::time::Duration;

use tokio::time::Instant;

use super::breaker;
use crate::contact::Lane;
use crate::outbox::ClosedGate;
use crate::platform::verdict::{Wait, WaitReason};

/// The longest wait of the breaker before a probe. A probe costs a single request, and all lanes
/// wait for it.
pub(super) const LONGEST_BREAK: Duration = Duration::from_secs(30);

/// After a probe has waited for an answer this long, another lane may probe beside it.
const PROBE_ALONE: Duration = Duration::from_secs(1);

/// At most this many lanes may probe at once.
pub(super) const MOST_PROBES: usize = 4;

/// The gate of a user is forgotten when no lane has come to it for this long: nothing of the user
/// waits.
pub(super) const LEFT: Duration = Duration::from_mins(1);

/// Reported words of the platform are cut to this many characters.
const MOST_WORDS: usize = 200;

/// How long a gate stays closed.
pub(super) struct Closing<F> {
    /// The wait after the n-th failure in a row.
    pub(super) delay: F,
    /// `retry.longest_retry_after`: the limit for a wait that the platform asks for.
    pub(super) longest: Duration,
    /// When the request was sent.
    pub(super) sent: Instant,
}

/// A gate that is closed, or is being tried.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) reason: WaitReason,
    /// The platform's words, or the courier's.
    message: String,
    pub(super) since: Instant,
    pub(super) until: Instant,
    failures: u32,
    probes: Vec<Probe>,
    /// When the gate closed, or last let a lane of a user without failures through early.
    fresh_at: Instant,
}

#[derive(Debug)]
struct Probe {
    lane: Lane,
    since: Instant,
}

impl Gate {
    pub(super) fn new(reason: WaitReason, now: Instant) -> Self {
        Self {
            reason,
            message: String::new(),
            since: now,
            until: now,
            failures: 0,
            probes: Vec::new(),
            fresh_at: now,
        }
    }

    /// Closes the gate, and returns for how long. Returns `None` if the gate stays as it is,
    /// because a gate that the platform asked for outranks the breaker until its time is up.
    pub(super) fn close(
        &mut self,
        wait: &Wait,
        closing: &Closing<impl Fn(u32) -> Duration>,
        now: Instant,
    ) -> Option<Duration> {
        let fails = breaker::counts(wait.reason);
        if fails && !breaker::counts(self.reason) && now < self.until {
            return None;
        }
        self.reason = wait.reason;
        self.message.clone_from(&wait.message);
        // A `Retry-After` of zero counts as absent: it would be no backoff at all.
        let asked = wait.retry_after.filter(|asked| !asked.is_zero());
        // Requests that were under way together count as one failure.
        if now >= self.until {
            self.failures += 1;
            let delay = (closing.delay)(self.failures);
            let delay = if fails {
                delay.min(LONGEST_BREAK)
            } else {
                delay
            };
            self.until = now + asked.map_or(delay, |asked| asked.min(closing.longest));
            self.fresh_at = now;
        }
        self.probes.clear();
        Some(self.until.duration_since(now))
    }

    /// Whether no lane has come to the gate since it could be tried.
    pub(super) fn is_left(&self, now: Instant) -> bool {
        self.probes.is_empty() && now.saturating_duration_since(self.until) > LEFT
    }

    pub(super) fn report(&self, user: Option<&str>, now: Instant) -> ClosedGate {
        ClosedGate {
            user_id: user.map(str::to_owned),
            reason: self.reason.as_str().to_owned(),
            message: self.message.chars().take(MOST_WORDS).collect(),
            closed_seconds: now.saturating_duration_since(self.since).as_secs_f64(),
            next_try_in_seconds: self.until.saturating_duration_since(now).as_secs_f64(),
        }
    }

    /// Whether a success may open the gate. Before its time is up, only the breaker may be opened:
    /// an answer to a request that was under way does not take back the platform's "not now".
    pub(super) fn yields(&self, now: Instant) -> bool {
        now >= self.until || breaker::counts(self.reason)
    }

    pub(super) fn is_probe(&self, lane: &Lane) -> bool {
        self.probes.iter().any(|probe| probe.lane == *lane)
    }

    /// Whether the lane may send now. `is_fresh`: its user's requests have not failed. One such
    /// lane each second may go before the breaker's time is up, because others' failures say little
    /// about it.
    pub(super) fn admits(&self, lane: &Lane, is_fresh: bool, now: Instant) -> bool {
        if self.is_probe(lane) {
            return true;
        }
        let alone = |since: Instant| now.saturating_duration_since(since) < PROBE_ALONE;
        let has_room =
            self.probes.len() < MOST_PROBES && self.probes.iter().all(|probe| !alone(probe.since));
        let may_be_early = is_fresh && breaker::counts(self.reason) && !alone(self.fresh_at);
        has_room && (now >= self.until || may_be_early)
    }

    /// Makes the lane a probe.
    pub(super) fn enter(&mut self, lane: &Lane, now: Instant) {
        if now < self.until {
            self.fresh_at = now;
        }
        if !self.is_probe(lane) {
            let lane = lane.clone();
            self.probes.push(Probe { lane, since: now });
        }
    }
    /// Ends the lane's part as a probe.
    pub(super) fn back(&mut self, lane: &Lane) {
        self.probes.retain(|probe| probe.lane != *lane);
    }

    /// Lets a probe through at once.
    pub(super) fn try_now(&mut self, now: Instant) {
        self.until = self.until.min(now);
    }
}
