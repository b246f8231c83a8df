//! A batch that the platform puts off: "too many requests", "the task is running", "not this token".
//!
//! Such an answer is about more than one batch, so its lane waits. But a platform may give it to whoever
//! sends a certain number, each time. Only other batches of the lane can tell. If others pass that did not
//! wait as long behind the last one that passed, it is about this one. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::platform::verdict::{Wait, WaitReason};

/// How often something is the case of a whole batch, or of a part of one that was put off alone.
#[derive(Clone, Copy, Debug)]
struct Times {
    whole: u32,
    part: u32,
}

/// A batch that was put off so often in a row lets another one of its lane go first.
const TO_LET_PASS: Times = Times { whole: 2, part: 1 };

/// A batch that was put off so often though others passed holds up its lane no more.
const TO_WAIT_APART: Times = Times { whole: 2, part: 1 };

/// So often, and its parts are sent instead. A limit that is shared with others may well put off one of
/// two requests, and a batch in parts would meet it more often.
const TO_SPLIT: Times = Times { whole: 5, part: 2 };

/// After so many failures of the lane in a row, parts are sent to find out, if no other batch of the lane can tell.
const TO_SPLIT_WITHOUT_OTHERS: u32 = 6;

/// Each batch, or part of one, of which the parts are sent was put off so often in a row. The more parts there are, the
/// longer it takes: at a real limit they cost a request each.
const TO_FIND_OUT: Times = Times { whole: 2, part: 6 };

/// A lane does not rest longer than this for such a batch.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// How a batch is being put off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PutOff {
    /// How often in a row.
    times: u32,
    /// Whether the rate was the reason last.
    is_rate: bool,
    /// When the request was sent that was put off first.
    first: Option<Instant>,
    /// Those that were sent later and have passed show something: when it was put off first, or when the last one was
    /// sent that has counted.
    since: Option<Instant>,
    /// The shortest wait with which another batch of the lane has passed since.
    passed: Option<Duration>,
    /// Whether another one has passed since it was put off last.
    another_passed: bool,
    /// How often the batch was put off though another one had passed that did not wait as long.
    alone: u32,
    /// When the request was sent by which it was so often enough to wait apart.
    alone_since: Option<Instant>,
    /// Whether it is a part of a batch that was put off.
    is_part: bool,
    /// When the last request of the lane was sent that passed, as far as it is known.
    pub(super) lane_passed: Option<Instant>,
}

/// A request of a lane that was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Went {
    pub(super) sent: Instant,
    /// When the last one before it was sent that passed, if it is known.
    pub(super) behind: Option<Instant>,
}

/// Returns a wait that lets pass whom a limit lets pass after this one, also over a network that delays each
/// request by another time.
fn longer(wait: Duration) -> Duration {
    wait + (wait / 2).min(LONGEST_REST)
}

impl Went {
    /// A request that was sent then, of a lane of which the last one that passed was sent at `passed`.
    pub(super) fn new(sent: Instant, passed: Option<Instant>) -> Self {
        Self {
            sent,
            behind: passed.filter(|passed| *passed < sent),
        }
    }

    fn waited(self) -> Option<Duration> {
        let since = |behind| self.sent.saturating_duration_since(behind);
        self.behind.map(since)
    }
}

impl PutOff {
    /// Returns what is known after one more answer that makes the batch wait: `None` if it says
    /// something else.
    pub(super) fn after(this: Option<Self>, wait: &Wait, went: Went) -> Option<Self> {
        match wait.reason {
            reason if reason.puts_off() && !wait.maybe_delivered => {
                Some(this.unwrap_or_default().again(reason, went))
            }
            WaitReason::Unreachable => this,
            _ => None,
        }
    }

    fn again(self, reason: WaitReason, went: Went) -> Self {
        let is_rate = reason == WaitReason::RateLimited;
        let has_waited = |others| !is_rate || went.waited() >= Some(longer(others));
        let is_alone = self.passed.is_some_and(has_waited);
        let counted = went.behind.filter(|_| is_alone);
        let alone = self.alone.saturating_add(u32::from(is_alone));
        let is_apart = alone >= self.of(TO_WAIT_APART);
        Self {
            times: self.times.saturating_add(1),
            is_rate,
            first: self.first.or(Some(went.sent)),
            since: counted.max(self.since).or(Some(went.sent)),
            passed: self.passed.filter(|_| !is_alone),
            another_passed: false,
            alone,
            alone_since: self.alone_since.or(is_apart.then_some(went.sent)),
            is_part: self.is_part,
            lane_passed: self.lane_passed.max(went.behind),
        }
    }

