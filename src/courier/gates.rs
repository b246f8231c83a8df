//! Gates: who may not send for now, beyond a single lane.
//!
//! A refused token stops everybody, a refused user all lanes of that user, and the breaker
//! everybody when the platform fails over several lanes. When the time is up, a gate lets a single
//! request through to find out; a success opens it. Pure: `now` is an argument.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{self, Breaker};
use crate::contact::Lane;
use crate::platform::verdict::{Scope, Wait, WaitReason};

/// The breaker lets a probe through after this time at the latest. A probe costs a single request,
/// and all lanes wait for it.
const LONGEST_BREAK: Duration = Duration::from_secs(30);

/// All gates of one courier. A missing gate is open.
#[derive(Debug, Default)]
pub(super) struct Gates {
    platform: Option<Gate>,
    users: HashMap<Arc<str>, Gate>,
    breaker: Breaker,
    /// When the platform last gave an answer that closed a batch.
    answered_at: Option<Instant>,
}

#[derive(Debug)]
struct Gate {
    reason: WaitReason,
    until: Instant,
    failures: u32,
    probe: Option<Lane>,
}

impl Gate {
    fn new(reason: WaitReason, now: Instant) -> Self {
        Self {
            reason,
            until: now,
            failures: 0,
            probe: None,
        }
    }

    fn waits_for_a_token(&self) -> bool {
        matches!(
            self.reason,
            WaitReason::Unauthorized | WaitReason::Forbidden
        )
    }

    /// Whether a success may open the gate. Before its time is up that goes for the breaker alone:
    /// an answer to a request that was under way does not take back the platform's "not now".
    fn yields(&self, now: Instant) -> bool {
        now >= self.until || breaker::counts(self.reason)
    }

    fn admits(&self, lane: &Lane, now: Instant) -> bool {
        now >= self.until && self.probe.as_ref().is_none_or(|probe| probe == lane)
    }
}

impl Gates {
    /// Closes the gate that the answer is about. Returns for how long, so that the lane waits as
    /// long; `None` if the answer is about the lane alone. `delay` gives the wait after the n-th
    /// failure in a row.
    pub(super) fn close(
        &mut self,
        lane: &Lane,
        wait: &Wait,
        delay: impl Fn(u32) -> Duration,
        now: Instant,
    ) -> Option<Duration> {
        let fails = breaker::counts(wait.reason);
        if !fails {
            self.breaker.answered();
        }
        let closed = match wait.reason.scope() {
            Scope::Lane if fails && self.breaker.failed(lane) => self
                .platform
                .get_or_insert_with(|| Gate::new(wait.reason, now)),
            Scope::Lane => {
                if !wait.reason.runs_out() {
                    self.open(lane, now);
                }
                return None;
            }
            Scope::User => {
                self.platform.take_if(|gate| gate.yields(now));
                self.users
                    .entry(lane.user_id().into())
                    .or_insert_with(|| Gate::new(wait.reason, now))
            }
            Scope::Platform => self
                .platform
                .get_or_insert_with(|| Gate::new(wait.reason, now)),
        };
        if fails && !breaker::counts(closed.reason) {
            // A gate that the platform asked for outranks the breaker.
            return None;
        }
        closed.reason = wait.reason;
        // A `Retry-After` of zero counts as absent: it would be no backoff at all.
        let asked = wait.retry_after.filter(|asked| !asked.is_zero());
        // Requests that were under way together count as one failure.
        if now >= closed.until {
            closed.failures += 1;
            let delay = delay(closed.failures);
            let delay = if fails {
                delay.min(LONGEST_BREAK)
            } else {
                delay
            };
            closed.until = now + asked.unwrap_or(delay);
        }
        closed.probe = None;
        Some(closed.until.duration_since(now))
    }

    /// Opens the gates in the way of this lane, because the platform has answered it.
    pub(super) fn open(&mut self, lane: &Lane, now: Instant) {
        self.answered_at = Some(now);
        self.breaker.answered();
        self.platform.take_if(|gate| gate.yields(now));
        if self
            .users
            .get(lane.user_id())
            .is_some_and(|gate| gate.yields(now))
        {
            self.users.remove(lane.user_id());
        }
    }

