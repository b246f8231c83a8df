//! The health of lanes: which lanes answer, and which hang. Pure.

use std::collections::HashSet;
use std::time::Duration;

use crate::contact::Lane;

/// A request that took no longer than this was not slow, whatever others take.
const LEAST: Duration = Duration::from_secs(5);

/// A request with an answer is slow if it took this many times the usual time.
const TIMES_USUAL: u32 = 4;

/// A request that has been out no longer than this does not hang yet, whatever others take.
const PROMPT: Duration = Duration::from_secs(2);

/// The weight of one request in the usual time.
const WEIGHT: f64 = 0.1;

/// At most this many lanes of a kind are remembered.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Health {
    /// Lanes whose last request hung.
    slow: HashSet<Lane>,
    /// Lanes whose last request had an answer in time.
    well: HashSet<Lane>,
    /// The usual time of a request with an answer, over all lanes.
    usual: Duration,
}

impl Health {
    /// Notes how long a request took. While all requests take long, no lane is slow.
    pub(super) fn note(&mut self, lane: &Lane, took: Duration, answered: bool) {
        let is_slow = took > LEAST && (!answered || took > self.usual * TIMES_USUAL);
        if answered {
            self.usual = self.usual.mul_f64(1.0 - WEIGHT) + took.mul_f64(WEIGHT);
        }
        keep(&mut self.slow, lane, is_slow);
        keep(&mut self.well, lane, answered && !is_slow);
    }

    /// Returns the time after which a request seems to hang: four times the usual time, but at most
    /// [`LEAST`] longer than usual.
    pub(super) fn patience(&self) -> Duration {
        let long = (self.usual * TIMES_USUAL).min(self.usual + LEAST);
        PROMPT.max(long)
    }

    pub(super) fn is_slow(&self, lane: &Lane) -> bool {
        self.slow.contains(lane)
    }

    pub(super) fn is_well(&self, lane: &Lane) -> bool {
        self.well.contains(lane)
    }
}

fn keep(lanes: &mut HashSet<Lane>, lane: &Lane, is_one: bool) {
    if !is_one {
        lanes.remove(lane);
    } else if !lanes.contains(lane) {
        if lanes.len() >= MOST {
            lanes.clear();
        }
        lanes.insert(lane.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lane(task: &str) -> Lane {
        Lane::new("u", task).unwrap()
    }

    #[test]
    fn a_lane_that_hangs_is_slow_until_it_has_a_quick_answer() {
        let mut health = Health::default();
        health.note(&lane("1"), SECOND * 30, false);
        health.note(&lane("2"), SECOND, false);
        assert!(health.is_slow(&lane("1")) && !health.is_slow(&lane("2")));
        assert!(!health.is_well(&lane("1")) && !health.is_well(&lane("2")));
        health.note(&lane("1"), SECOND, true);
        assert!(!health.is_slow(&lane("1")) && health.is_well(&lane("1")));
    }

    #[test]
    fn what_hangs_depends_on_how_long_others_take() {
        let mut health = Health::default();
        assert_eq!(health.patience(), SECOND * 2);
        for (usual, least, most) in [
            (500, 2_000, 2_000),
            (1_000, 3_900, 4_000),
            (10_000, 14_900, 15_000),
        ] {
            for _ in 0..100 {
                health.note(&lane("1"), Duration::from_millis(usual), true);
            }
            let patience = health.patience();
            let expected = Duration::from_millis(least)..=Duration::from_millis(most);
            assert!(expected.contains(&patience), "{patience:?}");
        }
    }

    #[test]
    fn where_all_take_long_none_is_slow() {
        let mut health = Health::default();
        for _ in 0..40 {
            health.note(&lane("1"), SECOND * 10, true);
        }
        health.note(&lane("2"), SECOND * 12, true);
        assert!(!health.is_slow(&lane("1")) && !health.is_slow(&lane("2")));
        health.note(&lane("3"), SECOND * 50, true);
        assert!(health.is_slow(&lane("3")));
    }
}
