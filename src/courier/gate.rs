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

/// A lane that was forbidden lets the others of its user find out first for this long. What it sends may
/// be what somebody in between forbids.
const OTHERS_FIRST: Duration = Duration::from_secs(1);

/// While the platform answers others, the breaker lets one lane through after so long of which nothing is
/// known.
const UNTRIED: Duration = Duration::from_millis(200);

/// The breaker lets one lane through after so long whose user the platform has answered; twice as long
/// after each that fails all the same.
pub(super) const WELL: Duration = Duration::from_millis(250);

/// At most so many times twice as long.
const MOST_DOUBLINGS: u32 = 6;

/// So many lanes may probe at once, and so many whose users the platform has answered.
pub(super) const MOST_PROBES: usize = 4;

/// A probe that takes longer than this hangs, and takes nobody's place.
const HANGS: Duration = Duration::from_secs(5);

/// So many may probe together with those that hang.
pub(super) const MOST_WITH_HANGING: usize = 16;

/// A gate is forgotten when no lane has come to it for this long: nothing waits behind it.
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

/// What is known of the user of a lane that comes to a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The platform has answered the user's last request.
    Well,
    /// Nothing is known. `is_answering`: the platform has lately answered others.
    Untried { is_answering: bool },
    /// The user's last request failed.
    Failed,
}

/// A gate that is closed, or is being tried.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) reason: WaitReason,
    /// The platform's words, or the courier's.
    message: String,
    pub(super) since: Instant,
    pub(super) until: Instant,
    /// Failures of one kind in a row; all that the breaker counts are one kind.
    failures: u32,
    /// The lane whose request has closed it last.
    closed_by: Option<Lane>,
    probes: Vec<Probe>,
    /// When it closed, or let a lane through early of which nothing is known.
    untried_at: Instant,
    /// When it closed first, or let a lane through whose user the platform has answered.
    well_at: Instant,
    /// How many of these have failed since.
    well_failures: u32,
    /// Whether only users or lanes that were turned away alone have closed it.
    is_doubted: bool,
}

#[derive(Debug)]
struct Probe {
    lane: Lane,
    since: Instant,
    /// Whether it goes because the platform has answered its user.
    is_well: bool,
    /// Whether it has not waited until the time was up.
    is_early: bool,
}

/// Returns how long the platform asks us to wait. A `Retry-After` of zero counts as absent: it would be no
/// backoff at all.
pub(super) fn asked(wait: &Wait) -> Option<Duration> {
    wait.retry_after.filter(|asked| !asked.is_zero())
}

impl Gate {
    pub(super) fn new(reason: WaitReason, now: Instant) -> Self {
        Self {
            reason,
            message: String::new(),
            since: now,
            until: now,
            failures: 0,
            closed_by: None,
            probes: Vec::new(),
            untried_at: now,
            well_at: now,
            well_failures: 0,
            is_doubted: false,
        }
    }

    /// Closes the gate, and returns for how long. Returns `None` if the gate stays as it is,
    /// because a gate that the platform asked for outranks the breaker until its time is up.
    /// `is_doubted`: the lane or its user was turned away alone, so those that the platform has answered may
    /// find out before the time is up.
    pub(super) fn close(
        &mut self,
        lane: &Lane,
        wait: &Wait,
        closing: &Closing<impl Fn(u32) -> Duration>,
        is_doubted: bool,
        now: Instant,
    ) -> Option<Duration> {
        let fails = breaker::counts(wait.reason);
        let failed = |probe: &Probe| probe.is_well && probe.lane == *lane;
        self.well_failures += u32::from(self.probes.iter().any(failed));
        if fails && !breaker::counts(self.reason) && now < self.until {
            return None;
        }
        // Another kind of trouble begins: the earlier one says nothing about how long it lasts.
        if self.reason != wait.reason && !(fails && self.is_breaker()) {
            self.failures = u32::from(now < self.until);
        }
        let was_firm = self.failures > 0 && self.reason == wait.reason && !self.is_doubted;
        self.is_doubted = is_doubted && !was_firm && (self.is_doubted || now >= self.until);
        self.reason = wait.reason;
        self.message.clone_from(&wait.message);
        let asked = asked(wait).map(|asked| now + asked.min(closing.longest));
        // Requests that were under way together count as one failure.
        if now >= self.until {
            self.failures += 1;
            self.closed_by = Some(lane.clone());
            let delay = (closing.delay)(self.failures);
            let delay = if fails {
                delay.min(LONGEST_BREAK)
            } else {
                delay
            };
            self.until = asked.unwrap_or(now + delay);
            self.untried_at = now;
        } else if let Some(asked) = asked {
            self.until = self.until.max(asked);
        }
        // Others' failures say little about those that went early.
        self.probes
            .retain(|probe| fails && probe.is_early && probe.lane != *lane);
        Some(self.until.duration_since(now))
    }

