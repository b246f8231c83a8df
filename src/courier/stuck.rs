//! Lanes whose writes wait for a lock that is not on a contact's row: on a range of an index that
//! an app's long read keeps (InnoDB's default isolation), on a lane's row, or on a table.
//!
//! The database does not say which of the writes waits. So each of these lanes is tried alone,
//! again and again, beside the writer, which goes on with all other lanes. New writes of a stuck
//! lane wait behind its first ones.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::locks::Locks;
use super::store::{Asked, Store, Unwritten};
use super::watch::{DatabaseWatch, DatabaseWork};
use crate::contact::Lane;
use crate::lock::lock;
use crate::outbox::OutboxError;
use crate::telemetry::event::{RowsLocked, RowsUnlocked};

/// While no contact at all can be settled, a lock is reported as trouble of the database after this
/// time. The locks of a courier that stands still end a little earlier.
const LOCKED_IS_TROUBLE: Duration = Duration::from_secs(8);

/// The time between two failed tries. Each try waits in the database, too.
const PAUSE: Duration = Duration::from_millis(100);

/// At most this many lanes of a writer are tried at once, if there are connections for them.
const MOST_TRIES: usize = 4;

/// The stuck lanes of one writer.
pub(super) struct StuckLanes {
    /// Limits the tries of all writers at once: each holds a connection, for a second or two.
    tries: Arc<Semaphore>,
    locks: Arc<Locks>,
    lanes: Mutex<HashMap<Lane, Stuck>>,
    changed: Notify,
    is_closed: AtomicBool,
}

/// A lane whose writes wait.
struct Stuck {
    waiting: Vec<Asked>,
    since: Instant,
    tried: Option<Instant>,
    is_trying: bool,
    /// Whether the log says that the lane is stuck.
    is_told: bool,
}

impl StuckLanes {
    /// Begins with no stuck lane. `locks` is kept up to date.
    pub(super) fn new(tries: Arc<Semaphore>, locks: Arc<Locks>) -> Self {
        Self {
            tries,
            locks,
            lanes: Mutex::default(),
            changed: Notify::new(),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Returns how many lanes are stuck.
    pub(super) fn len(&self) -> usize {
        lock(&self.lanes).len()
    }

    /// Whether the lane is stuck.
    pub(super) fn has(&self, lane: &Lane) -> bool {
        lock(&self.lanes).contains_key(lane)
    }

    /// Makes these writes wait, and their lanes with them.
    pub(super) fn put(&self, asked: Vec<Asked>) {
        if asked.is_empty() {
            return;
        }
        let mut lanes = lock(&self.lanes);
        for one in asked {
            let stuck = lanes.entry(one.0.lease.lane.clone());
            let stuck = stuck.or_insert_with(|| Stuck {
                waiting: Vec::new(),
                since: Instant::now(),
                tried: None,
                is_trying: false,
                is_told: false,
            });
            stuck.waiting.push(one);
        }
        drop(lanes);
        self.changed.notify_one();
    }

    /// Makes the writes of stuck lanes wait, and returns the other writes.
    pub(super) fn put_behind(&self, asked: Vec<Asked>) -> Vec<Asked> {
        let mut lanes = lock(&self.lanes);
        if lanes.is_empty() {
            return asked;
        }
        let mut others = Vec::new();
        for one in asked {
            match lanes.get_mut(&one.0.lease.lane) {
                Some(stuck) => stuck.waiting.push(one),
                None => others.push(one),
            }
        }
        others
    }

    /// Notes that no more writes will come.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Tries the lanes, some at once, until all is written and no more writes come.
    pub(super) async fn run(&self, store: &Store) {
        let mut trying = FuturesUnordered::new();
        loop {
            while trying.len() < MOST_TRIES
                && let Some((lane, asked)) = self.next()
            {
                trying.push(self.try_once(lane, asked, store));
            }
            if trying.is_empty() && self.is_closed.load(Ordering::Relaxed) {
                return;
            }
            tokio::select! {
                Some(()) = trying.next() => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Takes the writes of the lane that was tried the longest ago; a lane that was never tried
    /// comes first.
    fn next(&self) -> Option<(Lane, Vec<Asked>)> {
        let mut lanes = lock(&self.lanes);
        let resting = lanes.iter_mut().filter(|(_, stuck)| !stuck.is_trying);
        let (lane, stuck) = resting.min_by_key(|(_, stuck)| stuck.tried)?;
        (stuck.tried, stuck.is_trying) = (Some(Instant::now()), true);
        Some((lane.clone(), mem::take(&mut stuck.waiting)))
    }

    async fn try_once(&self, lane: Lane, asked: Vec<Asked>, store: &Store) {
        let unwritten = {
            // The semaphore is never closed.
            let _try = self.tries.acquire().await.ok();
            store.commit(asked).await
        };
        if self.is_stuck_by(&lane, unwritten, &store.watch) {
            store.life.sleep_hard(PAUSE).await;
        }
        if let Some(stuck) = lock(&self.lanes).get_mut(&lane) {
            stuck.is_trying = false;
        }
    }

    /// Notes which of a lane's writes a try has left. Returns whether there are any.
    fn is_stuck_by(&self, lane: &Lane, unwritten: Unwritten, watch: &DatabaseWatch) -> bool {
        let mut lanes = lock(&self.lanes);
        let Entry::Occupied(mut entry) = lanes.entry(lane.clone()) else {
            return false;
        };
        let stuck = entry.get_mut();
        let behind = mem::take(&mut stuck.waiting);
        stuck.waiting.extend(unwritten.of_locked_rows);
        stuck.waiting.extend(unwritten.stuck);
        let is_stuck = !stuck.waiting.is_empty();
        stuck.waiting.extend(behind);
        if is_stuck {
            stuck.tell(lane, unwritten.lock.as_ref(), watch);
            if stuck.is_told {
                self.locks.keep(lane, None, stuck.contacts());
            }
        } else if stuck.waiting.is_empty() {
            if stuck.is_told {
                RowsUnlocked { lane }.emit();
                self.locks.free(lane);
            }
            entry.remove();
        }
        is_stuck
    }
}

impl Stuck {
    /// The number of contacts that the waiting writes settle.
    fn contacts(&self) -> usize {
        let settled = self.waiting.iter().map(|(write, _)| write.change.settles());
        settled.map(Iterator::count).sum()
    }

    /// Logs once that the lane is stuck, if contacts of other lanes are settled. Otherwise reports
    /// that the database is in trouble.
    fn tell(&mut self, lane: &Lane, error: Option<&OutboxError>, watch: &DatabaseWatch) {
        if watch.has_settled_since(self.since) {
            if !mem::replace(&mut self.is_told, true) {
                let contacts = self.contacts();
                RowsLocked { lane, contacts }.emit();
            }
        } else if let Some(error) = error
            && self.since.elapsed() >= LOCKED_IS_TROUBLE
        {
            watch.fails(DatabaseWork::Write, Instant::now(), error);
        }
    }
}
