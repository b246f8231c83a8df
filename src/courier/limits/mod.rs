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
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
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

impl RateLimits {
    fn rate(&self, per_second: f64) -> Rate {
        Rate::new(per_second, self.burst.get())
    }

    fn all(&self) -> Rate {
        self.rate(self.requests_per_second)
    }

    fn of_a_user(&self) -> Option<Rate> {
        self.per_user.map(|per_second| self.rate(per_second))
    }

    fn of_a_lane(&self) -> Option<Rate> {
        self.per_lane.map(|per_second| self.rate(per_second))
    }
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
    all: Limit,
    users: Keyed<Arc<str>>,
    lanes: Keyed<Lane>,
    level: Mutex<Level>,
    retries: Mutex<RetryBudget>,
}

impl Limits {
    /// Full buckets. `None`: the rates are for this courier alone.
    pub(super) fn new(limits: &RateLimits, shared: Option<Shared>) -> Self {
        RateLevel { level: 1.0 }.emit();
        let user = |user: &Arc<str>| format!("user:{user}");
        let lane = |lane: &Lane| format!("lane:{lane}");
        Self {
            all: Limit::new(limits.all(), shared.clone(), "all"),
            users: Keyed::new(limits.of_a_user(), shared.clone(), user),
            lanes: Keyed::new(limits.of_a_lane(), shared, lane),
            level: Mutex::default(),
            retries: Mutex::new(RetryBudget::new(Instant::now())),
        }
    }

    /// Other rates from now on, also for those who wait already. What has gone out stays counted.
    pub(super) fn change(&self, limits: &RateLimits) {
        self.all.change(Some(limits.all()));
        self.users.change(limits.of_a_user());
        self.lanes.change(limits.of_a_lane());
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

    /// Waits for the turn of the lane and its user.
    pub(super) async fn lane_ready(&self, lane: &Lane) {
        if let Some(limit) = self.lanes.of(|| lane.clone()) {
            limit.ready(|| 1.0).await;
        }
        if let Some(limit) = self.users.of(|| lane.user_id().into()) {
            limit.ready(|| 1.0).await;
        }
    }

    /// Waits until a request of a lane whose turn it is may be sent, and counts it. Lane and user are
    /// looked at once more, for time has passed since their turn: without it, requests that were
    /// held up together would go together.
    pub(super) async fn ready(&self, lane: &Lane) {
        self.all.ready(|| 1.0 / self.level()).await;
        while let Err(later) = self.depart(lane, Instant::now()) {
            sleep_until(later).await;
        }
    }

    /// A request goes now; or, where a window is full, not before the instant told.
    fn depart(&self, lane: &Lane, now: Instant) -> Result<(), Instant> {
        let user = self.users.of(|| lane.user_id().into());
        let lane = self.lanes.of(|| lane.clone());
        // Everybody takes them in this order, so nobody waits for anybody in a circle.
        let limits = [Some(&self.all), user.as_deref(), lane.as_deref()];
        let mut buckets = limits.map(|limit| limit.map(|limit| lock(&limit.bucket)));
        let mut buckets: Vec<&mut Bucket> = buckets
            .iter_mut()
            .flatten()
            .map(|bucket| &mut **bucket)
            .collect();
        let full = buckets
            .iter_mut()
            .filter_map(|bucket| bucket.room(now).err());
        if let Some(later) = full.max() {
            return Err(later);
        }
        for bucket in buckets {
            bucket.depart(now);
        }
        Ok(())
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
        self.users.forget_idle();
        self.lanes.forget_idle();
        RateLevel {
            level: self.level(),
        }
        .emit();
    }
}

/// One rate and its bucket.
struct Limit {
    bucket: Mutex<Bucket>,
    changed: Notify,
    share: Option<Share>,
}

impl Limit {
    fn new(rate: Rate, shared: Option<Shared>, name: &str) -> Self {
        Self {
            bucket: Mutex::new(Bucket::new(rate)),
            changed: Notify::new(),
            share: shared.map(|shared| Share::new(shared, name.into())),
        }
    }