    /// Notes that another batch of the lane has passed. One that set out before this one was put off shows nothing.
    pub(super) fn another_passes(&mut self, went: Went) {
        if self.since.is_none_or(|since| went.sent <= since) {
            return;
        }
        // If none is known that passed before, it has waited at least since the whole batch was put off.
        let at_least = self.first.filter(|_| self.is_part);
        let at_least = at_least.map(|first| went.sent.saturating_duration_since(first));
        if let Some(waited) = went.waited().or(at_least) {
            let shortest = self.passed.map_or(waited, |passed| passed.min(waited));
            self.passed = Some(shortest);
        }
        self.another_passed |= self.lane_passed < Some(went.sent);
        self.lane_passed = self.lane_passed.max(Some(went.sent));
    }

    /// Whether another batch of the lane should go before it, to show whether others pass.
    pub(super) fn asks(&self) -> bool {
        self.times >= self.of(TO_LET_PASS) && !self.another_passed && !self.is_alone()
    }

    fn of(&self, times: Times) -> u32 {
        if self.is_part {
            times.part
        } else {
            times.whole
        }
    }

    /// Whether it was put off again though others passed, perhaps because they had waited longer.
    pub(super) fn is_doubtful(&self) -> bool {
        let others_passed = self.passed.is_some() || self.alone > 0;
        self.times > self.of(TO_LET_PASS) && others_passed && !self.is_alone()
    }

    /// Returns how long it should wait behind the last one that passed: so long that its answer shows something, and
    /// that it passes at a limit that lets others pass. `is_single`: it has no parts.
    pub(super) fn waits_behind(&self, is_single: bool) -> Option<Duration> {
        let shows = self.is_rate && self.times >= self.of(TO_LET_PASS);
        let passed = self
            .passed
            .filter(|_| shows && !(is_single && self.is_alone()));
        passed.map(longer)
    }

    /// Returns how long its lane rests before it goes. `waited`: since the last one that passed.
    pub(super) fn rest(&self, is_single: bool, waited: Duration) -> Option<Duration> {
        let rest = self.waits_behind(is_single)?.saturating_sub(waited);
        (!rest.is_zero() && rest <= LONGEST_REST).then_some(rest)
    }

    /// Whether it is put off alone.
    pub(super) fn is_alone(&self) -> bool {
        self.alone_since.is_some()
    }

    /// Returns since when it is put off alone, unless a person has to act.
    pub(super) fn alone_since(&self) -> Option<Instant> {
        self.alone_since.filter(|_| self.is_rate)
    }

    /// Begins anew to count how long it is put off alone.
    pub(super) fn tries_anew(&mut self, now: Instant) {
        self.alone_since = self.alone_since.map(|since| since.max(now));
    }

    /// Whether its parts are to be sent instead. `without_others`: how often its lane has failed in a row, if no
    /// other batch of it can tell, nor a smaller part.
    pub(super) fn is_to_split(&self, without_others: Option<u32>) -> bool {
        let to_find_out = |failures| {
            self.is_rate
                && self.times >= self.of(TO_FIND_OUT)
                && failures >= TO_SPLIT_WITHOUT_OTHERS
        };
        self.alone >= self.of(TO_SPLIT)
            || without_others.is_some_and(|failures| self.alone > 0 || to_find_out(failures))
    }

    /// Returns when the request was sent by which it was put off first, if the rate is the reason.
    pub(super) fn by_the_rate_since(&self) -> Option<Instant> {
        self.first.filter(|_| self.is_rate)
    }

    /// Returns how often in a row it was put off.
    pub(super) fn times(&self) -> u32 {
        self.times
    }

