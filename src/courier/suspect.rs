//! The suspect: whoever got the last 429s that seemed to be about everybody.
//!
//! A platform that limits one user, or one task, answers it in between, so nothing else tells its 429 from
//! one that is about everybody. But a limit for everybody is met by whoever sends, and by who sends more
//! the more often: it hardly ever meets somebody with few requests several times in a row. Pure.

use std::sync::Arc;

use crate::contact::Lane;

/// So many refusals in a row make a suspect, if others were answered so many times between each two, and
/// so many times as often as the suspect.
const MANY: u32 = 4;

/// Whom the last refusals are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspect {
    User,
    Lane,
}

/// The last refusals in a row of one user, and of one lane of it.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    user: Streak<Arc<str>>,
    lane: Streak<Lane>,
}

#[derive(Debug)]
struct Streak<K> {
    who: Option<K>,
    refusals: u32,
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
            own: 0,
            others: 0,
        }
    }
}

impl Suspects {
    /// Notes a refusal that would be about everybody. Returns whom it is about instead, if it is.
    pub(super) fn refused(&mut self, lane: &Lane) -> Option<Suspect> {
        let user = self.user.refused(&lane.user_id().into());
        if self.lane.refused(lane) {
            Some(Suspect::Lane)
        } else {
            user.then_some(Suspect::User)
        }
    }

    /// Notes an answer to the lane.
    pub(super) fn answered(&mut self, lane: &Lane) {
        let is_users = self.user.who.as_deref() == Some(lane.user_id());
        self.user.answered(is_users);
        // Other users' lanes say nothing of this one's user.
        if is_users {
            self.lane.answered(self.lane.who.as_ref() == Some(lane));
        }
    }
}

impl<K: Clone + PartialEq> Streak<K> {
    /// Returns whether it is a suspect now. Refusals of requests that were under way together count once.
    fn refused(&mut self, who: &K) -> bool {
        let is_same = self.who.as_ref() == Some(who);
        if is_same && self.others < MANY {
            return self.refusals >= MANY;
        }
        let is_rare = self.others / MANY >= self.own;
        *self = Self {
            who: Some(who.clone()),
            refusals: if is_same && is_rare {
                self.refusals.saturating_add(1)
            } else {
                1
            },
            own: 0,
            others: 0,
        };
        self.refusals >= MANY
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

    fn answers(suspects: &mut Suspects, lane: &Lane, times: u32) {
        for _ in 0..times {
            suspects.answered(lane);
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
                assert_eq!(suspects.refused(&slow), is_one, "{nth}");
                assert_eq!(suspects.refused(&slow), is_one, "under way together");
                answers(&mut suspects, &slow, 2);
                answers(&mut suspects, &other, 2 * MANY);
            }
            // It meets others, too.
            assert_eq!(suspects.refused(&lane("c", "1")), None);
            assert_eq!(suspects.refused(&slow), None);
        }
    }

    #[test]
    fn who_sends_much_or_alone_or_in_turns_with_others_is_none() {
        let (mut suspects, slow, other) = (Suspects::default(), lane("a", "1"), lane("b", "1"));
        for _ in 0..20 {
            assert_eq!(suspects.refused(&slow), None, "it sends much");
            answers(&mut suspects, &slow, 10);
            answers(&mut suspects, &other, 10);
        }
        for _ in 0..20 {
            assert_eq!(suspects.refused(&slow), None, "there are no others");
            answers(&mut suspects, &slow, 10);
        }
        for _ in 0..20 {
            for who in [&slow, &other] {
                assert_eq!(suspects.refused(who), None);
                answers(&mut suspects, &lane("c", "1"), 10);
            }
        }
    }
}
