//! The suspect: whoever got the last 429s that seemed to be about everybody.
//!
//! A platform that limits one user, or one task, may answer it in between, and of those that it never
//! answers there may be many. So nothing else tells their 429 from one that is about everybody. But a
//! limit for everybody is met by whoever sends, and by who sends more the more often: it hardly ever
//! meets those with few answers several times in a row. Pure.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::contact::Lane;

/// So many refusals in a row make a suspect, if others were answered so many times as often between each
/// two, and a user or lane also at least so many times.
const MANY: u32 = 4;

/// Whoever sends a part of the requests meets a common limit as often by chance. A user or lane is also a suspect if its
/// refusals in a row come by chance this seldom: who sends half of the requests, after twelve.
const SELDOM: f64 = 1.0 / 1_000.0;

/// So long after the last refusal the next one is the first of others.
const LONG_AGO: Duration = Duration::from_hours(1);

/// Whom the last refusals are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspect {
    User,
    Lane,
    /// All lanes that were never answered.
    Newcomers,
}

/// The last refusals in a row of one user, of one lane of it, and of lanes that were never answered.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    user: Streak<Arc<str>>,
    lane: Streak<Lane>,
    newcomers: Streak<()>,
}

#[derive(Debug)]
struct Streak<K> {
    who: Option<K>,
    refusals: u32,
    /// When the last one came that counts.
    last: Option<Instant>,
    /// The chance that a common limit met nobody else.
    chance: f64,
    /// How often it was answered since the last refusal that counts.
    own: u32,
    /// How often others were.
    others: u32,
}

impl<K> Default for Streak<K> {
    fn default() -> Self {
        Self {
            who: None,
            refusals: 0,
            last: None,
            chance: 1.0,
            own: 0,
            others: 0,
        }
    }
}

impl Suspects {
    /// Notes a refusal that would be about everybody. Returns whom it is about instead, if it is. `is_new`: the
    /// lane was never answered.
    pub(super) fn refused(&mut self, lane: &Lane, is_new: bool, now: Instant) -> Option<Suspect> {
        let are_newcomers = if is_new {
            self.newcomers.refused(&(), 1, now);
            self.are_newcomers()
        } else {
            self.newcomers = Streak::default();
            false
        };
        self.user.refused(&lane.user_id().into(), MANY, now);
        self.lane.refused(lane, MANY, now);
        if self.lane.is_suspect() {
            Some(Suspect::Lane)
        } else if self.user.is_suspect() {
            Some(Suspect::User)
        } else {
            are_newcomers.then_some(Suspect::Newcomers)
        }
    }

    /// Whether lanes that were never answered are suspects.
    pub(super) fn are_newcomers(&self) -> bool {
        self.newcomers.refusals >= MANY
    }

    /// Notes an answer to the lane. `is_new`: it is the first one.
    pub(super) fn answered(&mut self, lane: &Lane, is_new: bool) {
        self.newcomers.answered(is_new);
        let is_users = self.user.who.as_deref() == Some(lane.user_id());
        self.user.answered(is_users);
        // Other users' lanes say nothing of this one's user.
        if is_users {
            self.lane.answered(self.lane.who.as_ref() == Some(lane));
        }
    }
}

impl<K: Clone + PartialEq> Streak<K> {
    /// `apart`: how often others are answered between two refusals that count; of those that were under way
    /// together, one does.
    fn refused(&mut self, who: &K, apart: u32, now: Instant) {
        let is_recent = self.last.is_some_and(|last| now < last + LONG_AGO);
        let is_same = is_recent && self.who.as_ref() == Some(who);
        if is_same && self.others < apart {
            return;
        }
        let share =
            (f64::from(self.own) + 1.0) / (f64::from(self.own) + f64::from(self.others) + 1.0);
        let is_rare = self.others >= self.own.saturating_mul(MANY);
        *self = Self {
            who: Some(who.clone()),
            refusals: if is_same && is_rare {
                self.refusals.saturating_add(1)
            } else {
                1
            },
            last: Some(now),
            chance: if is_same { self.chance * share } else { 1.0 },
            own: 0,
            others: 0,
        };
    }