    #[cfg(test)]
    pub(super) fn failures(&self) -> u32 {
        self.failures
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
            until_resumed: false,
        }
    }

    /// Whether a success may open the gate. Before its time is up, only one that lets some lanes through
    /// may be opened: an answer to a request that was under way does not take back the platform's "not
    /// now".
    pub(super) fn yields(&self, now: Instant) -> bool {
        now >= self.until || self.lets_well_through()
    }

    pub(super) fn is_probe(&self, lane: &Lane) -> bool {
        self.probes.iter().any(|probe| probe.lane == *lane)
    }

    /// Whether the lane may go now. The breaker lets some lanes go before its time is up, for others'
    /// failures say little about them.
    pub(super) fn admits(&self, lane: &Lane, standing: Standing, now: Instant) -> bool {
        if self.is_probe(lane) || self.has_slot_for_well(standing, now) {
            return true;
        }
        let every = match standing {
            Standing::Untried { is_answering: true } if self.is_breaker() => UNTRIED,
            _ => PROBE_ALONE,
        };
        let alone = |since: Instant| now.saturating_duration_since(since) < every;
        let has_room = self.has_room(every, now);
        let is_untried = matches!(standing, Standing::Untried { .. });
        let may_be_early = is_untried && self.is_breaker() && !alone(self.untried_at);
        has_room && (now >= self.until && !self.is_turn_of_others(lane, now) || may_be_early)
    }

    /// Whether the other lanes of a forbidden user are to find out before this one.
    fn is_turn_of_others(&self, lane: &Lane, now: Instant) -> bool {
        self.reason == WaitReason::Forbidden
            && self.closed_by.as_ref() == Some(lane)
            && now < self.until + OTHERS_FIRST
    }

    /// Whether the lane may go, or may soon, before the time is up.
    pub(super) fn admits_soon(&self, lane: &Lane, standing: Standing, now: Instant) -> bool {
        self.may_be_early(standing) || self.admits(lane, standing, now)
    }

    /// Whether a lane may probe, of those that have waited until the time was up.
    pub(super) fn wants_a_probe(&self, now: Instant) -> bool {
        now >= self.until && self.has_room(PROBE_ALONE, now)
    }

    /// Whether one more lane may probe, if each does so alone for this time.
    fn has_room(&self, alone: Duration, now: Instant) -> bool {
        let others = || self.probes.iter().filter(|probe| !probe.is_well);
        let is_alone = |probe: &Probe| now.saturating_duration_since(probe.since) < alone;
        may_be_one_more(others(), now) && !others().any(is_alone)
    }

    pub(super) fn is_breaker(&self) -> bool {
        breaker::counts(self.reason)
    }

    pub(super) fn is_doubted(&self) -> bool {
        self.is_doubted
    }

    /// Whether lanes of users that the platform has answered may go before the time is up.
    pub(super) fn lets_well_through(&self) -> bool {
        self.is_breaker() || self.is_doubted
    }

    fn may_be_early(&self, standing: Standing) -> bool {
        self.is_breaker() && standing != Standing::Failed
            || self.is_doubted && standing == Standing::Well
    }

    /// Whether a lane may go now because the platform has answered its user.
    fn has_slot_for_well(&self, standing: Standing, now: Instant) -> bool {
        let every = WELL * 2_u32.pow(self.well_failures.min(MOST_DOUBLINGS));
        let probes = self.probes.iter().filter(|probe| probe.is_well);
        self.lets_well_through()
            && standing == Standing::Well
            && now.saturating_duration_since(self.well_at) >= every
            && may_be_one_more(probes, now)
    }

    /// Makes the lane a probe.
    pub(super) fn enter(&mut self, lane: &Lane, standing: Standing, now: Instant) {
        if self.is_probe(lane) {
            return;
        }
        let is_well = self.has_slot_for_well(standing, now);
        if is_well {
            self.well_at = now;
        } else if now < self.until {
            self.untried_at = now;
        }
        self.probes.push(Probe {
            lane: lane.clone(),
            since: now,
            is_well,
            is_early: is_well || now < self.until,
        });
    }

    /// Makes the lane a probe no more.
    pub(super) fn back(&mut self, lane: &Lane) {
        self.probes.retain(|probe| probe.lane != *lane);
    }

    /// Lets a probe through at once.
    pub(super) fn try_now(&mut self, now: Instant) {
        self.until = self.until.min(now);
        self.closed_by = None;
    }
}

/// Whether these leave a place for one more probe.
fn may_be_one_more<'a>(probes: impl Iterator<Item = &'a Probe>, now: Instant) -> bool {
    let hangs = |probe: &&Probe| now.saturating_duration_since(probe.since) >= HANGS;
    let (hanging, others): (Vec<&Probe>, Vec<&Probe>) = probes.partition(hangs);
    others.len() < MOST_PROBES && hanging.len() + others.len() < MOST_WITH_HANGING
}
