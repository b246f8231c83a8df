//! Slow lanes: those whose last request hung. Pure.

use std::collections::HashSet;
use std::time::Duration;

use crate::contact::Lane;

/// A request that took no longer was not slow, whatever others take.
const LEAST: Duration = Duration::from_secs(5);

/// A request with an answer is slow if it took so many times as long as usual.
const TIMES_USUAL: u32 = 4;

/// By how much one request moves the usual time.
const WEIGHT: f64 = 0.1;

/// At most this many lanes are remembered.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct SlowLanes {
    lanes: HashSet<Lane>,
    /// How long requests with an answer usually take, over all lanes.
    usual: Duration,
}

impl SlowLanes {
    /// Notes how long a request took. While all requests take long, no lane is slow.
    pub(super) fn note(&mut self, lane: &Lane, took: Duration, answered: bool) {
        let is_slow = took > LEAST && (!answered || took > self.usual * TIMES_USUAL);
        if answered {
            self.usual = self.usual.mul_f64(1.0 - WEIGHT) + took.mul_f64(WEIGHT);
        }
        if !is_slow {
            self.lanes.remove(lane);
        } else if self.lanes.len() < MOST {
            self.lanes.insert(lane.clone());
        }
    }

    pub(super) fn contains(&self, lane: &Lane) -> bool {
        self.lanes.contains(lane)
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
        let mut slow = SlowLanes::default();
        slow.note(&lane("1"), SECOND * 30, false);
        slow.note(&lane("2"), SECOND, false);
        assert!(slow.contains(&lane("1")) && !slow.contains(&lane("2")));
        slow.note(&lane("1"), SECOND, true);
        assert!(!slow.contains(&lane("1")));
    }

    #[test]
    fn where_all_take_long_none_is_slow() {
        let mut slow = SlowLanes::default();
        for _ in 0..40 {
            slow.note(&lane("1"), SECOND * 10, true);
        }
        slow.note(&lane("2"), SECOND * 12, true);
        assert!(!slow.contains(&lane("1")) && !slow.contains(&lane("2")));
        slow.note(&lane("3"), SECOND * 50, true);
        assert!(slow.contains(&lane("3")));
    }
}