    fn is_suspect(&self) -> bool {
        self.refusals >= MANY || self.chance < SELDOM
    }

    fn answered(&mut self, is_own: bool) {
        let count = if is_own {
            &mut self.own
        } else {
            &mut self.others
        };
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(user: &str, task: &str) -> Lane {
        Lane::new(user, task).unwrap()
    }

    fn now() -> Instant {
        static NOW: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        *NOW
    }

    fn answers(suspects: &mut Suspects, lane: &Lane, times: u32) {
        for _ in 0..times {
            suspects.answered(lane, false);
        }
    }

    #[test]
    fn who_is_refused_again_and_again_while_others_are_answered_more_often_is_a_suspect() {
        for (other, expected) in [
            (lane("b", "1"), Suspect::User),
            (lane("a", "2"), Suspect::Lane),
        ] {
            let (mut suspects, slow) = (Suspects::default(), lane("a", "1"));
            for nth in 1..10 {
                let is_one = (nth >= MANY).then_some(expected);
                assert_eq!(suspects.refused(&slow, false, now()), is_one, "{nth}");
                assert_eq!(
                    suspects.refused(&slow, false, now()),
                    is_one,
                    "under way together"
                );
                answers(&mut suspects, &slow, 2);
                answers(&mut suspects, &other, 2 * MANY);
            }
            // It meets others, too.
            assert_eq!(suspects.refused(&lane("c", "1"), false, now()), None);
            assert_eq!(suspects.refused(&slow, false, now()), None);
        }
    }

    #[test]
    fn who_sends_alone_or_in_turns_with_others_is_none() {
        let (mut suspects, slow, other) = (Suspects::default(), lane("a", "1"), lane("b", "1"));
        for _ in 0..20 {
            assert_eq!(
                suspects.refused(&slow, false, now()),
                None,
                "there are no others"
            );
            answers(&mut suspects, &slow, 10);
        }
        for _ in 0..20 {
            for who in [&slow, &other] {
                assert_eq!(suspects.refused(who, false, now()), None);
                answers(&mut suspects, &lane("c", "1"), 10);
            }
        }
    }

    #[test]
    fn who_sends_much_is_one_after_more_refusals_in_a_row_than_come_by_chance() {
        for (own, others, first) in [(10, 10, 12), (30, 10, 26), (2, 8, 4)] {
            let (mut suspects, slow, other) = (Suspects::default(), lane("a", "1"), lane("b", "1"));
            for nth in 1..=first {
                let found = suspects.refused(&slow, false, now()).is_some();
                assert_eq!(found, nth == first, "{own} of {own} and {others}: {nth}");
                answers(&mut suspects, &slow, own);
                answers(&mut suspects, &other, others);
            }
        }
    }

    #[test]
    fn refusals_of_long_ago_say_nothing() {
        let (mut suspects, slow, other) = (Suspects::default(), lane("a", "1"), lane("b", "1"));
        for nth in 0..20 {
            let later = now() + LONG_AGO * nth;
            assert_eq!(suspects.refused(&slow, false, later), None);
            answers(&mut suspects, &other, 100);
        }
    }

    #[test]
    fn who_was_never_answered_is_a_suspect_after_others_like_it_unless_such_are_answered() {
        let (new, old) = (|nth: u32| lane(&nth.to_string(), "1"), lane("old", "1"));
        for are_answered in [false, true] {
            let mut suspects = Suspects::default();
            for nth in 1..10 {
                let are_suspects = !are_answered && nth >= MANY;
                let expected = are_suspects.then_some(Suspect::Newcomers);
                assert_eq!(suspects.refused(&new(nth), true, now()), expected, "{nth}");
                suspects.answered(&old, false);
                if are_answered {
                    suspects.answered(&new(100 + nth), true);
                }
            }
            assert_eq!(suspects.refused(&old, false, now()), None);
            assert_eq!(suspects.refused(&new(1), true, now()), None);
        }
    }
}
