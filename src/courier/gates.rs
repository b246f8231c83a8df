//! Gates: which lanes may not send for now, beyond a single lane's own hold.
//!
//! A refused token stops everybody, and a refused user stops all lanes of that user. The breaker
//! stops one user, or everybody, after failures over several lanes. When its time is up, a gate
//! lets a single request through as a probe; a success opens the gate. While a probe takes long,
//! other probes may go, too. Pure: `now` is an argument.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{self, Breaker, Down};
use super::overtaken::{Overtaken, waits_for_a_token};
use crate::contact::Lane;
use crate::outbox::{ClosedGate, OrderScope};
use crate::platform::verdict::{Scope, Wait, WaitReason};

/// The longest wait of the breaker before a probe. A probe costs a single request, and all lanes
/// wait for it.
const LONGEST_BREAK: Duration = Duration::from_secs(30);

/// After a probe has waited for an answer this long, another lane may probe beside it.
const PROBE_ALONE: Duration = Duration::from_secs(1);

/// At most this many lanes may probe at once.
const MOST_PROBES: usize = 4;

/// With this many users behind gates, gates whose time is up are forgotten.
const MOST_USERS: usize = 10_000;

/// At most this many gates of users are reported.
const MOST_REPORTED: usize = 20;

/// The gate of a user is forgotten when no lane has come to it for this long: nothing of the user
/// waits.
const LEFT: Duration = Duration::from_mins(1);

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

/// All gates of one courier. A missing gate is open.
#[derive(Debug, Default)]
pub(super) struct Gates {
    platform: Option<Gate>,
    users: HashMap<Arc<str>, Gate>,
    breaker: Breaker,
    overtaken: Overtaken,
    /// When the platform last gave an answer that closed a batch.
    answered_at: Option<Instant>,
}

