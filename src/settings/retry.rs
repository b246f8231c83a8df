//! `[retry]`: how long to wait after a failure that will pass.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Faults;
use super::key::{Key, Kind};
use super::shown::no_time_if_none;

pub(super) const KEYS: &[Key] = &[
    Key::new("retry.initial_interval", Kind::Duration).live(),
    Key::new("retry.max_interval", Kind::Duration).live(),
    Key::new("retry.multiplier", Kind::Number).live(),
    Key::new("retry.jitter", Kind::Number).live(),
    Key::new("retry.longest_retry_after", Kind::Duration).live(),
    Key::new("retry.give_up_after", Kind::Duration).live(),
    Key::new("retry.give_up_on_holds_after", Kind::Duration)
        .optional()
        .live(),
];

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// How long to wait after the first failure. Default 500ms.
    #[serde(with = "humantime_serde")]
    pub initial_interval: Duration,
    /// The longest wait. Default 5m.
    #[serde(with = "humantime_serde")]
    pub max_interval: Duration,
    /// By how much each wait is longer than the one before; at least 1. Default 2.
    pub multiplier: f64,
    /// By what part a wait is made longer or shorter by chance, 0 to 1. Default 0.5.
    pub jitter: f64,
    /// How long a `Retry-After` of the platform is obeyed at most. Default 15m, at most 24h.
    #[serde(with = "humantime_serde")]
    pub longest_retry_after: Duration,
    /// How long a contact is tried before it fails for good; `0s`: for ever. Default 72h.
    #[serde(with = "humantime_serde")]
    pub give_up_after: Duration,
    /// How long a contact waits in a lane that waits for a person before it fails for good; empty:
    /// for ever. Default empty.
    #[serde(
        deserialize_with = "humantime_serde::deserialize",
        serialize_with = "no_time_if_none"
    )]
    pub give_up_on_holds_after: Option<Duration>,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_millis(500),
            max_interval: Duration::from_mins(5),
            multiplier: 2.0,
            jitter: 0.5,
            longest_retry_after: Duration::from_mins(15),
            give_up_after: Duration::from_hours(72),
            give_up_on_holds_after: None,
        }
    }
}

impl RetrySettings {
    pub(super) fn check(&self, faults: &mut Faults) {
        let initial = humantime::format_duration(self.initial_interval);
        faults.demand(
            !self.initial_interval.is_zero()
                && (self.initial_interval <= self.max_interval || self.max_interval.is_zero()),
            "retry.initial_interval",
            initial,
            "must be more than 0s and not longer than retry.max_interval",
        );
        faults.demand(
            !self.max_interval.is_zero(),
            "retry.max_interval",
            humantime::format_duration(self.max_interval),
            "must be more than 0s",
        );
        faults.demand(
            self.multiplier.is_finite() && self.multiplier >= 1.0,
            "retry.multiplier",
            self.multiplier,
            "must be at least 1",
        );
        faults.demand(
            (Duration::from_secs(1)..=Duration::from_hours(24)).contains(&self.longest_retry_after),
            "retry.longest_retry_after",
            humantime::format_duration(self.longest_retry_after),
            "must be 1s to 24h",
        );
        faults.demand(
            (0.0..=1.0).contains(&self.jitter),
            "retry.jitter",
            self.jitter,
            "must be 0 to 1",
        );
    }
}
