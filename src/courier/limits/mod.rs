//! Rate limits: token buckets over everything, per user and per lane.
//!
//! Every request passes here, first sends, retries and the smaller batches of a search alike. The
//! rates are kept by each courier for itself, or shared by all on one database
//! (`rate_limit.scope`). Beside the rates: the level, which falls when the platform says "too many",
//! and the budget for retries.
//!
//! Each part is pure and has its own file; this one holds them and does the waiting. A home-made
//! bucket, because those of the libraries let everybody try again when the time has come, and what
//! a timer is late by is lost: at 50 requests per second some 5 % of the rate.

mod bucket;
mod level;
mod rate;
mod retries;
mod share;

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, sleep, sleep_until};

use self::bucket::Bucket;
use self::level::Level;
use self::rate::Rate;
use self::retries::RetryBudget;
use self::share::Share;
use super::context::lock;
use crate::contact::Lane;
use crate::outbox::Outbox;
use crate::telemetry::event::{DatabaseWatch, RateLevel};

/// How often a retry that has no budget looks whether others' successes have paid for it.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The settings `rate_limit.*`: requests per second, and how many may go at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimits {
    /// Over all lanes.
    pub requests_per_second: f64,
    /// For each user; `None`: no limit.
    pub per_user: Option<f64>,
    /// For each lane; `None`: no limit.
    pub per_lane: Option<f64>,
    /// Requests that may go at once after a pause.
    pub burst: NonZeroU32,
}

/// Where the rates are kept that all couriers on one database share.
#[derive(Clone)]
pub(super) struct Shared {
    /// The database.
    pub(super) outbox: Arc<dyn Outbox>,
    /// Tells of its trouble, once.
    pub(super) watch: Arc<DatabaseWatch>,
}

/// The limits of one courier.
pub(super) struct Limits {
    rates: Mutex<Arc<Rates>>,
    changed: Notify,
    level: Mutex<Level>,
    retries: Mutex<RetryBudget>,
}

impl Limits {
    /// Full buckets. `None`: the rates are for this courier alone.
    pub(super) fn new(limits: &RateLimits, shared: Option<&Shared>) -> Self {
        RateLevel { level: 1.0 }.emit();
        Self {
            rates: Mutex::new(Arc::new(Rates::new(*limits, shared))),
            changed: Notify::new(),
            level: Mutex::default(),
            retries: Mutex::new(RetryBudget::new(Instant::now())),
        }
    }

    /// Other rates from now on, also for those who wait already. What has gone out stays counted.
    pub(super) fn change(&self, limits: &RateLimits) {
        let mut rates = lock(&self.rates);
        if rates.limits == *limits {
            return;
        }
        *rates = Arc::new(rates.changed(*limits));
        drop(rates);
        self.changed.notify_waiters();
    }

    /// Waits until there is a retry in the budget.
    pub(super) async fn retry_ready(&self) {
        loop {
            let Err(wait) = lock(&self.retries).take(Instant::now()) else {
                return;
            };
            sleep(wait.min(LOOK_AGAIN)).await;
        }
    }

    /// Waits until the lane and its user may send a request.
    pub(super) async fn lane_ready(&self, lane: &Lane) {
        loop {
            let (rates, changed) = self.rates();
            if came_first(rates.lane_ready(lane), changed).await {
                return;
            }
        }
    }

    /// Waits until a request may be sent at all.
    pub(super) async fn ready(&self) {
        loop {
            let (rates, changed) = self.rates();
            if came_first(rates.all.ready(1.0 / self.level()), changed).await {
                return;
            }
        }
    }

    /// The rates in force, and what hears of the next change: who waits begins anew then.
    fn rates(&self) -> (Arc<Rates>, Notified<'_>) {
        // In this order, or a change between the two would be missed.
        let changed = self.changed.notified();
        (Arc::clone(&lock(&self.rates)), changed)
    }

    /// The part of the configured rate that is used, 0 to 1.
    pub(super) fn level(&self) -> f64 {
        lock(&self.level).at(Instant::now())
    }

    /// The platform said "too many" to a request that went at `sent`.
    pub(super) fn too_many(&self, sent: Instant) {
        if lock(&self.level).lower(sent, Instant::now()) {
            RateLevel {
                level: self.level(),
            }
            .emit();
        }
    }

    /// A request succeeded: it pays for a retry.
    pub(super) fn succeeded(&self) {
        lock(&self.retries).earn();
    }

    /// Forgets users and lanes whose buckets are full again, and tells of the level.
    pub(super) fn tidy(&self) {
        lock(&self.rates).forget_idle();
        RateLevel {
            level: self.level(),
        }
        .emit();
    }
}

/// Whether the wait was over before the change.
async fn came_first(wait: impl Future<Output = ()>, changed: Notified<'_>) -> bool {
    tokio::select! {
        biased;
        () = wait => true,
        () = changed => false,
    }
}

/// The rates in force and their buckets.
struct Rates {
    limits: RateLimits,
    all: Limit,
    users: Keyed<Arc<str>>,
    lanes: Keyed<Lane>,
}

impl Rates {
    fn new(limits: RateLimits, shared: Option<&Shared>) -> Self {
        let burst = limits.burst.get();
        let rate = |per_second| Rate::new(per_second, burst);
        let user = |user: &Arc<str>| format!("user:{user}");
        let lane = |lane: &Lane| format!("lane:{lane}");
        let share = shared.cloned();
        Self {
            all: Limit::new(rate(limits.requests_per_second), share.clone(), "all"),
            users: Keyed::new(limits.per_user.map(rate), share.clone(), user),
            lanes: Keyed::new(limits.per_lane.map(rate), share, lane),
            limits,
        }
    }