#[derive(Debug)]
struct Gate {
    reason: WaitReason,
    /// The platform's words, or ours.
    message: String,
    since: Instant,
    until: Instant,
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
    fn new(reason: WaitReason, now: Instant) -> Self {
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

    /// Whether no lane has come to the gate since it could be tried.
    fn is_left(&self, now: Instant) -> bool {
        self.probes.is_empty() && now.saturating_duration_since(self.until) > LEFT
    }

    fn report(&self, user: Option<&str>, now: Instant) -> ClosedGate {
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
    fn yields(&self, now: Instant) -> bool {
        now >= self.until || breaker::counts(self.reason)
    }

    fn is_probe(&self, lane: &Lane) -> bool {
        self.probes.iter().any(|probe| probe.lane == *lane)
    }

    /// Whether the lane may send now. `is_fresh`: its user's requests have not failed. One such
    /// lane each second may go before the breaker's time is up, because others' failures say little
    /// about it.
    fn admits(&self, lane: &Lane, is_fresh: bool, now: Instant) -> bool {
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
    fn enter(&mut self, lane: &Lane, now: Instant) {
        if now < self.until {
            self.fresh_at = now;
        }
        if !self.is_probe(lane) {
            let lane = lane.clone();
            self.probes.push(Probe { lane, since: now });
        }
    }
}

impl Gates {
    /// Closes the gate that the answer is about. Returns for how long, because the lane waits as
    /// long. Returns `None` if the answer is about the lane alone.
    pub(super) fn close(
        &mut self,
        lane: &Lane,
        wait: &Wait,
        closing: &Closing<impl Fn(u32) -> Duration>,
        now: Instant,
    ) -> Option<Duration> {
        let fails = breaker::counts(wait.reason);
        let down = if fails {
            self.breaker.failed(lane, closing.sent)
        } else {
            self.breaker.answered(lane, now);
            None
        };
        let scope = match down {
            Some(Down::ForAll) => Scope::Platform,
            Some(Down::ForUser) => Scope::User,
            None => wait.reason.scope(),
        };
        let closed = match scope {
            Scope::Lane => {
                if !wait.reason.runs_out() {
                    self.open(lane, now);
                }
                return None;
            }
            Scope::User => {
                if !fails {
                    self.platform.take_if(|gate| gate.yields(now));
                }
                if self.users.len() >= MOST_USERS {
                    self.users.retain(|_, gate| now < gate.until);
                }
                self.users
                    .entry(lane.user_id().into())
                    .or_insert_with(|| Gate::new(wait.reason, now))
            }
            Scope::Platform => self
                .platform
                .get_or_insert_with(|| Gate::new(wait.reason, now)),
        };
        if fails && !breaker::counts(closed.reason) && now < closed.until {
            // A gate that the platform asked for outranks the breaker until its time is up.
            return None;
        }
        closed.reason = wait.reason;
        closed.message.clone_from(&wait.message);
        // A `Retry-After` of zero counts as absent: it would be no backoff at all.
        let asked = wait.retry_after.filter(|asked| !asked.is_zero());
        // Requests that were under way together count as one failure.
        if now >= closed.until {
            closed.failures += 1;
            let delay = (closing.delay)(closed.failures);
            let delay = if fails {
                delay.min(LONGEST_BREAK)
            } else {
                delay
            };
            closed.until = now + asked.map_or(delay, |asked| asked.min(closing.longest));
            closed.fresh_at = now;
        }
        closed.probes.clear();
        Some(closed.until.duration_since(now))
    }

    /// Opens the gates in the way of this lane, because the platform has answered it.
    pub(super) fn open(&mut self, lane: &Lane, now: Instant) {
        self.answered_at = Some(now);
        self.breaker.answered(lane, now);
        self.platform.take_if(|gate| gate.yields(now));
        if self
            .users
            .get(lane.user_id())
            .is_some_and(|gate| gate.yields(now))
        {
            self.users.remove(lane.user_id());
        }
    }

    /// Whether the platform has answered any lane since `then`.
    pub(super) fn has_answered_since(&self, then: Instant) -> bool {
        self.answered_at.is_some_and(|at| at > then)
    }

    /// Returns some of the closed gates, the one for everybody first, then the users' from the
    /// oldest on; and how many more there are.
    pub(super) fn report(&self, now: Instant) -> (Vec<ClosedGate>, usize) {
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_by_key(|(_, gate)| gate.since);
        let more = users.len().saturating_sub(MOST_REPORTED);
        let users = users
            .into_iter()
            .map(|(user, gate)| gate.report(Some(user), now));
        let all = self.platform.iter().map(|gate| gate.report(None, now));
        (all.chain(users.take(MOST_REPORTED)).collect(), more)
    }

    /// Returns whether the gate for everybody is closed, and how many gates of users are.
    pub(super) fn closed(&self) -> (bool, usize) {
        (self.platform.is_some(), self.users.len())
    }

    /// Whether the breaker holds requests back, of everybody or of a user.
    pub(super) fn breaker_is_open(&self) -> bool {
        self.platform
            .iter()
            .chain(self.users.values())
            .any(|gate| breaker::counts(gate.reason))
    }

    /// Whether the lane is a probe; a probe sends one request at a time.
    pub(super) fn probes(&self, lane: &Lane) -> bool {
        self.on_the_way(lane).any(|gate| gate.is_probe(lane))
    }

    /// Lets the gates in the way of these lanes be tried by a request at once.
    pub(super) fn try_now(&mut self, scope: &OrderScope, now: Instant) {
        let users = self.users.iter_mut().filter(|(user, _)| match scope {
            OrderScope::All => true,
            OrderScope::User(one) => user.as_ref() == one,
            OrderScope::Lane(lane) => user.as_ref() == lane.user_id(),
        });
        let users = users.map(|(_, gate)| gate);
        for gate in self.platform.iter_mut().chain(users) {
            gate.until = gate.until.min(now);
        }
        self.overtaken.by_order(scope, now);
    }

    /// Opens the gates that closed because the old token was refused.
    pub(super) fn token_changed(&mut self, now: Instant) {
        self.overtaken.by_token(now);
        self.platform.take_if(|gate| waits_for_a_token(gate.reason));
        self.users.retain(|_, gate| !waits_for_a_token(gate.reason));
    }

    /// Whether an answer to a request that the lane sent at `sent` is out of date: an operator has
    /// ordered a try of the lane since, or the answer is about a token that has changed.
    pub(super) fn have_overtaken(&self, lane: &Lane, reason: WaitReason, sent: Instant) -> bool {
        self.overtaken.has(lane, reason, sent)
    }

    /// Forgets the gates of users to which no lane comes: nothing of such a user waits.
    pub(super) fn forget_left(&mut self, now: Instant) {
        self.users.retain(|_, gate| !gate.is_left(now));
    }

    /// Whether the lane may send now.
    pub(super) fn admits(&self, lane: &Lane, now: Instant) -> bool {
        let is_fresh = !self.breaker.has_failed(lane.user_id());
        self.on_the_way(lane)
            .all(|gate| gate.admits(lane, is_fresh, now))
    }

    /// Whether a gate has closed in the way of the lane since the lane entered.
    pub(super) fn is_shut(&self, lane: &Lane, now: Instant) -> bool {
        self.on_the_way(lane)
            .any(|gate| now < gate.until && !gate.is_probe(lane))
    }

    /// Lets the lane begin, if it may. The lane becomes a probe of each closed gate in its way,
    /// until [`back`](Self::back) is called.
    pub(super) fn enter(&mut self, lane: &Lane, now: Instant) -> bool {
        if !self.admits(lane, now) {
            return false;
        }
        let user = self.users.get_mut(lane.user_id());
        for gate in self.platform.iter_mut().chain(user) {
            gate.enter(lane, now);
        }
        true
    }

    /// Lets another lane become the probe, because this one has nothing more to send.
    pub(super) fn back(&mut self, lane: &Lane) {
        let user = self.users.get_mut(lane.user_id());
        for gate in self.platform.iter_mut().chain(user) {
            gate.probes.retain(|probe| probe.lane != *lane);
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

    /// The n-th failure costs n minutes.
    fn closing(sent: Instant) -> Closing<impl Fn(u32) -> Duration> {
        Closing {
            delay: |n| MINUTE * n,
            longest: MINUTE * 15,
            sent,
        }
    }

    fn close(gates: &mut Gates, lane: &Lane, reason: WaitReason, now: Instant) -> Option<Duration> {
        gates.close(lane, &wait(reason), &closing(now), now)
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
    fn what_an_operator_resumes_is_tried_at_once_by_a_single_lane() {
        let now = Instant::now();
        let mut gates = Gates::default();
        close(&mut gates, &lane("a", "1"), WaitReason::Forbidden, now);
        close(&mut gates, &lane("b", "1"), WaitReason::Forbidden, now);
        gates.try_now(&OrderScope::User("a".into()), now);
        assert!(gates.enter(&lane("a", "2"), now));
        assert!(!gates.admits(&lane("a", "1"), now), "one finds out");
        assert!(!gates.admits(&lane("b", "1"), now));
        close(&mut gates, &lane("c", "1"), WaitReason::Unauthorized, now);
        gates.try_now(&OrderScope::All, now);
        assert!(gates.admits(&lane("b", "1"), now));
    }

    #[test]
    fn a_gate_that_fails_again_stays_closed_longer_but_what_failed_together_counts_once() {
        let now = Instant::now();
        let mut gates = Gates::default();
        let refused = WaitReason::Unauthorized;
        let first = close(&mut gates, &lane("a", "1"), refused, now);
        let together = close(&mut gates, &lane("a", "2"), refused, now);
        assert_eq!((first, together), (Some(MINUTE), Some(MINUTE)));
        let again = close(&mut gates, &lane("a", "1"), refused, now + MINUTE);
        assert_eq!(again, Some(MINUTE * 2));
        let asked = Wait {
            retry_after: Some(MINUTE * 9),
            ..wait(WaitReason::RateLimited)
        };
        let later = now + MINUTE * 3;
        let asked = gates.close(&lane("a", "1"), &asked, &closing(later), later);
        assert_eq!(asked, Some(MINUTE * 9));
        let fails = close(&mut gates, &lane("a", "1"), WaitReason::ServerError, now);
        assert_eq!(fails, None);
    }

    #[test]
    fn the_platform_may_not_ask_for_a_longer_wait_than_the_settings_allow() {
        let now = Instant::now();
        let mut gates = Gates::default();
        let asked = Wait {
            retry_after: Some(MINUTE * 60 * 240),
            ..wait(WaitReason::RateLimited)
        };
        let lane = lane("a", "1");
        let first = gates.close(&lane, &asked, &closing(now), now);
        assert_eq!(first, Some(MINUTE * 15));
        let later = now + MINUTE * 15;
        assert!(gates.enter(&lane, later), "one request finds out");
        let again = gates.close(&lane, &asked, &closing(later), later);
        assert_eq!(again, Some(MINUTE * 15));
    }

    #[test]
    fn a_probe_that_takes_long_does_not_keep_others_from_finding_out() {
        let now = Instant::now();
        let mut gates = Gates::default();
        close(&mut gates, &lane("a", "1"), WaitReason::Unauthorized, now);
        let second = Duration::from_secs(1);
        let mut later = now + MINUTE;
        for task in 1..=MOST_PROBES {
            let task = lane("p", &task.to_string());
            assert!(gates.enter(&task, later));
            assert!(!gates.admits(&lane("z", "1"), later));
            later += second;
        }
        assert!(!gates.admits(&lane("z", "1"), later), "no more than a few");
        gates.back(&lane("p", "1"));
        assert!(gates.admits(&lane("z", "1"), later));
    }

    #[test]
    fn the_lanes_of_one_user_that_fail_do_not_stop_another_user() {
        let now = Instant::now();
        let mut gates = Gates::default();
        for task in ["1", "2", "1", "2", "3"] {
            close(&mut gates, &lane("a", task), WaitReason::ServerError, now);
        }
        assert!(gates.breaker_is_open() && !gates.admits(&lane("a", "9"), now));
        assert!(gates.admits(&lane("b", "1"), now));
        gates.open(&lane("b", "1"), now);
        assert!(!gates.admits(&lane("a", "9"), now));
        gates.open(&lane("a", "1"), now);
        assert!(gates.admits(&lane("a", "9"), now));
    }

    #[test]
    fn while_the_breaker_is_open_one_lane_a_second_may_go_that_has_not_failed() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut gates = Gates::default();
        for user in ["a", "b", "a", "b", "a"] {
            close(&mut gates, &lane(user, "1"), WaitReason::AnswerLost, now);
        }
        let good = lane("g", "1");
        assert!(!gates.admits(&good, now), "it has only just closed");
        assert!(!gates.admits(&lane("a", "2"), now + second));
        assert!(gates.enter(&good, now + second) && !gates.is_shut(&good, now + second));
        let (other, later) = (lane("h", "1"), now + second * 2);
        assert!(!gates.admits(&other, now + second) && gates.admits(&other, later));
        gates.open(&good, later);
        assert!(gates.admits(&lane("a", "2"), later));
    }

    #[test]
    fn an_order_and_a_new_token_overtake_what_is_under_way() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let (mut gates, a) = (Gates::default(), lane("a", "1"));
        assert!(!gates.have_overtaken(&a, WaitReason::Unauthorized, now));
        gates.try_now(&OrderScope::User("a".into()), now + second);
        assert!(gates.have_overtaken(&a, WaitReason::NotFound, now));
        assert!(!gates.have_overtaken(&a, WaitReason::NotFound, now + second * 2));
        let b = lane("b", "1");
        assert!(!gates.have_overtaken(&b, WaitReason::Unauthorized, now));
        gates.token_changed(now + second);
        assert!(gates.have_overtaken(&b, WaitReason::Unauthorized, now));
        assert!(!gates.have_overtaken(&b, WaitReason::NotFound, now));
    }

    #[test]
    fn a_user_to_whom_nobody_comes_any_more_does_not_count_as_kept_back() {
        let now = Instant::now();
        let mut gates = Gates::default();
        for task in ["1", "2", "1", "2", "3"] {
            close(&mut gates, &lane("a", task), WaitReason::ServerError, now);
        }
        let later = now + LONGEST_BREAK + LEFT;
        gates.forget_left(later);
        assert!(gates.breaker_is_open(), "somebody may come yet");
        gates.forget_left(later + Duration::from_secs(1));
        assert!(!gates.breaker_is_open());
        assert_eq!(gates.closed(), (false, 0));
    }

    #[test]
    fn a_platform_that_goes_down_when_its_not_now_is_over_counts_as_down() {
        let now = Instant::now();
        let mut gates = Gates::default();
        close(&mut gates, &lane("a", "1"), WaitReason::RateLimited, now);
        let later = now + MINUTE;
        for user in ["a", "b", "a", "b", "a"] {
            assert!(!gates.breaker_is_open());
            assert!(gates.enter(&lane(user, "1"), later));
            close(&mut gates, &lane(user, "1"), WaitReason::ServerError, later);
            gates.back(&lane(user, "1"));
        }
        assert!(gates.breaker_is_open());
        assert!(!gates.admits(&lane("a", "1"), later));
        let (report, _) = gates.report(later);
        assert_eq!(report[0].reason, "server_error");
        gates.open(&lane("b", "1"), later);
        assert!(gates.admits(&lane("a", "1"), later));
    }

    #[test]
    fn a_new_token_opens_what_the_old_one_was_refused_for_and_nothing_else() {
        let now = Instant::now();
        let mut gates = Gates::default();
        close(&mut gates, &lane("a", "1"), WaitReason::Forbidden, now);
        close(&mut gates, &lane("b", "1"), WaitReason::Unauthorized, now);
        gates.token_changed(now);
        assert!(gates.admits(&lane("a", "1"), now) && gates.admits(&lane("b", "1"), now));
        close(&mut gates, &lane("a", "1"), WaitReason::RateLimited, now);
        gates.token_changed(now);
        assert!(!gates.admits(&lane("a", "1"), now));
    }

    #[test]
    fn a_success_opens_the_way_for_all_but_not_before_the_time_is_up() {
        let now = Instant::now();
        let mut gates = Gates::default();
        close(&mut gates, &lane("a", "1"), WaitReason::RateLimited, now);
        // This request was under way when lane a was told to wait.
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
        for user in ["a", "b", "a", "b"] {
            close(&mut gates, &lane(user, "1"), WaitReason::ServerError, now);
        }
        assert!(!gates.breaker_is_open() && gates.admits(&lane("c", "1"), now));
        close(&mut gates, &lane("a", "1"), WaitReason::Unreachable, now);
        assert!(gates.breaker_is_open() && !gates.admits(&lane("c", "1"), now));
        let later = now + LONGEST_BREAK;
        assert!(gates.enter(&lane("b", "1"), later) && !gates.admits(&lane("a", "1"), later));
        close(&mut gates, &lane("b", "1"), WaitReason::ServerError, later);
        assert!(!gates.admits(&lane("b", "1"), later));
        let later = later + LONGEST_BREAK;
        assert!(gates.enter(&lane("a", "1"), later));
        gates.open(&lane("a", "1"), later);
        assert!(!gates.breaker_is_open() && gates.admits(&lane("b", "1"), later));
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
