//! The lessons: the level, and whose refusals have lowered it. A refusal that turns out to be about one lane
//! or user alone is taken back. Pure: `now` is an argument.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::level::{Level, Refusal};
use crate::contact::Lane;

/// So many of the latest refusals can be taken back.
const MOST: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Lessons {
    level: Level,
    /// The level before the first of `refusals`.
    before: Level,
    refusals: VecDeque<(Lane, Refusal)>,
    /// When the last request was sent that the platform has accepted.
    accepted: Option<Instant>,
}

impl Lessons {
    /// Begins at this level.
    pub(super) fn at(level: Level) -> Self {
        Self {
            level,
            before: level,
            ..Self::default()
        }
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// Notes that the platform has accepted a request that was sent then.
    pub(super) fn accepted(&mut self, sent: Instant) {
        self.accepted = self.accepted.max(Some(sent));
        self.level.accepted(sent);
        if let Some((_, last)) = self.refusals.back_mut()
            && last.at < sent
        {
            last.until = last.until.min(sent);
        }
    }

    /// Lowers the level, because the platform said "too many" to a request of the lane that was sent at
    /// `sent`. Nothing is sent before `until`. Returns whether the level was lowered.
    pub(super) fn lower(
        &mut self,
        lane: &Lane,
        sent: Instant,
        until: Instant,
        now: Instant,
    ) -> bool {
        if self.refusals.len() >= MOST
            && let Some((_, oldest)) = self.refusals.pop_front()
        {
            self.before.lower(&oldest);
        }
        let refusal = Refusal {
            sent,
            at: now,
            until,
            accepted: self.accepted,
        };
        self.refusals.push_back((lane.clone(), refusal));
        self.level.lower(&refusal)
    }

    /// Takes back refusals, by the lane and when its request was sent: the level is what it would be without
    /// them. Returns whether there were any.
    pub(super) fn take_back(&mut self, is_one: impl Fn(&Lane, Instant) -> bool) -> bool {
        let before = self.refusals.len();
        self.refusals
            .retain(|(lane, refusal)| !is_one(lane, refusal.sent));
        if self.refusals.len() == before {
            return false;
        }
        self.level = self.before;
        for (_, refusal) in &self.refusals {
            self.level.lower(refusal);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A request of the user is refused after one that was accepted.
    fn refused(lessons: &mut Lessons, user: &str, at: Instant) {
        let lane = Lane::new(user, "1").unwrap();
        lessons.accepted(at);
        lessons.lower(&lane, at, at, at);
    }

    #[test]
    fn what_is_taken_back_leaves_the_level_as_if_it_had_not_been() {
        let (mut lessons, mut without, now) =
            (Lessons::default(), Lessons::default(), Instant::now());
        for nth in 0..12 {
            let (user, at) = (["bad", "good", "bad", "bad"][nth % 4], now + SECOND * 7);
            let at = at + SECOND * u32::try_from(nth).unwrap();
            refused(&mut lessons, user, at);
            if user == "good" {
                refused(&mut without, user, at);
            }
        }
        let then = now + SECOND * 20;
        assert!(lessons.level().at(then) < 0.1);
        assert!(!lessons.take_back(|lane, _| lane.user_id() == "nobody"));
        assert!(!lessons.take_back(|_, sent| sent > then));
        assert!(lessons.take_back(|lane, _| lane.user_id() == "bad"));
        let levels = [&lessons, &without].map(|lessons| lessons.level().at(then));
        assert!((levels[0] - levels[1]).abs() < 1e-9, "{levels:?}");
        assert!(!lessons.take_back(|lane, _| lane.user_id() == "bad"));
    }

    #[test]
    fn of_too_many_the_oldest_stay() {
        let (mut lessons, now) = (Lessons::default(), Instant::now());
        let mut at = now;
        for _ in 0..3 * MOST {
            at += SECOND;
            refused(&mut lessons, "bad", at);
        }
        assert!(lessons.refusals.len() <= MOST);
        assert!(lessons.take_back(|_, _| true));
        let long_ago = now + SECOND * u32::try_from(2 * MOST).unwrap();
        assert_eq!(lessons.level().learned().map(|it| it.at), Some(long_ago));
    }
}