    /// Another rate, or none any more. Who waits begins anew.
    fn change(&self, rate: Option<Rate>) {
        let mut bucket = lock(&self.bucket);
        if bucket.rate() == rate {
            return;
        }
        bucket.change(rate);
        drop(bucket);
        self.changed.notify_waiters();
    }

    /// Waits for one more request's turn. `slowdown` is 1 or more.
    async fn ready(&self, slowdown: impl Fn() -> f64) {
        loop {
            // Hears of every change from here on.
            let changed = self.changed.notified();
            tokio::select! {
                biased;
                () = changed => {}
                () = self.turn(slowdown()) => return,
            }
        }
    }

    /// The same by the rate that is in force at the beginning.
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

/// A rate that each of many keys has for itself.
struct Keyed<K> {
    /// `None`: no limit.
    rate: Mutex<Option<Rate>>,
    shared: Option<Shared>,
    name: fn(&K) -> String,
    limits: Mutex<HashMap<K, Arc<Limit>>>,
}

impl<K: Eq + Hash> Keyed<K> {
    fn new(rate: Option<Rate>, shared: Option<Shared>, name: fn(&K) -> String) -> Self {
        Self {
            rate: Mutex::new(rate),
            shared,
            name,
            limits: Mutex::default(),
        }
    }

    fn change(&self, rate: Option<Rate>) {
        let limits = lock(&self.limits);
        *lock(&self.rate) = rate;
        for limit in limits.values() {
            limit.change(rate);
        }
    }

    /// The key's; `None`: no limit, and no key is needed.
    fn of(&self, key: impl FnOnce() -> K) -> Option<Arc<Limit>> {
        let mut limits = lock(&self.limits);
        let rate = (*lock(&self.rate))?;
        let limit = match limits.entry(key()) {
            Entry::Occupied(limit) => limit.into_mut(),
            Entry::Vacant(vacant) => {
                let name = (self.name)(vacant.key());
                let limit = Limit::new(rate, self.shared.clone(), &name);
                vacant.insert(Arc::new(limit))
            }
        };
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

    fn lane() -> Lane {
        Lane::new("u", "t").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_of_a_user_that_were_held_up_together_do_not_go_together() {
        let limits = RateLimits {
            per_user: Some(2.0),
            ..limits(1_000.0)
        };
        let (limits, lane) = (Limits::new(&limits, None), lane());
        // Their turn comes, but something else holds them up: the journal, or a permit.
        for _ in 0..6 {
            limits.lane_ready(&lane).await;
        }
        let began = Instant::now();
        let mut went = Vec::new();
        for _ in 0..6 {
            limits.ready(&lane).await;
            went.push(began.elapsed().as_secs());
        }
        assert_eq!(went, [0, 0, 1, 1, 2, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_at_a_slow_rate_goes_on_at_the_new_one() {
        let slow = Limits::new(&limits(0.001), None);
        slow.ready(&lane()).await;
        let began = Instant::now();
        let waits = async {
            slow.ready(&lane()).await;
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
        slow.ready(&lane()).await;
        assert!(began.elapsed() >= waited + Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_may_get_a_rate_another_one_and_none_again() {
        let lane = lane();
        let per_user = |per_user| RateLimits {
            per_user,
            ..limits(1_000.0)
        };
        let rates = Limits::new(&per_user(None), None);
        let mut waits = Vec::new();
        for rate in [None, Some(0.1), Some(0.5), None] {
            rates.change(&per_user(rate));
            for _ in 0..2 {
                rates.lane_ready(&lane).await;
                rates.ready(&lane).await;
            }
            let began = Instant::now();
            rates.lane_ready(&lane).await;
            waits.push(began.elapsed().as_secs());
        }
        assert_eq!(waits, [0, 10, 2, 0]);
    }
}
