//! A limit: one rate, its bucket, and the wait for a turn.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::bucket::Bucket;
use super::rate::Rate;
use super::share::{Share, SharedRates};
use crate::lock::lock;

pub(super) struct Limit {
    pub(super) bucket: Mutex<Bucket>,
    changed: Notify,
    share: Option<Share>,
    /// When the last turn of a shared rate was.
    last: Mutex<Option<Instant>>,
    /// The number of requests in line for a turn of a shared rate.
    queued: AtomicU32,
}

/// A place in the line for a turn.
pub(super) struct Queued {
    limit: Arc<Limit>,
    /// The turn, if it is already known.
    turn: Option<Instant>,
}

impl Limit {
    pub(super) fn new(rate: Rate, shared: Option<SharedRates>, name: &str) -> Self {
        Self {
            bucket: Mutex::new(Bucket::new(rate)),
            changed: Notify::new(),
            share: shared.map(|shared| Share::new(shared, name.into())),
            last: Mutex::default(),
            queued: AtomicU32::new(0),
        }
    }

    /// Changes to another rate, or to none. Waiting requests begin anew.
    pub(super) fn change(&self, rate: Option<Rate>) {
        let mut bucket = lock(&self.bucket);
        if bucket.rate() == rate {
            return;
        }
        bucket.change(rate);
        drop(bucket);
        self.changed.notify_waiters();
    }

    /// Returns when the next turn is, as far as this courier knows.
    pub(super) fn next_turn(&self, now: Instant) -> Instant {
        let bucket = lock(&self.bucket);
        let Some(rate) = bucket.rate().filter(|_| self.share.is_some()) else {
            return bucket.next_slot(now);
        };
        // Other couriers may delay the turn further.
        let ahead = self.queued.load(Ordering::Relaxed);
        let behind_those = rate.period() * ahead.saturating_sub(rate.burst - 1);
        let next = lock(&self.last).and_then(|last| {
            let next = last + rate.period();
            next.checked_sub(rate.burst_span())
        });
        next.map_or(now, |next| next.max(now)) + behind_those
    }

    /// Returns when one more request may depart, judged by earlier departures.
    pub(super) fn window_opens(&self, now: Instant) -> Instant {
        lock(&self.bucket).room(now).err().unwrap_or(now)
    }

    /// Joins the line.
    pub(super) fn queue(self: &Arc<Self>, now: Instant) -> Queued {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let is_local = self.share.is_none();
        Queued {
            turn: is_local.then(|| lock(&self.bucket).reserve(1.0, now)),
            limit: Arc::clone(self),
        }
    }

    /// Waits for the turn of one more request. `slowdown` is 1 or more.
    pub(super) async fn ready(&self, slowdown: impl Fn() -> f64) {
        loop {
            // Registered before the rate is read, so that no change is missed.
            let changed = self.changed.notified();
            tokio::select! {
                biased;
                () = changed => {}
                () = self.turn(slowdown()) => return,
            }
        }
    }

    /// Waits for the turn by the rate in force at the beginning.
    async fn turn(&self, slowdown: f64) {
        let rate = lock(&self.bucket).rate();
        if let (Some(share), Some(rate)) = (&self.share, rate) {
            share.ready(rate, slowdown).await;
            *lock(&self.last) = Some(Instant::now());
        } else {
            let slot = lock(&self.bucket).reserve(slowdown, Instant::now());
            sleep_until(slot).await;
        }
    }
}

impl Queued {
    /// Waits for the turn.
    pub(super) async fn ready(&self) {
        match self.turn {
            Some(turn) => sleep_until(turn).await,
            None => self.limit.ready(|| 1.0).await,
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.limit.queued.fetch_sub(1, Ordering::Relaxed);
    }
}
