//! How a batch has been failing: since when, how often in a row, and whether by itself. Pure: `now` is
//! an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::put_off::{PutOff, Went};
use crate::platform::verdict::{Wait, WaitReason};

/// After this many failures, a single row is given up, if others pass. So many failures do not come
/// by chance, however often the platform fails.
const MANY: u32 = 20;

/// A row that has been failing for this long is given up after so many failures: the count does not
/// survive a change of owner.
const LONG: (Duration, u32) = (Duration::from_mins(15), 3);

/// After so many failures in a row of another kind, a batch is no longer taken for one that is turned away.
const OTHERWISE: u32 = 3;

/// The failures of a batch in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Failing {
    /// The first failure since the last answer of another kind: `retry.give_up_after` runs.
    pub(super) since: Option<Instant>,
    /// How many sends in a row had no answer of the platform that could be used.
    pub(super) sends: u32,
    /// How many of the last sends may have arrived.
    pub(super) otherwise: u32,
    /// What is known if the batch was turned away, perhaps because of what it holds.
    pub(super) away: Option<Away>,
    /// What is known if the platform puts it off.
    pub(super) put_off: Option<PutOff>,
    /// Whether it is a part of a batch that was turned away alone, or whose other parts passed.
    pub(super) is_suspected: bool,
}

/// A batch that was turned away. Either all requests of the lane are, or this one is because of what it
/// holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Away {
    /// When it was turned away first.
    first: Instant,
    /// When it was turned away last.
    last: Instant,
    /// When the last batch of the lane was sent that had passed when this one set out again.
    passed: Option<Instant>,
    /// How often it was turned away though others passed.
    alone: u32,
    /// When it was turned away so first.
    alone_since: Option<Instant>,
    /// How often it was turned away from then on.
    sends_since: u32,
}

impl Failing {
    /// Takes in that the batch has to wait. `turned_away`: when a batch of the lane was turned away last, this
    /// one or another.
    pub(super) fn note(&mut self, wait: &Wait, turned_away: Option<Instant>, now: Instant) {
        if wait.reason.may_be_about_a_row() {
            self.sends += 1;
            self.otherwise = 0;
            self.away = Some(match self.away {
                Some(away) => away.again(turned_away, now),
                None => Away::first(now),
            });
        } else if wait.maybe_delivered {
            self.sends += 1;
            self.otherwise += 1;
            if self.otherwise >= OTHERWISE && self.away.take().is_some() {
                (self.sends, self.is_suspected) = (self.otherwise, false);
            }
        } else if self.away.is_none() || !says_nothing(wait.reason) {
            (self.sends, self.otherwise) = (0, 0);
            (self.away, self.is_suspected) = (None, false);
        }
        if wait.reason.runs_out() {
            self.since.get_or_insert(now);
        } else {
            self.since = None;
        }
    }

    /// Takes in by which request the answer was got that makes the batch wait.
    pub(super) fn note_request(&mut self, wait: &Wait, went: Went) {
        self.put_off = PutOff::after(self.put_off, wait, went);
    }

    /// Returns how often in a row it has failed, or was put off.
    pub(super) fn times(&self) -> u32 {
        let put_off = self.put_off.map(|put_off| put_off.times());
        self.sends.max(put_off.unwrap_or_default())
    }

    /// Whether the batch is put off again and again, and another one should go first.
    pub(super) fn asks_for_another(&self) -> bool {
        self.put_off.is_some_and(|put_off| put_off.asks())
    }

    /// How often in a row the batch was put off.
    pub(super) fn times_put_off(&self) -> u32 {
        self.put_off.map_or(0, |put_off| put_off.times())
    }

    /// Whether the batch is put off alone.
    pub(super) fn is_put_off_alone(&self) -> bool {
        self.put_off.is_some_and(|put_off| put_off.is_alone())
    }

    /// Begins anew to count how long the batch is put off, because an operator has ordered a try.
    pub(super) fn tries_anew(&mut self, now: Instant) {
        if let Some(put_off) = &mut self.put_off {
            put_off.tries_anew(now);
        }
    }

    /// Whether the batch may go first of a turn, because a limit lets pass who comes first. `is_single`: it has no
    /// parts.
    pub(super) fn goes_first(&self, is_single: bool) -> bool {
        let waits = |put_off: PutOff| put_off.waits_behind(is_single).is_some();
        self.is_put_off_in_doubt() || self.put_off.is_some_and(waits)
    }

