//! A limit: one rate, its bucket, and the waiting for a turn.

use std::sync::Mutex;

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
}

impl Limit {
    pub(super) fn new(rate: Rate, shared: Option<SharedRates>, name: &str) -> Self {
        Self {
            bucket: Mutex::new(Bucket::new(rate)),
            changed: Notify::new(),
            share: shared.map(|shared| Share::new(shared, name.into())),
        }
    }

    /// Goes by another rate, or by none. Whoever waits begins anew.
    pub(super) fn change(&self, rate: Option<Rate>) {
        let mut bucket = lock(&self.bucket);
        if bucket.rate() == rate {
            return;
        }
        bucket.change(rate);
        drop(bucket);
        self.changed.notify_waiters();
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

    /// Waits for the turn by the rate that is in force at the beginning.
    async fn turn(&self, slowdown: f64) {
        let rate = lock(&self.bucket).rate();
        if let (Some(share), Some(rate)) = (&self.share, rate) {
            share.ready(rate, slowdown).await;
        } else {
            let slot = lock(&self.bucket).reserve(slowdown, Instant::now());
            sleep_until(slot).await;
        }
    }
}