    /// Other rates; their buckets remember what has gone out.
    fn changed(&self, limits: RateLimits) -> Self {
        let burst = limits.burst.get();
        let rate = |per_second| Rate::new(per_second, burst);
        Self {
            all: self.all.changed(rate(limits.requests_per_second)),
            users: self.users.changed(limits.per_user.map(rate)),
            lanes: self.lanes.changed(limits.per_lane.map(rate)),
            limits,
        }
    }

    async fn lane_ready(&self, lane: &Lane) {
        if let Some(limit) = self.lanes.of(lane) {
            limit.ready(1.0).await;
        }
        if let Some(limit) = self.users.of(&Arc::from(lane.user_id())) {
            limit.ready(1.0).await;
        }
    }

    fn forget_idle(&self) {
        self.users.forget_idle();
        self.lanes.forget_idle();
    }
}

/// One rate and its bucket.
struct Limit {
    rate: Rate,
    bucket: Arc<Mutex<Bucket>>,
    share: Option<Share>,
}

impl Limit {
    fn new(rate: Rate, shared: Option<Shared>, name: &str) -> Self {
        Self {
            rate,
            bucket: Arc::default(),
            share: shared.map(|shared| Share::new(shared, name.into(), rate)),
        }
    }

    /// Another rate for the same bucket. What it has given away and nobody used is free again.
    fn changed(&self, rate: Rate) -> Self {
        lock(&self.bucket).begin_anew(&rate);
        Self {
            rate,
            bucket: Arc::clone(&self.bucket),
            share: self.share.as_ref().map(|share| share.changed(rate)),
        }
    }

    async fn ready(&self, slowdown: f64) {
        if let Some(share) = &self.share {
            share.ready(slowdown).await;
        } else {
            let slot = lock(&self.bucket).reserve(&self.rate, slowdown, Instant::now());
            sleep_until(slot).await;
        }
        loop {
            let departs = lock(&self.bucket).depart(&self.rate, Instant::now());
            match departs {
                Ok(()) => return,
                Err(later) => sleep_until(later).await,
            }
        }
    }
}

/// A rate that each of many keys has for itself; `None`: no limit.
struct Keyed<K> {
    rate: Option<Rate>,
    shared: Option<Shared>,
    name: fn(&K) -> String,
    limits: Mutex<HashMap<K, Arc<Limit>>>,
}

impl<K: Clone + Eq + Hash> Keyed<K> {
    fn new(rate: Option<Rate>, shared: Option<Shared>, name: fn(&K) -> String) -> Self {
        Self {
            rate,
            shared,
            name,
            limits: Mutex::default(),
        }
    }

    fn changed(&self, rate: Option<Rate>) -> Self {
        let changed = |(key, limit): (&K, &Arc<Limit>)| {
            let limit = limit.changed(rate?);
            Some((key.clone(), Arc::new(limit)))
        };
        Self {
            rate,
            shared: self.shared.clone(),
            name: self.name,
            limits: Mutex::new(lock(&self.limits).iter().filter_map(changed).collect()),
        }
    }

    fn of(&self, key: &K) -> Option<Arc<Limit>> {
        let rate = self.rate?;
        let mut limits = lock(&self.limits);
        let limit = limits.entry(key.clone()).or_insert_with(|| {
            let limit = Limit::new(rate, self.shared.clone(), &(self.name)(key));
            Arc::new(limit)
        });
        Some(Arc::clone(limit))
    }

    /// One that somebody waits at stays.
    fn forget_idle(&self) {
        let now = Instant::now();
        lock(&self.limits)
            .retain(|_, limit| Arc::strong_count(limit) > 1 || !lock(&limit.bucket).is_full(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(requests_per_second: f64) -> RateLimits {
        RateLimits {
            requests_per_second,
            per_user: None,
            per_lane: None,
            burst: NonZeroU32::MIN,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_at_a_slow_rate_goes_on_at_the_new_one() {
        let slow = Limits::new(&limits(0.001), None);
        slow.ready().await;
        let began = Instant::now();
        let waits = async {
            slow.ready().await;
            began.elapsed()
        };
        let changes = async {
            sleep(Duration::from_secs(5)).await;
            slow.change(&limits(0.001));
            sleep(Duration::from_secs(5)).await;
            slow.change(&limits(2.0));
        };
        let (waited, ()) = tokio::join!(waits, changes);
        assert_eq!(waited.as_secs(), 10, "not by the change that was none");
        slow.ready().await;
        assert!(began.elapsed() >= waited + Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_may_get_a_rate_another_one_and_none_again() {
        let lane = Lane::new("u", "t").unwrap();
        let per_user = |per_user| RateLimits {
            per_user,
            ..limits(1_000.0)
        };
        let rates = Limits::new(&per_user(None), None);
        let mut waits = Vec::new();
        for rate in [None, Some(0.1), Some(0.5), None] {
            rates.change(&per_user(rate));
            rates.lane_ready(&lane).await;
            let began = Instant::now();
            rates.lane_ready(&lane).await;
            waits.push(began.elapsed().as_secs());
        }
        assert_eq!(waits, [0, 10, 2, 0]);
    }
}