    /// Whether the batch is put off though others pass, and nobody knows whether it is so alone.
    pub(super) fn is_put_off_in_doubt(&self) -> bool {
        self.put_off.is_some_and(|put_off| put_off.is_doubtful())
    }

    /// Notes that the batch sets out again. `passed`: when the last batch of the lane was sent that has
    /// passed.
    pub(super) fn sets_out(&mut self, passed: Option<Instant>) {
        if let Some(away) = &mut self.away {
            away.passed = passed;
        }
    }

    /// Whether the batch is turned away by itself.
    pub(super) fn is_turned_away_alone(&self) -> bool {
        self.away.is_some_and(|away| away.alone > 0)
    }

    /// Whether the batch was turned away, and nothing has shown that it is so by itself.
    pub(super) fn is_unexplained(&self) -> bool {
        self.away.is_some() && !self.is_turned_away_alone()
    }

    /// Whether that is so, and no other batch of the lane has passed since.
    pub(super) fn is_open_question(&self, passed: Option<Instant>) -> bool {
        self.is_unexplained() && passed <= self.turned_away_at()
    }

    /// Whether a single row has been failing for so long that it is given up, if others pass.
    pub(super) fn is_long(&self, now: Instant) -> bool {
        let (long, few) = LONG;
        let is_old = |since: Instant| now.duration_since(since) >= long;
        match self.away {
            None => self.sends >= MANY || self.sends >= few && self.since.is_some_and(is_old),
            Some(away) => {
                let often = away.alone >= few || away.sends_since >= MANY;
                away.alone >= MANY || often && away.alone_since.is_some_and(is_old)
            }
        }
    }

    /// Returns when the batch was turned away first.
    pub(super) fn turned_away_since(&self) -> Option<Instant> {
        self.away.map(|away| away.first)
    }

    /// Returns when the batch was turned away last.
    pub(super) fn turned_away_at(&self) -> Option<Instant> {
        self.away.map(|away| away.last)
    }

    /// Returns the failures of a part of the batch: its last failure counts for each part. Who was turned
    /// away shows nothing for a part: the others may be turned away from now on.
    pub(super) fn of_a_part(&self) -> Self {
        Self {
            since: self.since,
            sends: u32::from(self.since.is_some() && self.away.is_none()),
            is_suspected: self.is_suspected || self.is_turned_away_alone(),
            put_off: self.put_off.map(PutOff::of_a_part),
            ..Self::default()
        }
    }
}

impl Away {
    fn first(now: Instant) -> Self {
        Self {
            first: now,
            last: now,
            passed: None,
            alone: 0,
            alone_since: None,
            sends_since: 0,
        }
    }

    /// Others had passed only if none of the lane was turned away since.
    fn again(self, turned_away: Option<Instant>, now: Instant) -> Self {
        let others_passed = self.passed > turned_away.max(Some(self.last));
        let alone = self.alone + u32::from(others_passed);
        let since = self.alone_since;
        Self {
            first: self.first,
            last: now,
            passed: None,
            alone,
            alone_since: since.or_else(|| others_passed.then_some(now)),
            sends_since: self.sends_since + u32::from(alone > 0),
        }
    }
}

