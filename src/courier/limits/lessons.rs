//! The lessons: the level, and whose refusals have lowered it. A refusal that turns out to be about one lane
//! or user alone is taken back. Pure: `now` is an argument.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::level::Level;
use crate::contact::Lane;

/// So many of the latest refusals can be taken back.
const MOST: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Lessons {
    level: Level,
    /// The level before the first of `refusals`.
    before: Level,
    refusals: VecDeque<Refusal>,
}

#[derive(Debug)]
struct Refusal {
    lane: Lane,
    sent: Instant,
    at: Instant,
}

impl Refusal {
    fn lower(&self, level: &mut Level) -> bool {
        level.lower(self.sent, self.at)
    }
}

impl Lessons {
    /// Begins at this level.
    pub(super) fn at(level: Level) -> Self {
        Self {
            level,
            before: level,
            refusals: VecDeque::new(),
        }
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// Lowers the level, because the platform said "too many" to a request of the lane that was sent at
    /// `sent`. Returns whether the level was lowered.
    pub(super) fn lower(&mut self, lane: &Lane, sent: Instant, now: Instant) -> bool {
        if self.refusals.len() >= MOST
            && let Some(oldest) = self.refusals.pop_front()
        {
            oldest.lower(&mut self.before);
        }
        let refusal = Refusal {
            lane: lane.clone(),
            sent,
            at: now,
        };
        let is_lowered = refusal.lower(&mut self.level);
        self.refusals.push_back(refusal);
        is_lowered
    }

    /// Takes back the refusals of these lanes: the level is what it would be without them. Returns whether
    /// there were any.
    pub(super) fn take_back(&mut self, are_theirs: impl Fn(&Lane) -> bool) -> bool {
        let before = self.refusals.len();
        self.refusals.retain(|refusal| !are_theirs(&refusal.lane));
        if self.refusals.len() == before {
            return false;
        }
        self.level = self.before;
        for refusal in &self.refusals {
            refusal.lower(&mut self.level);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lane(user: &str) -> Lane {
        Lane::new(user, "1").unwrap()
    }

    #[test]
    fn what_is_taken_back_leaves_the_level_as_if_it_had_not_been() {
        let (mut lessons, mut without, now) =
            (Lessons::default(), Lessons::default(), Instant::now());
        for nth in 0..12 {
            let (user, at) = (["bad", "good", "bad", "bad"][nth % 4], now + SECOND * 7);
            let at = at + SECOND * u32::try_from(nth).unwrap();
            lessons.lower(&lane(user), at, at);
            if user == "good" {
                without.lower(&lane(user), at, at);
            }
        }
        let then = now + SECOND * 20;
        assert!(lessons.level().at(then) < 0.1);
        assert!(!lessons.take_back(|lane| lane.user_id() == "nobody"));
        assert!(lessons.take_back(|lane| lane.user_id() == "bad"));
        let levels = [&lessons, &without].map(|lessons| lessons.level().at(then));
        assert!((levels[0] - levels[1]).abs() < 1e-9, "{levels:?}");
        assert!(!lessons.take_back(|lane| lane.user_id() == "bad"));
    }

    #[test]
    fn of_too_many_the_oldest_stay() {
        let (mut lessons, now) = (Lessons::default(), Instant::now());
        let mut at = now;
        for _ in 0..3 * MOST {
            at += SECOND;
            lessons.lower(&lane("bad"), at, at);
        }
        assert!(lessons.refusals.len() <= MOST);
        assert!(lessons.take_back(|_| true));
        let long_ago = now + SECOND * u32::try_from(2 * MOST).unwrap();
        assert_eq!(lessons.level().learned().map(|it| it.at), Some(long_ago));
    }
}
