//! Writes that wait for rows which another session keeps locked.
//!
//! An app may hold a row in a transaction of its own for as long as it likes. A write that settles
//! such a row waits here. Its lane waits, too, once it has nothing else under way. The writer goes
//! on with all other writes. (SQLite knows no locked rows.)

use std::collections::HashSet;
use std::future::pending;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::store::{Asked, Store, apart};
use crate::contact::Lane;
use crate::telemetry::event::{RowsLocked, RowsUnlocked};

/// The time between two looks whether rows are free.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The waiting writes of one writer.
pub(super) struct LockedWrites {
    waiting: Vec<Asked>,
    look_at: Instant,
    /// The number of lanes with a waiting write, for all writers together.
    lanes: Arc<AtomicUsize>,
    /// The number of those lanes that are this writer's.
    ours: usize,
}

impl LockedWrites {
    /// Begins with no waiting write. `lanes` is kept up to date.
    pub(super) fn new(lanes: Arc<AtomicUsize>) -> Self {
        Self {
            waiting: Vec::new(),
            look_at: Instant::now(),
            lanes,
            ours: 0,
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
        self.count();
        free
    }

    fn count(&mut self) {
        let lanes: HashSet<&Lane> = self
            .waiting
            .iter()
            .map(|(write, _)| &write.lease.lane)
            .collect();
        self.lanes.fetch_add(lanes.len(), Ordering::Relaxed);
        self.lanes.fetch_sub(self.ours, Ordering::Relaxed);
        self.ours = lanes.len();
    }
}
