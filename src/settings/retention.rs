//! `[retention]`: how long finished contacts and batches are kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Faults;
use super::key::{Key, Kind};
use super::shown::no_time_if_none;

pub(super) const KEYS: &[Key] = &[
    Key::new("retention.older_than", Kind::Duration).optional(),
    Key::new("retention.redact_after", Kind::Duration).optional(),
];

/// With less, an app could not be sure to read its rows in time.
const SHORTEST: Duration = Duration::from_hours(1);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSettings {
    /// How long after their end contacts and batches are deleted by the daemon; empty: never. At
    /// least 1h. Default empty.
    #[serde(
        deserialize_with = "humantime_serde::deserialize",
        serialize_with = "no_time_if_none"
    )]
    pub older_than: Option<Duration>,
    /// How long after their end what is personal is taken out of contacts by the daemon; empty:
    /// never. At least 1h. Default empty.
    #[serde(
        deserialize_with = "humantime_serde::deserialize",
        serialize_with = "no_time_if_none"
    )]
    pub redact_after: Option<Duration>,
}

impl RetentionSettings {
    pub(super) fn check(&self, faults: &mut Faults) {
        for (key, age, rule) in [
            (
                "retention.older_than",
                self.older_than,
                "must be at least 1h, or empty to keep everything",
            ),
            (
                "retention.redact_after",
                self.redact_after,
                "must be at least 1h, or empty to keep all of it",
            ),
        ] {
            let age = age.unwrap_or(SHORTEST);
            let shown = humantime::format_duration(age);
            faults.demand(age >= SHORTEST, key, shown, rule);
        }
    }
}