    /// Whether the platform has answered a lane since then.
    pub(super) fn has_answered_since(&self, then: Instant) -> bool {
        self.answered_at.is_some_and(|at| at > then)
    }

    /// Whether the breaker keeps requests back.
    pub(super) fn breaker_is_open(&self) -> bool {
        let gate = self.platform.as_ref();
        gate.is_some_and(|gate| breaker::counts(gate.reason))
    }

    /// Whether the lane goes ahead as a probe; then it sends one request at a time.
    pub(super) fn probes(&self, lane: &Lane) -> bool {
        self.on_the_way(lane)
            .any(|gate| gate.probe.as_ref() == Some(lane))
    }

    /// Opens the gates that were closed because the old token was refused.
    pub(super) fn token_changed(&mut self) {
        self.platform.take_if(|gate| gate.waits_for_a_token());
        self.users.retain(|_, gate| !gate.waits_for_a_token());
    }

    /// Whether the lane may send now.
    pub(super) fn admits(&self, lane: &Lane, now: Instant) -> bool {
        self.on_the_way(lane).all(|gate| gate.admits(lane, now))
    }

    /// Whether a gate has closed in the way of the lane since it began.
    pub(super) fn is_shut(&self, lane: &Lane, now: Instant) -> bool {
        self.on_the_way(lane).any(|gate| now < gate.until)
    }

    /// Lets the lane begin, if it may. It becomes the probe of each closed gate in its way: no
    /// other lane may pass until this one is [`back`](Self::back).
    pub(super) fn enter(&mut self, lane: &Lane, now: Instant) -> bool {
        if !self.admits(lane, now) {
            return false;
        }
        let user = self.users.get_mut(lane.user_id());
        for gate in self.platform.iter_mut().chain(user) {
            gate.probe = Some(lane.clone());
        }
        true
    }

    /// Lets another lane become the probe, because the work on this one is over.
    pub(super) fn back(&mut self, lane: &Lane) {
        for gate in self.platform.iter_mut().chain(self.users.values_mut()) {
            if gate.probe.as_ref() == Some(lane) {
                gate.probe = None;
            }
        }
    }

