//! Rate limits: token buckets over everything, per user and per lane.
//!
//! Every request passes here, first sends and retries alike. With a burst of 1 the requests are
//! spaced evenly, so no window of any length holds more than its share.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::contact::Lane;

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

/// The buckets of one courier.
pub struct Limits {
    all: DefaultDirectRateLimiter,
    users: Option<DefaultKeyedRateLimiter<Arc<str>>>,
    lanes: Option<DefaultKeyedRateLimiter<Lane>>,
}

impl Limits {
    /// Full buckets.
    pub fn new(limits: &RateLimits) -> Self {
        let quota = |rate| quota(rate, limits.burst);
        Self {
            all: RateLimiter::direct(quota(limits.requests_per_second)),
            users: limits
                .per_user
                .map(|rate| RateLimiter::dashmap(quota(rate))),
            lanes: limits
                .per_lane
                .map(|rate| RateLimiter::dashmap(quota(rate))),
        }
    }

    /// Waits until the lane and its user may send a request.
    pub async fn lane_ready(&self, lane: &Lane) {
        if let Some(lanes) = &self.lanes {
            lanes.until_key_ready(lane).await;
        }
        if let Some(users) = &self.users {
            users.until_key_ready(&Arc::from(lane.user_id())).await;
        }
    }

    /// Waits until a request may be sent at all.
    pub async fn ready(&self) {
        self.all.until_ready().await;
    }

    /// Forgets users and lanes whose buckets are full again.
    pub fn forget_idle(&self) {
        if let Some(users) = &self.users {
            users.retain_recent();
        }
        if let Some(lanes) = &self.lanes {
            lanes.retain_recent();
        }
    }
}

fn quota(rate: f64, burst: NonZeroU32) -> Quota {
    // The settings allow 0.001 to 1,000,000 requests per second, so the period is never zero.
    let period = Duration::from_secs_f64(1.0 / rate.clamp(0.001, 1_000_000.0));
    Quota::with_period(period).map_or(Quota::per_second(NonZeroU32::MIN), |q| q.allow_burst(burst))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_spaced_by_the_rate_and_lets_a_burst_go_at_once() {
        let burst = NonZeroU32::new(3).unwrap();
        let quota = quota(0.5, burst);
        assert_eq!(quota.replenish_interval(), Duration::from_secs(2));
        assert_eq!(quota.burst_size(), burst);
    }
}
