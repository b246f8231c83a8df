//! The settings `rate_limit.*`.

use std::num::NonZeroU32;

use super::rate::Rate;

/// Requests per second, and how many may go at once.
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

    pub(super) fn all(&self) -> Rate {
        self.rate(self.requests_per_second)
    }

    pub(super) fn of_a_user(&self) -> Option<Rate> {
        self.per_user.map(|per_second| self.rate(per_second))
    }

    pub(super) fn of_a_lane(&self) -> Option<Rate> {
        self.per_lane.map(|per_second| self.rate(per_second))
    }
}