/// Whether a failure does not tell what the next request of the batch would get.
fn says_nothing(reason: WaitReason) -> bool {
    matches!(reason, WaitReason::Unreachable | WaitReason::RateLimited)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(reason: WaitReason, maybe_delivered: bool) -> Wait {
        Wait {
            reason,
            message: String::new(),
            maybe_delivered,
            retry_after: None,
        }
    }

    fn at(seconds: u64) -> Instant {
        static BEGIN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        *BEGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn what_says_something_else_begins_anew_and_what_says_nothing_does_not() {
        let mut failing = Failing::default();
        for (nth, (reason, maybe_delivered, sends, since)) in [
            (WaitReason::Blocked, false, 1, None),
            (WaitReason::AnswerLost, true, 2, Some(1)),
            (WaitReason::Redirected, false, 3, Some(1)),
            (WaitReason::Unreachable, false, 3, Some(1)),
            // The time of a ban does not count for `retry.give_up_after`.
            (WaitReason::Blocked, false, 4, None),
            (WaitReason::RateLimited, false, 4, None),
            (WaitReason::ServerError, true, 5, Some(6)),
            (WaitReason::NotFound, false, 6, None),
            (WaitReason::TaskRunning, false, 0, None),
            (WaitReason::ServerError, true, 1, Some(9)),
            (WaitReason::Unreachable, false, 0, Some(9)),
        ]
        .into_iter()
        .enumerate()
        {
            failing.note(&wait(reason, maybe_delivered), None, at(nth as u64));
            let found = (failing.sends, failing.since);
            assert_eq!(found, (sends, since.map(at)), "{nth}");
        }
        assert_eq!(failing.away, None);
    }

    #[test]
    fn a_page_in_between_does_not_change_how_errors_are_counted() {
        let mut failing = Failing::default();
        failing.note(&wait(WaitReason::Blocked, false), None, at(0));
        let error = wait(WaitReason::ServerError, true);
        for second in 1..=3 {
            assert!(failing.away.is_some());
            failing.note(&error, None, at(second));
        }
        assert_eq!((failing.away, failing.sends), (None, 3));
        for second in 4..=20 {
            failing.note(&error, None, at(second));
        }
        assert!(failing.is_long(at(20)));
    }

    /// Turned away at this second, after others had passed that were sent then.
    fn again(failing: &mut Failing, second: u64, passed: Option<u64>) {
        failing.sets_out(passed.map(at));
        failing.note(&wait(WaitReason::Blocked, false), None, at(second));
    }

    #[test]
    fn only_who_is_turned_away_before_and_after_another_passes_is_so_alone() {
        let mut failing = Failing::default();
        again(&mut failing, 10, Some(9));
        assert!(failing.is_open_question(Some(at(9))) && failing.is_open_question(None));
        // Others passed before it was turned away: everybody may be since.
        again(&mut failing, 20, Some(9));
        assert!(!failing.is_turned_away_alone());
        // It may pass now, too.
        assert!(!failing.is_open_question(Some(at(21))) && !failing.is_turned_away_alone());
        again(&mut failing, 30, Some(21));
        assert!(failing.is_turned_away_alone() && !failing.is_open_question(None));
        let part = failing.of_a_part();
        assert!(part.is_suspected && !part.is_turned_away_alone());
        assert_eq!((part.sends, part.away), (0, None));
    }

    #[test]
    fn what_is_turned_away_behind_another_may_be_so_because_of_it() {
        let mut failing = Failing::default();
        again(&mut failing, 10, None);
        failing.sets_out(Some(at(12)));
        // It makes the firewall forbid everything for a while.
        let other = Some(at(13));
        failing.note(&wait(WaitReason::Blocked, false), other, at(14));
        assert!(!failing.is_turned_away_alone());
    }

    #[test]
    fn a_row_is_given_up_only_for_what_came_while_others_passed() {
        let long = LONG.0.as_secs();
        let mut failing = Failing::default();
        // A ban of a day, and others pass just before the row is tried again.
        for nth in 0..100 {
            again(&mut failing, nth * 900, None);
        }
        again(&mut failing, 90_000, Some(89_999));
        assert!(!failing.is_long(at(90_000)) && !failing.is_long(at(90_000 + 10 * long)));
        // Then it is banned again, and then others pass again.
        again(&mut failing, 91_000, Some(89_999));
        again(&mut failing, 92_000, Some(91_500));
        assert!(!failing.is_long(at(92_000)));
        again(&mut failing, 93_000, Some(92_500));
        assert!(failing.is_long(at(93_000)));
        // Where nothing else goes, it takes many sends.
        let mut failing = Failing::default();
        again(&mut failing, 0, None);
        again(&mut failing, 2, Some(1));
        assert!(failing.is_turned_away_alone() && !failing.is_long(at(2 + long)));
        for nth in 0..u64::from(MANY) {
            again(&mut failing, 3 + nth, None);
        }
        assert!(!failing.is_long(at(100)) && failing.is_long(at(2 + long)));
    }

    #[test]
    fn a_row_that_fails_is_given_up_after_many_sends_or_a_long_time() {
        let failing = |sends| Failing {
            sends,
            since: Some(at(0)),
            ..Failing::default()
        };
        let (long, few) = LONG;
        assert!(failing(MANY).is_long(at(0)) && !failing(MANY - 1).is_long(at(0)));
        let then = at(long.as_secs());
        assert!(failing(few).is_long(then) && !failing(few - 1).is_long(then));
    }
}