    fn on_the_way(&self, lane: &Lane) -> impl Iterator<Item = &Gate> {
        self.platform.iter().chain(self.users.get(lane.user_id()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn lane(user: &str, task: &str) -> Lane {
        Lane::new(user, task).unwrap()
    }

    fn wait(reason: WaitReason) -> Wait {
        Wait {
            reason,
            message: "no".into(),
            maybe_delivered: false,
            retry_after: None,
        }
    }

    fn close(gates: &mut Gates, lane: &Lane, reason: WaitReason, now: Instant) {
        gates.close(lane, &wait(reason), |n| MINUTE * n, now);
    }

    #[test]
    fn a_refused_token_stops_everybody_and_a_refused_user_only_that_user() {
        let now = Instant::now();
        let mut gates = Gates::default();
        close(&mut gates, &lane("a", "1"), WaitReason::Forbidden, now);
        assert!(!gates.admits(&lane("a", "2"), now));
        assert!(gates.admits(&lane("b", "1"), now));
        close(&mut gates, &lane("b", "1"), WaitReason::Unauthorized, now);
        assert!(!gates.admits(&lane("c", "1"), now));
    }

    #[test]
    fn when_the_time_is_up_one_lane_goes_ahead_until_it_is_back() {
        let now = Instant::now();
        let mut gates = Gates::default();
        close(&mut gates, &lane("a", "1"), WaitReason::Unauthorized, now);
        let later = now + MINUTE;
        assert!(gates.enter(&lane("b", "1"), later));
        assert!(gates.admits(&lane("b", "1"), later));
        assert!(!gates.admits(&lane("c", "1"), later));
        gates.back(&lane("b", "1"));
        assert!(gates.admits(&lane("c", "1"), later));
    }

    #[test]
    fn a_gate_that_fails_again_stays_closed_longer_but_what_failed_together_counts_once() {
        let now = Instant::now();
        let mut gates = Gates::default();
        let refused = wait(WaitReason::Unauthorized);
        let delay = |n: u32| MINUTE * n;
        assert_eq!(
            gates.close(&lane("a", "1"), &refused, delay, now),
            Some(MINUTE)
        );
        assert_eq!(
            gates.close(&lane("a", "2"), &refused, delay, now),
            Some(MINUTE)
        );
        assert_eq!(
            gates.close(&lane("a", "1"), &refused, delay, now + MINUTE),
            Some(MINUTE * 2)
        );
        let asked = Wait {
            retry_after: Some(MINUTE * 9),
            ..wait(WaitReason::RateLimited)
        };
        assert_eq!(
            gates.close(&lane("a", "1"), &asked, delay, now + MINUTE * 3),
            Some(MINUTE * 9)
        );
        assert_eq!(
            gates.close(&lane("a", "1"), &wait(WaitReason::ServerError), delay, now),
            None
        );
    }

    #[test]
    fn a_new_token_opens_what_the_old_one_was_refused_for_and_nothing_else() {
        let now = Instant::now();
        let mut gates = Gates::default();
        close(&mut gates, &lane("a", "1"), WaitReason::Forbidden, now);
        close(&mut gates, &lane("b", "1"), WaitReason::Unauthorized, now);
        gates.token_changed();
        assert!(gates.admits(&lane("a", "1"), now) && gates.admits(&lane("b", "1"), now));
        close(&mut gates, &lane("a", "1"), WaitReason::RateLimited, now);
        gates.token_changed();
        assert!(!gates.admits(&lane("a", "1"), now));
    }

    #[test]
    fn a_success_opens_the_way_for_all_but_not_before_the_time_is_up() {
        let now = Instant::now();
        let mut gates = Gates::default();
        close(&mut gates, &lane("a", "1"), WaitReason::RateLimited, now);
        // It was under way when the other one was told to wait.
        gates.open(&lane("b", "1"), now);
        assert!(!gates.admits(&lane("c", "1"), now));
        assert!(gates.enter(&lane("a", "1"), now + MINUTE));
        assert!(gates.probes(&lane("a", "1")) && !gates.probes(&lane("c", "1")));
        gates.open(&lane("a", "1"), now + MINUTE);
        assert!(gates.admits(&lane("c", "1"), now + MINUTE));
    }

    #[test]
    fn the_breaker_stops_everybody_lets_single_probes_through_and_closes_on_the_first_success() {
        let now = Instant::now();
        let mut gates = Gates::default();
        for task in ["1", "2", "1", "2"] {
            close(&mut gates, &lane("a", task), WaitReason::ServerError, now);
        }
        assert!(!gates.breaker_is_open() && gates.admits(&lane("b", "1"), now));
        close(&mut gates, &lane("a", "1"), WaitReason::Unreachable, now);
        assert!(gates.breaker_is_open() && !gates.admits(&lane("b", "1"), now));
        let later = now + LONGEST_BREAK;
        assert!(gates.enter(&lane("b", "1"), later) && !gates.admits(&lane("a", "1"), later));
        close(&mut gates, &lane("b", "1"), WaitReason::ServerError, later);
        assert!(!gates.admits(&lane("b", "1"), later));
        assert!(gates.enter(&lane("a", "1"), later + LONGEST_BREAK));
        gates.open(&lane("a", "1"), later + LONGEST_BREAK);
        assert!(!gates.breaker_is_open() && gates.admits(&lane("b", "1"), later + LONGEST_BREAK));
    }

    #[test]
    fn what_fails_while_the_platform_says_not_now_does_not_shorten_the_wait() {
        let now = Instant::now();
        let mut gates = Gates::default();
        close(&mut gates, &lane("a", "1"), WaitReason::RateLimited, now);
        for task in ["1", "2", "3", "4", "5", "6"] {
            close(&mut gates, &lane("a", task), WaitReason::ServerError, now);
        }
        gates.open(&lane("a", "1"), now);
        assert!(!gates.breaker_is_open() && !gates.admits(&lane("b", "1"), now));
    }
}
