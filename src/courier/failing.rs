//! How a batch has been failing: since when, how often in a row, and whether by itself. Pure: `now` is
//! an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::platform::verdict::{Wait, WaitReason};

/// After this many failed sends, a single row is given up, if others pass. So many failures do not
/// come by chance, however often the platform fails.
const SENDS_TO_GIVE_UP: u32 = 20;

/// A row that has been failing for this long is given up after so many sends: the count does not
/// survive a change of owner.
const LONG: (Duration, u32) = (Duration::from_mins(15), 3);

/// The failures of a batch in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Failing {
    /// The first failure since the last answer of another kind: `retry.give_up_after` runs.
    pub(super) since: Option<Instant>,
    /// How many sends in a row had no answer of the platform that could be used.
    pub(super) sends: u32,
    /// What is known if somebody before the platform has turned the batch away.
    pub(super) away: Option<Away>,
    /// Whether it is a part of a batch that was turned away by itself.
    pub(super) is_suspected: bool,
}

/// A batch that was turned away by somebody before the platform. Either all requests of the lane are,
/// or this one is because of what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Away {
    since: Instant,
    /// When it was turned away last.
    last: Instant,
    /// When it was turned away before that.
    before: Option<Instant>,
    /// Whether another batch of the lane, sent after this one was turned away, has passed, and this
    /// one was turned away again.
    is_alone: bool,
}

impl Failing {
    /// Takes in that the batch has to wait.
    pub(super) fn note(&mut self, wait: &Wait, now: Instant) {
        let is_turned_away = wait.reason.may_be_about_a_row();
        if wait.maybe_delivered || is_turned_away {
            self.sends += 1;
        } else if self.away.is_none() || !says_nothing(wait.reason) {
            (self.sends, self.away, self.is_suspected) = (0, None, false);
        }
        if is_turned_away {
            self.away = Some(
                self.away
                    .map_or_else(|| Away::first(now), |away| away.again(now)),
            );
        }
        if wait.reason.runs_out() {
            self.since.get_or_insert(now);
        } else {
            self.since = None;
        }
    }

    /// Takes in when the last batch of the lane was sent that has passed.
    pub(super) fn note_passed(&mut self, sent: Option<Instant>) {
        if let Some(away) = &mut self.away {
            away.is_alone |= away.before.is_some() && sent > away.before;
        }
    }

    /// Whether the batch is turned away by itself.
    pub(super) fn is_turned_away_alone(&self) -> bool {
        self.away.is_some_and(|away| away.is_alone)
    }

    /// Whether the batch was turned away, and nobody knows yet whether others of its lane would be.
    pub(super) fn is_open_question(&self, passed: Option<Instant>) -> bool {
        self.away
            .is_some_and(|away| !away.is_alone && passed <= Some(away.last))
    }

    /// Whether a single row has been failing for so long that it is given up, if others pass.
    pub(super) fn is_long(&self) -> bool {
        let since = self.away.map(|away| away.since).or(self.since);
        let (long, sends) = LONG;
        let is_old = since.is_some_and(|since| since.elapsed() >= long);
        self.sends >= SENDS_TO_GIVE_UP || self.sends >= sends && is_old
    }

    /// Returns the failures of a part of the batch: its last failure counts for each part.
    pub(super) fn of_a_part(&self) -> Self {
        Self {
            since: self.since,
            sends: u32::from(self.since.is_some() || self.away.is_some()),
            away: None,
            is_suspected: self.is_suspected || self.is_turned_away_alone(),
        }
    }
}

impl Away {
    fn first(now: Instant) -> Self {
        Self {
            since: now,
            last: now,
            before: None,
            is_alone: false,
        }
    }

    fn again(self, now: Instant) -> Self {
        Self {
            last: now,
            before: Some(self.last),
            ..self
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
        // Far from now, so that nothing depends on the time that the test takes.
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
            (WaitReason::NotFound, false, 0, None),
            (WaitReason::ServerError, true, 1, Some(8)),
            (WaitReason::Unreachable, false, 0, Some(8)),
        ]
        .into_iter()
        .enumerate()
        {
            failing.note(&wait(reason, maybe_delivered), at(nth as u64));
            assert_eq!(
                (failing.sends, failing.since),
                (sends, since.map(at)),
                "{nth}"
            );
        }
        assert_eq!(failing.away, None);
    }

    #[test]
    fn only_who_is_turned_away_before_and_after_another_passes_is_so_alone() {
        let blocked = wait(WaitReason::Blocked, false);
        let mut failing = Failing::default();
        failing.note_passed(Some(at(9)));
        failing.note(&blocked, at(10));
        // Others passed before it was turned away: everybody may be since.
        failing.note_passed(Some(at(9)));
        assert!(failing.is_open_question(Some(at(9))) && failing.is_open_question(None));
        failing.note(&blocked, at(20));
        failing.note_passed(Some(at(9)));
        assert!(!failing.is_turned_away_alone());
        failing.note_passed(Some(at(15)));
        assert!(failing.is_turned_away_alone());
        assert!(!failing.is_open_question(None));
        let part = failing.of_a_part();
        assert!(part.is_suspected && !part.is_turned_away_alone());
        assert_eq!((part.sends, part.away), (1, None));
    }

    #[test]
    fn who_passes_after_the_last_failure_answers_the_question_for_now() {
        let blocked = wait(WaitReason::Blocked, false);
        let mut failing = Failing::default();
        failing.note(&blocked, at(10));
        failing.note_passed(Some(at(11)));
        assert!(!failing.is_turned_away_alone(), "it may pass now, too");
        assert!(!failing.is_open_question(Some(at(11))));
        failing.note(&blocked, at(12));
        failing.note_passed(Some(at(11)));
        assert!(failing.is_turned_away_alone());
    }

    #[test]
    fn a_row_is_given_up_after_many_sends_or_a_long_time() {
        let failing = |sends, since| Failing {
            sends,
            since: Some(since),
            ..Failing::default()
        };
        let now = Instant::now();
        let long_ago = now.checked_sub(LONG.0);
        assert!(failing(SENDS_TO_GIVE_UP, now).is_long());
        assert!(!failing(SENDS_TO_GIVE_UP - 1, now).is_long());
        // A machine that has just started knows no such instant.
        if let Some(long_ago) = long_ago {
            assert!(failing(LONG.1, long_ago).is_long());
            assert!(!failing(LONG.1 - 1, long_ago).is_long());
        }
    }
}
