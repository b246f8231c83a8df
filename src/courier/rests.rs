//! Rests: lanes that are left alone for a while. Pure.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::contact::Lane;

/// At most this many lanes rest in memory.
const MOST: usize = 50_000;

/// `run --once` waits this much longer than a lane rests: the database counts from when the hold
/// was written, and a write may take this long.
const MARGIN: Duration = Duration::from_secs(5);

/// The lanes that rest.
#[derive(Debug, Default)]
pub(super) struct Rests {
    resting: HashMap<Lane, Rest>,
    /// Lanes that rest only briefly, and until when `run --once` waits for them.
    brief: HashMap<Lane, Instant>,
}

/// The rest of a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    pub(super) until: Instant,
    /// Whether the lane is put to work after the rest without a search.
    pub(super) comes_back: bool,
    /// Whether new contacts end the rest.
    pub(super) is_idle: bool,
}

impl Rests {
    /// Leaves a lane alone for this long. After that, the searches may find it.
    pub(super) fn cools(&mut self, lane: Lane, time: Duration) {
        let rest = Rest {
            until: Instant::now() + time,
            comes_back: false,
            is_idle: false,
        };
        self.begins(lane, rest);
    }

    pub(super) fn begins(&mut self, lane: Lane, rest: Rest) {
        if self.resting.len() >= MOST {
            // The searches find these lanes again, lanes with a hold when it is over.
            self.resting.retain(|_, rest| !rest.comes_back);
        }
        self.resting.insert(lane, rest);
    }

    pub(super) fn has(&self, lane: &Lane) -> bool {
        self.resting.contains_key(lane)
    }

    pub(super) fn len(&self) -> usize {
        self.resting.len()
    }

    /// Ends the rest of a lane that has nothing to send, because new contacts came.
    pub(super) fn has_contacts(&mut self, lane: &Lane) {
        if self.resting.get(lane).is_some_and(|rest| rest.is_idle) {
            self.resting.remove(lane);
        }
    }

    /// Ends the rests of these lanes, if they come back by themselves.
    pub(super) fn end(&mut self, covers: impl Fn(&Lane) -> bool) {
        for (_, rest) in self.resting.iter_mut().filter(|(lane, _)| covers(lane)) {
            if rest.comes_back {
                rest.until = Instant::now();
            }
        }
    }

    /// Takes out the lanes whose rest is over and that come back.
    pub(super) fn take_over(&mut self, now: Instant) -> Vec<Lane> {
        let over = self.resting.extract_if(|_, rest| rest.until <= now);
        let come_back = over.filter(|(_, rest)| rest.comes_back);
        come_back.map(|(lane, _)| lane).collect()
    }

    /// Returns when the next lane comes back.
    pub(super) fn next(&self) -> Option<Instant> {
        let come_back = self.resting.values().filter(|rest| rest.comes_back);
        come_back.map(|rest| rest.until).min()
    }

    /// Makes `run --once` wait for a lane that rests until then.
    pub(super) fn begins_briefly(&mut self, lane: Lane, until: Instant) {
        self.brief.insert(lane, until + MARGIN);
    }

    /// Notes that a lane for which `run --once` waits rests for longer.
    pub(super) fn goes_on(&mut self, lane: &Lane, until: Instant) {
        if let Some(brief) = self.brief.get_mut(lane) {
            *brief = until + MARGIN;
        }
    }

    /// Notes that a lane for which `run --once` may wait has come back.
    pub(super) fn came_back(&mut self, lane: &Lane) {
        self.brief.remove(lane);
    }

    /// Whether `run --once` waits for a lane.
    pub(super) fn is_brief(&mut self, now: Instant) -> bool {
        self.brief.retain(|_, until| *until > now);
        !self.brief.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lane(task: &str) -> Lane {
        Lane::new("u", task).unwrap()
    }

    fn rest(until: Instant, is_idle: bool) -> Rest {
        Rest {
            until,
            comes_back: true,
            is_idle,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_rests_comes_back_in_time_and_who_cools_is_left_to_the_searches() {
        let (mut rests, now) = (Rests::default(), Instant::now());
        rests.begins(lane("late"), rest(now + SECOND * 2, false));
        rests.begins(lane("soon"), rest(now + SECOND, false));
        rests.cools(lane("cools"), SECOND / 2);
        assert_eq!(rests.next(), Some(now + SECOND));
        assert!(rests.has(&lane("cools")));
        assert_eq!(rests.take_over(now + SECOND), [lane("soon")]);
        assert!(!rests.has(&lane("cools")) && rests.len() == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn new_contacts_end_the_rest_of_one_that_has_nothing_to_send() {
        let (mut rests, now) = (Rests::default(), Instant::now());
        rests.begins(lane("idle"), rest(now + SECOND, true));
        rests.begins(lane("held"), rest(now + SECOND, false));
        for task in ["idle", "held"] {
            rests.has_contacts(&lane(task));
        }
        assert!(!rests.has(&lane("idle")) && rests.has(&lane("held")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_can_be_ended_unless_the_lane_cools() {
        let (mut rests, now) = (Rests::default(), Instant::now());
        for task in ["tried", "other"] {
            rests.begins(lane(task), rest(now + SECOND, false));
        }
        rests.cools(lane("cools"), SECOND);
        rests.end(|lane| lane.task_id() != "other");
        assert_eq!(rests.take_over(now), [lane("tried")]);
        assert_eq!(rests.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_soon_is_waited_for_until_it_is_back() {
        let (mut rests, now) = (Rests::default(), Instant::now());
        rests.begins_briefly(lane("a"), now + SECOND);
        rests.goes_on(&lane("b"), now + SECOND * 9);
        assert!(rests.is_brief(now + SECOND));
        rests.goes_on(&lane("a"), now + SECOND * 5);
        assert!(rests.is_brief(now + SECOND * 9));
        rests.came_back(&lane("a"));
        assert!(!rests.is_brief(now));
    }
}
