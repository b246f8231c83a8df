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
    /// Whether all couriers on one database share the rates.
    pub shared: bool,
}

/// The limits of one courier.
pub(super) struct Limits {
    all: Limit,
    users: Option<Keyed<Arc<str>>>,
    lanes: Option<Keyed<Lane>>,
    level: Mutex<Level>,
    retries: Mutex<RetryBudget>,
}

impl Limits {
    /// Full buckets. The outbox is where shared rates are kept.
    pub(super) fn new(
        limits: &RateLimits,
        outbox: &Arc<dyn Outbox>,
        watch: &Arc<DatabaseWatch>,
    ) -> Self {
        let rate = |per_second| Rate::new(per_second, limits.burst.get());
        let shared = limits
            .shared
            .then(|| (Arc::clone(outbox), Arc::clone(watch)));
        RateLevel { level: 1.0 }.emit();
        Self {
            all: Limit::new("all", rate(limits.requests_per_second), shared.as_ref()),
            users: limits
                .per_user
                .map(|user| Keyed::new(rate(user), shared.clone())),
            lanes: limits.per_lane.map(|lane| Keyed::new(rate(lane), shared)),
            level: Mutex::default(),
            retries: Mutex::new(RetryBudget::new(Instant::now())),
        }
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
        if let Some(lanes) = &self.lanes {
            let limit = lanes.of(lane, |lane| format!("lane:{lane}"));
            limit.ready(1.0).await;
        }
        if let Some(users) = &self.users {
            let limit = users.of(&Arc::from(lane.user_id()), |user| format!("user:{user}"));
            limit.ready(1.0).await;
        }
    }

    /// Waits until a request may be sent at all.
    pub(super) async fn ready(&self) {
        self.all.ready(1.0 / self.level()).await;
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
        if let Some(users) = &self.users {
            users.forget_idle();
        }
        if let Some(lanes) = &self.lanes {
            lanes.forget_idle();
        }
        RateLevel {
            level: self.level(),
        }
        .emit();
    }
}

type Shared = (Arc<dyn Outbox>, Arc<DatabaseWatch>);

/// One rate and its bucket.
struct Limit {
    rate: Rate,
    bucket: Mutex<Bucket>,
    share: Option<Share>,
}

impl Limit {
    fn new(name: &str, rate: Rate, shared: Option<&Shared>) -> Self {
        let share = shared.map(|(outbox, watch)| {
            Share::new(Arc::clone(outbox), Arc::clone(watch), name.into(), rate)
        });
        Self {
            rate,
            bucket: Mutex::default(),
            share,
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

/// A rate that each of many keys has for itself.
struct Keyed<K> {
    rate: Rate,
    shared: Option<Shared>,
    limits: Mutex<HashMap<K, Arc<Limit>>>,
}

impl<K: Clone + Eq + Hash> Keyed<K> {
    fn new(rate: Rate, shared: Option<Shared>) -> Self {
        Self {
            rate,
            shared,
            limits: Mutex::default(),
        }
    }

    fn of(&self, key: &K, name: impl FnOnce(&K) -> String) -> Arc<Limit> {
        let mut limits = lock(&self.limits);
        let limit = limits.entry(key.clone()).or_insert_with(|| {
            let limit = Limit::new(&name(key), self.rate, self.shared.as_ref());
            Arc::new(limit)
        });
        Arc::clone(limit)
    }

    /// One that somebody waits at stays.
    fn forget_idle(&self) {
        let now = Instant::now();
        lock(&self.limits)
            .retain(|_, limit| Arc::strong_count(limit) > 1 || !lock(&limit.bucket).is_full(now));
    }
}
