//! The rate limiter of one courier: every limit, the level, and the budget for retries.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::bucket::Bucket;
use super::keyed::Keyed;
use super::level::Level;
use super::limit::Limit;
use super::retries::RetryBudget;
use super::settings::RateLimits;
use super::share::SharedRates;
use crate::contact::Lane;
use crate::lock::lock;
use crate::telemetry::event::RateLevel;

/// How often a retry that has no budget looks whether others' successes have paid for it.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

pub(in crate::courier) struct RateLimiter {
    all: Limit,
    users: Keyed<Arc<str>>,
    lanes: Keyed<Lane>,
    level: Mutex<Level>,
    retries: Mutex<RetryBudget>,
}

impl RateLimiter {
    /// Begins with full buckets. `shared` is `None` if the rates are for this courier alone.
    pub(in crate::courier) fn new(limits: &RateLimits, shared: Option<SharedRates>) -> Self {
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

    /// Goes by other rates, also for those who wait already. Requests that went out stay counted.
    pub(in crate::courier) fn change(&self, limits: &RateLimits) {
        self.all.change(Some(limits.all()));
        self.users.change(limits.of_a_user());
        self.lanes.change(limits.of_a_lane());
    }

    /// Waits until the budget has room for a retry.
    pub(in crate::courier) async fn retry_ready(&self) {
        loop {
            let Err(wait) = lock(&self.retries).take(Instant::now()) else {
                return;
            };
            sleep(wait.min(LOOK_AGAIN)).await;
        }
    }

    /// Waits for the turn of the lane and its user.
    pub(in crate::courier) async fn lane_ready(&self, lane: &Lane) {
        if let Some(limit) = self.lanes.of(|| lane.clone()) {
            limit.ready(|| 1.0).await;
        }
        if let Some(limit) = self.users.of(|| lane.user_id().into()) {
            limit.ready(|| 1.0).await;
        }
    }

    /// Waits until a request of a lane whose turn it is may be sent, and counts it. Lane and user
    /// are looked at once more, for time has passed since their turn: without it, requests that
    /// were held up together would go together.
    pub(in crate::courier) async fn ready(&self, lane: &Lane) {
        self.all.ready(|| 1.0 / self.level()).await;
        while let Err(later) = self.depart(lane, Instant::now()) {
            sleep_until(later).await;
        }
    }

    /// Counts a request that goes now. `Err`: a window is full until that instant, and nothing is
    /// counted.
    fn depart(&self, lane: &Lane, now: Instant) -> Result<(), Instant> {
        let user = self.users.of(|| lane.user_id().into());
        let lane = self.lanes.of(|| lane.clone());
        // Everybody locks them in this order, so that no deadlock is possible.
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

    /// Returns the part of the configured rate that is used, 0 to 1.
    pub(in crate::courier) fn level(&self) -> f64 {
        lock(&self.level).at(Instant::now())
    }

    /// Lowers the level: the platform said "too many" to a request that went at `sent`.
    pub(in crate::courier) fn too_many(&self, sent: Instant) {
        if lock(&self.level).lower(sent, Instant::now()) {
            RateLevel {
                level: self.level(),
            }
            .emit();
        }
    }

    /// Pays for a retry: a request has succeeded.
    pub(in crate::courier) fn succeeded(&self) {
        lock(&self.retries).earn();
    }

    /// Forgets users and lanes whose buckets are full again, and reports the level.
    pub(in crate::courier) fn tidy(&self) {
        self.users.forget_idle();
        self.lanes.forget_idle();
        RateLevel {
            level: self.level(),
        }
        .emit();
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

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
        for (per_user, expected) in [
            (2.0, [0, 0, 1, 1, 2, 2]),
            (0.5, [0, 2, 4, 6, 8, 10]),
            (0.01, [0, 100, 200, 300, 400, 500]),
        ] {
            let limits = RateLimits {
                per_user: Some(per_user),
                ..limits(1_000.0)
            };
            let (limits, lane) = (RateLimiter::new(&limits, None), lane());
            // Their turn comes, but something else holds them up: the journal, or a permit.
            for _ in 0..6 {
                limits.lane_ready(&lane).await;
            }
            let began = Instant::now();
            let mut went = Vec::new();
            for _ in 0..6 {
                limits.ready(&lane).await;
                limits.tidy();
                went.push(began.elapsed().as_secs());
            }
            assert_eq!(went, expected, "{per_user}/s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_at_a_slow_rate_goes_on_at_the_new_one() {
        let slow = RateLimiter::new(&limits(0.001), None);
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
        let rates = RateLimiter::new(&per_user(None), None);
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
