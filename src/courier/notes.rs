//! Notes that the scout and the lanes leave for each other.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::failing::Failing;
use super::older_half::forget_older_half;
use crate::batch::BatchId;
use crate::contact::Lane;
use crate::lock::lock;
use crate::outbox::OrderScope;

#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Why each waiting lane waits.
    waiting: Mutex<Waiting>,
    /// Batches that fail, perhaps by themselves.
    failing: Mutex<HashMap<BatchId, Noted>>,
    /// When the last batch was sent that has passed, for lanes with batches that were turned away.
    passed: Mutex<HashMap<Lane, Instant>>,
    others_wait: AtomicBool,
    lanes_at_work: AtomicUsize,
}

/// The lanes that wait, why each does, and the order in which that was noted.
#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    lanes: HashMap<Lane, (&'static str, u64)>,
}

/// A batch that fails.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    pub(super) lane: Lane,
    pub(super) failing: Failing,
    /// If it waits apart from its lane, it is not sent again before this instant.
    pub(super) resend_at: Option<Instant>,
    /// When this was noted.
    pub(super) at: Instant,
}

/// At most this many batches that fail are remembered. Of more than that the older half is forgotten:
/// these are sent again sooner, as the budget for retries allows, and counted anew.
const MOST_FAILING: usize = 10_000;

/// A batch that was to be sent again so long ago may have ended elsewhere.
const LONG_AGO: Duration = Duration::from_mins(1);

/// At most this many waiting lanes are remembered, so that memory stays bounded. Of more than that the
/// older half is forgotten; the log then repeats itself.
const MOST_LANES: usize = 10_000;

impl Notes {
    pub(super) fn set_lanes_at_work(&self, lanes: usize) {
        self.lanes_at_work.store(lanes, Ordering::Relaxed);
    }

    pub(super) fn lanes_at_work(&self) -> usize {
        self.lanes_at_work.load(Ordering::Relaxed)
    }

    /// Whether lanes wait for a lane at work to end its turn.
    pub(super) fn others_wait(&self) -> bool {
        self.others_wait.load(Ordering::Relaxed)
    }

    pub(super) fn set_others_wait(&self, wait: bool) {
        self.others_wait.store(wait, Ordering::Relaxed);
    }

    /// Notes why a lane waits. Returns whether that is news.
    pub(super) fn lane_waits(&self, lane: &Lane, reason: &'static str) -> bool {
        let mut waiting = lock(&self.waiting);
        if waiting.lanes.len() >= MOST_LANES {
            forget_older_half(&mut waiting.lanes, |(_, nth)| *nth);
        }
        waiting.last += 1;
        let noted = (reason, waiting.last);
        let before = waiting.lanes.insert(lane.clone(), noted);
        before.is_none_or(|(before, _)| before != reason)
    }

    /// Returns why the lane waits, if this courier has noted that it does.
    pub(super) fn waits_for(&self, lane: &Lane) -> Option<&'static str> {
        let waiting = lock(&self.waiting);
        waiting.lanes.get(lane).map(|(reason, _)| *reason)
    }

    /// Forgets the lanes that wait for this reason, because it may have gone.
    pub(super) fn forget(&self, reason: &'static str) {
        let lanes = &mut lock(&self.waiting).lanes;
        lanes.retain(|_, (waits, _)| *waits != reason);
    }

    /// Notes how a batch fails.
    pub(super) fn set_failing(&self, batch: BatchId, noted: Noted) {
        let mut failing = lock(&self.failing);
        if failing.len() >= MOST_FAILING {
            forget_older_half(&mut failing, |noted| noted.at);
        }
        failing.insert(batch, noted);
    }

    /// Notes anew how a batch fails that is remembered.
    pub(super) fn renew_failing(&self, batch: BatchId, failing: Failing) {
        if let Some(noted) = lock(&self.failing).get_mut(&batch) {
            noted.failing = failing;
        }
    }

    /// Returns the note about a batch that fails.
    pub(super) fn failing(&self, batch: BatchId) -> Option<Noted> {
        lock(&self.failing).get(&batch).cloned()
    }

    /// Returns how many batches wait apart from their lanes, as far as it is remembered. Another courier
    /// may have ended those whose time was long ago.
    pub(super) fn count_apart(&self) -> usize {
        let now = Instant::now();
        let waits = |noted: &&Noted| noted.resend_at.is_some_and(|at| now < at + LONG_AGO);
        lock(&self.failing).values().filter(waits).count()
    }

    /// Whether this holds for all batches of the lane that fail, as far as it is remembered.
    pub(super) fn all_of_lane(
        &self,
        lane: &Lane,
        holds: impl Fn(BatchId, &Failing) -> bool,
    ) -> bool {
        let failing = lock(&self.failing);
        let mut of_lane = failing.iter().filter(|(_, noted)| noted.lane == *lane);
        of_lane.all(|(batch, noted)| holds(*batch, &noted.failing))
    }

    /// Forgets a batch that has ended.
    pub(super) fn forget_failing(&self, batch: BatchId) {
        lock(&self.failing).remove(&batch);
    }

    /// Notes that a batch of the lane has passed which was sent then.
    pub(super) fn set_passed(&self, lane: &Lane, sent: Instant) {
        let mut passed = lock(&self.passed);
        if passed.len() >= MOST_LANES && !passed.contains_key(lane) {
            forget_older_half(&mut passed, |sent| *sent);
        }
        passed.insert(lane.clone(), sent);
    }

    /// Returns when the last batch of the lane was sent that has passed, if this is known.
    pub(super) fn passed(&self, lane: &Lane) -> Option<Instant> {
        lock(&self.passed).get(lane).copied()
    }

    /// Lets the batches of these lanes be sent again at once, because an operator has ordered it.
    pub(super) fn hasten(&self, scope: &OrderScope, now: Instant) {
        let mut failing = lock(&self.failing);
        let ordered = failing.values_mut().filter(|one| scope.covers(&one.lane));
        for noted in ordered {
            noted.resend_at = noted.resend_at.map(|at| at.min(now));
            noted.failing.tries_anew(now);
        }
    }

    /// Forgets why these lanes wait, because an operator has ordered a try at once.
    pub(super) fn forget_lanes(&self, scope: &OrderScope) {
        let lanes = &mut lock(&self.waiting).lanes;
        lanes.retain(|lane, _| !scope.covers(lane));
    }

    /// Notes that a lane no longer waits. Returns whether that is news.
    pub(super) fn lane_goes_on(&self, lane: &Lane) -> bool {
        lock(&self.waiting).lanes.remove(lane).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_lanes_that_wait_the_older_half_is_forgotten() {
        let notes = Notes::default();
        let lane = |nth: usize| Lane::new("u", &nth.to_string()).unwrap();
        for nth in 0..=MOST_LANES {
            assert!(notes.lane_waits(&lane(nth), "not_found"));
        }
        assert_eq!(notes.waits_for(&lane(0)), None);
        for nth in [MOST_LANES / 2, MOST_LANES - 1, MOST_LANES] {
            assert_eq!(notes.waits_for(&lane(nth)), Some("not_found"), "{nth}");
        }
        assert!(!notes.lane_waits(&lane(MOST_LANES), "not_found"));
        assert!(notes.lane_waits(&lane(MOST_LANES), "forbidden"));
    }
}