    /// Returns what is known of a part of the batch.
    pub(super) fn of_a_part(self) -> Self {
        Self {
            is_part: true,
            first: self.first,
            since: self.since,
            lane_passed: self.lane_passed,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        static BEGIN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        *BEGIN + Duration::from_millis(ms)
    }

    /// A request at this time; the last one that passed was sent so long before.
    fn went(ms: u64, waited: u64) -> Went {
        Went::new(at(ms), Some(at(ms - waited)))
    }

    fn again(this: &mut Option<PutOff>, reason: WaitReason, went: Went) -> PutOff {
        let wait = Wait {
            reason,
            message: String::new(),
            maybe_delivered: false,
            retry_after: None,
        };
        *this = PutOff::after(*this, &wait, went);
        this.unwrap()
    }

    fn passes(this: &mut Option<PutOff>, went: Went) {
        this.as_mut().unwrap().another_passes(went);
    }

    const RATE: WaitReason = WaitReason::RateLimited;

    #[test]
    fn who_is_put_off_again_and_again_though_others_pass_is_put_off_alone() {
        let mut this = None;
        assert!(!again(&mut this, RATE, went(1_000, 10)).asks());
        for alone in 0..TO_SPLIT.whole {
            let now = u64::from(alone) * 1_000 + 2_000;
            let before = again(&mut this, RATE, went(now, 600));
            assert_eq!(before.alone, alone);
            assert_eq!(before.asks(), alone < TO_WAIT_APART.whole, "{alone}");
            assert_eq!(before.is_doubtful(), alone == 1, "{alone}");
            assert_eq!(before.is_alone(), alone >= TO_WAIT_APART.whole, "{alone}");
            assert!(!before.is_to_split(None));
            passes(&mut this, went(now + 400, 400));
        }
        let last = again(&mut this, RATE, went(9_000, 600));
        assert!(last.is_to_split(None));
    }

    #[test]
    fn a_limit_that_lets_pass_who_has_waited_long_enough_is_about_nobody_alone() {
        let mut this = None;
        for nth in 1..50 {
            let put_off = again(&mut this, RATE, went(nth * 1_000, 10));
            assert!(!put_off.is_alone() && !put_off.is_to_split(None));
            assert_eq!(put_off.is_doubtful(), nth > TO_LET_PASS.whole.into());
            passes(&mut this, went(nth * 1_000 + 500, 500));
            assert!(!this.unwrap().asks());
            // It would pass if it waited longer.
            let rest = (nth > 1).then_some(Duration::from_millis(750));
            assert_eq!(this.unwrap().rest(true, Duration::ZERO), rest);
            assert_eq!(this.unwrap().rest(true, Duration::from_millis(750)), None);
        }
    }

    #[test]
    fn a_lane_does_not_rest_for_long_nor_for_a_row_that_is_put_off_alone() {
        let (mut this, zero) = (None, Duration::ZERO);
        let seconds = Duration::from_secs;
        for second in 1..5 {
            again(&mut this, RATE, went(second * 10_000, 900));
            assert_eq!(this.unwrap().rest(false, seconds(4)), None);
            passes(&mut this, went(second * 10_000 + 5_000, 4_000));
            let asks = second > 1;
            // Its own wait has to be over nearly.
            assert_eq!(this.unwrap().rest(false, zero), None);
            let rest = asks.then_some(seconds(2));
            assert_eq!(this.unwrap().rest(false, seconds(4)), rest);
            passes(&mut this, went(second * 10_000 + 6_000, 500));
            let rest = asks.then_some(Duration::from_millis(750));
            assert_eq!(this.unwrap().rest(false, zero), rest);
            let is_alone = this.unwrap().is_alone();
            assert_eq!(this.unwrap().rest(true, zero), rest.filter(|_| !is_alone));
        }
        assert!(this.unwrap().is_alone());
    }

    #[test]
    fn a_margin_of_two_seconds_shows_enough_behind_others_that_wait_for_long() {
        let mut this = None;
        for alone in 0..TO_WAIT_APART.whole {
            let now = u64::from(alone) * 1_000_000 + 1_000_000;
            assert_eq!(again(&mut this, RATE, went(now, 302_000)).alone, alone);
            passes(&mut this, went(now + 300_000, 300_000));
        }
        assert!(again(&mut this, RATE, went(9_000_000, 302_000)).is_alone());
    }

    #[test]
    fn who_waits_longer_than_others_that_passed_shows_whether_it_is_put_off_alone() {
        let mut this = None;
        for ms in [1_000, 2_000] {
            again(&mut this, RATE, went(ms, 10));
        }
        passes(&mut this, went(2_500, 500));
        let soon = again(&mut this, RATE, went(2_600, 100));
        assert_eq!((soon.alone, soon.asks()), (0, true));
        let late = again(&mut this, RATE, went(3_250, 750));
        assert_eq!((late.alone, late.asks()), (1, true));
    }

    #[test]
    fn where_it_is_not_about_the_rate_the_wait_shows_nothing() {
        for reason in [WaitReason::TaskRunning, WaitReason::Unauthorized] {
            let mut this = None;
            for nth in 0..=TO_WAIT_APART.whole {
                let put_off = again(&mut this, reason, went(u64::from(nth) * 1_000 + 100, 0));
                assert_eq!(put_off.is_alone(), nth == TO_WAIT_APART.whole);
                passes(&mut this, went(u64::from(nth) * 1_000 + 600, 500));
            }
        }
    }

    #[test]
    fn only_for_a_part_the_first_that_passes_of_all_shows_something() {
        let first = |ms| Went::new(at(ms), None);
        let mut this = None;
        again(&mut this, RATE, first(1_000));
        let whole = again(&mut this, RATE, first(2_000));
        let mut part = Some(whole.of_a_part());
        for one in [&mut this, &mut part] {
            // It set out before.
            passes(one, first(900));
            again(one, RATE, first(2_500));
            assert!(one.unwrap().asks());
            passes(one, first(3_000));
        }
        assert_eq!(this.unwrap().passed, None);
        for (ms, alone) in [(5_900, 0), (6_000, 1)] {
            let put_off = again(&mut part, RATE, went(ms, ms - 3_000));
            assert_eq!(put_off.alone, alone);
        }
    }

    #[test]
    fn without_others_its_parts_are_sent_to_find_out_about_a_rate() {
        const FAILURES: u32 = TO_SPLIT_WITHOUT_OTHERS;
        for (reason, is_cut) in [(RATE, true), (WaitReason::TaskRunning, false)] {
            let mut this = None;
            let once = again(&mut this, reason, went(1_000, 500));
            assert!(!once.is_to_split(Some(FAILURES)));
            let whole = again(&mut this, reason, went(2_000, 500));
            assert_eq!(whole.is_to_split(Some(FAILURES)), is_cut);
            assert!(!whole.is_to_split(Some(FAILURES - 1)) && !whole.is_to_split(None));
            let mut part = Some(whole.of_a_part());
            let once = again(&mut part, reason, went(3_000, 500));
            assert!(!once.is_to_split(Some(FAILURES + 1)));
            for nth in 2..=TO_FIND_OUT.part {
                let part = again(&mut part, reason, went(3_000 + u64::from(nth), 500));
                let is_enough = nth == TO_FIND_OUT.part;
                assert_eq!(part.is_to_split(Some(FAILURES + nth)), is_cut && is_enough);
                assert_eq!(part.by_the_rate_since().is_some(), is_cut);
            }
        }
    }

    #[test]
    fn how_long_it_is_put_off_alone_counts_for_a_rate_and_from_the_last_order_on() {
        for (reason, counts) in [(RATE, true), (WaitReason::Unauthorized, false)] {
            let mut this = None;
            for second in 1..6 {
                again(&mut this, reason, went(second * 1_000, 600));
                passes(&mut this, went(second * 1_000 + 400, 400));
            }
            let mut this = this.unwrap();
            assert!(this.is_alone());
            assert_eq!(this.alone_since(), counts.then(|| at(3_000)));
            this.tries_anew(at(9_000));
            assert_eq!(this.alone_since(), counts.then(|| at(9_000)));
        }
    }

    #[test]
    fn of_a_part_less_is_asked() {
        let mut this = None;
        let whole = again(&mut this, RATE, went(1_000, 10));
        let mut part = Some(whole.of_a_part());
        let once = again(&mut part, RATE, went(1_100, 10));
        assert!(once.asks() && !once.is_alone());
        passes(&mut part, went(1_500, 500));
        let twice = again(&mut part, RATE, went(2_250, 750));
        assert!(!twice.asks() && twice.is_alone() && !twice.is_to_split(None));
        passes(&mut part, went(2_500, 100));
        assert!(again(&mut part, RATE, went(3_000, 500)).is_to_split(None));
        // The other part has passed while this one was under way.
        let mut part = Some(whole.of_a_part());
        assert!(again(&mut part, RATE, went(1_010, 505)).asks());
        passes(&mut part, went(1_005, 500));
        assert!(!part.unwrap().asks());
    }

    #[test]
    fn an_answer_that_says_something_else_begins_anew() {
        let wait = |reason, maybe_delivered| Wait {
            reason,
            message: String::new(),
            maybe_delivered,
            retry_after: None,
        };
        let mut this = None;
        let before = Some(again(&mut this, RATE, went(100, 10)));
        for (reason, maybe_delivered, stays) in [
            (WaitReason::Unreachable, false, true),
            (WaitReason::AnswerLost, true, false),
            (WaitReason::ServerError, true, false),
            (WaitReason::NotFound, false, false),
            (RATE, true, false),
        ] {
            let after = PutOff::after(before, &wait(reason, maybe_delivered), went(200, 10));
            assert_eq!(after, before.filter(|_| stays), "{reason:?}");
        }
    }
}
