//! `[rate_limit]`: how many requests the platform lets us send.

use serde::{Deserialize, Serialize};

use super::error::Faults;
use super::key::{Key, Kind};
use super::shown::empty_if_none;

pub(super) const KEYS: &[Key] = &[
    Key::new("rate_limit.requests_per_second", Kind::Number).live(),
    Key::new("rate_limit.per_user", Kind::Number)
        .optional()
        .live(),
    Key::new("rate_limit.per_lane", Kind::Number)
        .optional()
        .live(),
    Key::new("rate_limit.burst", Kind::Whole).live(),
    Key::new("rate_limit.scope", Kind::OneOf(&["instance", "cluster"])),
];

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitSettings {
    /// Requests per second in all; may be a fraction. Default 10.
    pub requests_per_second: f64,
    /// Requests per second of one `user_id`. Default: none, no limit of its own.
    #[serde(serialize_with = "empty_if_none")]
    pub per_user: Option<f64>,
    /// Requests per second of one lane. Default: none, no limit of its own.
    #[serde(serialize_with = "empty_if_none")]
    pub per_lane: Option<f64>,
    /// How many requests may go at once after a rest. Default 1.
    pub burst: u32,
    /// Whom the limits are for. Default `instance`: each courier has them for itself; `cluster`:
    /// all couriers on one database share them.
    pub scope: RateScope,
}

/// Whom the limits are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateScope {
    /// Each courier has them for itself.
    #[default]
    Instance,
    /// All couriers on one database share them.
    Cluster,
}

impl Default for RateLimitSettings {
    fn default() -> Self {
        Self {
            requests_per_second: 10.0,
            per_user: None,
            per_lane: None,
            burst: 1,
            scope: RateScope::Instance,
        }
    }
}

impl RateLimitSettings {
    pub(super) fn check(&self, faults: &mut Faults) {
        for (key, rate) in [
            (
                "rate_limit.requests_per_second",
                Some(self.requests_per_second),
            ),
            ("rate_limit.per_user", self.per_user),
            ("rate_limit.per_lane", self.per_lane),
        ] {
            let Some(rate) = rate else { continue };
            let kept = (0.001..=1_000_000.0).contains(&rate);
            faults.demand(kept, key, rate, "must be 0.001 to 1000000");
        }
        let burst = self.burst;
        faults.demand(burst >= 1, "rate_limit.burst", burst, "must be at least 1");
    }
}
