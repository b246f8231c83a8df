//! Notes that the scout and the lanes leave for each other.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::time::Instant;

use crate::batch::BatchId;
use crate::contact::Lane;
use crate::lock::lock;
use crate::outbox::OrderScope;

#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Why each waiting lane waits.
    waiting: Mutex<HashMap<Lane, &'static str>>,
    /// Batches that fail by themselves.
    loners: Mutex<HashMap<BatchId, Loner>>,
    others_wait: AtomicBool,
    lanes_at_work: AtomicUsize,
}

/// A batch that fails by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loner {
    /// The batch is not sent again before this instant.
    pub(super) resend_at: Instant,
    /// How many of its sends in a row had no usable answer.
    pub(super) failed_sends: u32,
}

/// At most this many batches that fail by themselves are remembered. Beyond that, they are sent
/// again sooner, as the budget for retries allows.
const MOST_LONERS: usize = 10_000;

/// At most this many waiting lanes are remembered, so that memory stays bounded. Beyond that the
/// log repeats itself.
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
        if waiting.len() >= MOST_LANES {
            waiting.clear();
        }
        waiting.insert(lane.clone(), reason) != Some(reason)
    }

    /// Returns why the lane waits, if this courier has noted that it does.
    pub(super) fn waits_for(&self, lane: &Lane) -> Option<&'static str> {
        lock(&self.waiting).get(lane).copied()
    }

    /// Forgets the lanes that wait for this reason, because it may have gone.
    pub(super) fn forget(&self, reason: &'static str) {
        lock(&self.waiting).retain(|_, waits| *waits != reason);
    }

    /// Notes when a batch that fails by itself is sent again.
    pub(super) fn set_loner(&self, batch: BatchId, loner: Loner) {
        let mut loners = lock(&self.loners);
        if loners.len() >= MOST_LONERS {
            loners.clear();
        }
        loners.insert(batch, loner);
    }

    /// Returns the note about a batch that fails by itself.
    pub(super) fn loner(&self, batch: BatchId) -> Option<Loner> {
        lock(&self.loners).get(&batch).copied()
    }

    /// Forgets a batch that has ended.
    pub(super) fn forget_loner(&self, batch: BatchId) {
        lock(&self.loners).remove(&batch);
    }

    /// Forgets why these lanes wait, because an operator has ordered a try at once.
    pub(super) fn forget_lanes(&self, scope: &OrderScope) {
        lock(&self.waiting).retain(|lane, _| !scope.covers(lane));
    }

    /// Notes that a lane no longer waits. Returns whether that is news.
    pub(super) fn lane_goes_on(&self, lane: &Lane) -> bool {
        lock(&self.waiting).remove(lane).is_some()
    }
}
