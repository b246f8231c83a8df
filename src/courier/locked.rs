//! Writes that wait for rows which another session keeps locked.
//!
//! An app may hold a row in a transaction of its own for as long as it likes. A write that settles
//! such a row waits here. Its lane waits, too, once it has nothing else under way. The writer goes
//! on with all other writes. (SQLite knows no locked rows.)

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::locks::Locks;
use super::store::{Asked, Store, apart};
use crate::contact::{ContactId, Lane};
use crate::outbox::Write;
use crate::telemetry::event::{RowsLocked, RowsUnlocked};

/// The time between two looks whether rows are free.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The waiting writes of one writer.
pub(super) struct LockedWrites {
    waiting: Vec<Asked>,
    look_at: Instant,
    /// The number of lanes with a waiting write, for all writers together.
    lanes: Arc<AtomicUsize>,
    /// Those of the lanes that are this writer's.
    ours: HashSet<Lane>,
    /// The contacts whose rows were locked at the last look.
    known: HashSet<ContactId>,
    locks: Arc<Locks>,
}

impl LockedWrites {
    /// Begins with no waiting write. `lanes` and `locks` are kept up to date.
    pub(super) fn new(lanes: Arc<AtomicUsize>, locks: Arc<Locks>) -> Self {
        Self {
            waiting: Vec::new(),
            look_at: Instant::now(),
            lanes,
            ours: HashSet::new(),
            known: HashSet::new(),
            locks,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a write of any writer waits.
    pub(super) fn are_there(&self) -> bool {
        self.lanes.load(Ordering::Relaxed) > 0
    }

    /// Puts these writes among the waiting ones.
    pub(super) fn put(&mut self, locked: Vec<Asked>) {
        if locked.is_empty() {
            return;
        }
        for (write, _) in &locked {
            let lane = &write.lease.lane;
            let contacts = write.change.settles().count();
            RowsLocked { lane, contacts }.emit();
        }
        if self.is_empty() {
            self.look_at = Instant::now() + LOOK_AGAIN;
        }
        self.waiting.extend(locked);
        self.count();
    }

    /// Waits until it is time to look again. Never returns while nothing waits.
    pub(super) async fn time_to_look(&self) {
        if self.is_empty() {
            return pending().await;
        }
        sleep_until(self.look_at).await;
    }

    /// Takes out the writes whose rows are free again.
    pub(super) async fn take_free(&mut self, store: &Store) -> Vec<Asked> {
        self.look_at = Instant::now() + LOOK_AGAIN;
        let Some(locked) = store.locked(&self.waiting).await else {
            return Vec::new();
        };
        let (waits, free) = apart(mem::take(&mut self.waiting), &locked);
        for (write, _) in &free {
            let lane = &write.lease.lane;
            RowsUnlocked { lane }.emit();
        }
        self.waiting = waits;
        self.known = locked;
        self.count();
        free
    }

    fn count(&mut self) {
        let mut lanes: HashMap<&Lane, (Option<ContactId>, usize)> = HashMap::new();
        for (write, _) in &self.waiting {
            let (locked, contacts) = lanes.entry(&write.lease.lane).or_default();
            let (first, count) = self.of(write);
            *locked = locked.or(first);
            *contacts += count;
        }
        for (lane, (locked, contacts)) in &lanes {
            self.locks.keep(lane, *locked, *contacts);
        }
        for lane in self.ours.iter().filter(|lane| !lanes.contains_key(lane)) {
            self.locks.free(lane);
        }
        let ours: HashSet<Lane> = lanes.into_keys().cloned().collect();
        self.lanes.fetch_add(ours.len(), Ordering::Relaxed);
        self.lanes.fetch_sub(self.ours.len(), Ordering::Relaxed);
        self.ours = ours;
    }

    /// Returns a locked contact among those that a write settles, if one is known, and their number.
    fn of(&self, write: &Write) -> (Option<ContactId>, usize) {
        let settled: Vec<ContactId> = write.change.settles().collect();
        let known = match settled.as_slice() {
            [one] => Some(*one),
            several => several.iter().copied().find(|id| self.known.contains(id)),
        };
        (known, settled.len())
    }
}
