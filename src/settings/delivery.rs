//! `[delivery]`: how contacts become requests, and how many at once.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Faults;
use super::key::{Key, Kind};
use super::shown::no_time_if_none;
use crate::batch::MAX_BATCH;
use crate::contact::MAX_CONTACT_BYTES;

pub(super) const KEYS: &[Key] = &[
    Key::new("delivery.batch_size", Kind::Whole).live(),
    Key::new("delivery.linger", Kind::Duration).live(),
    Key::new("delivery.notice_interval", Kind::Duration).optional(),
    Key::new("delivery.poll_interval", Kind::Duration),
    Key::new("delivery.max_in_flight", Kind::Whole).live(),
    Key::new("delivery.max_in_flight_per_lane", Kind::Whole).live(),
    Key::new("delivery.max_contact_bytes", Kind::Whole),
    Key::new("delivery.max_request_bytes", Kind::Whole).live(),
    Key::new("delivery.suffix", Kind::OneOf(&["platform", "courier"])),
    Key::new("delivery.lease", Kind::Duration),
    Key::new("delivery.shutdown_grace", Kind::Duration),
];

/// Requests at once: the most is far beyond what any platform takes, and still no strain on memory.
pub(super) const IN_FLIGHT: RangeInclusive<usize> = 1..=10_000;

/// The shortest interval: a database that is asked more often has no time for anything else.
const LEAST_NOTICE: Duration = Duration::from_millis(1);

/// The room of every contact and every request, and the limit of the courier's memory.
const CONTACT_BYTES: RangeInclusive<u64> = 1_024..=4_194_304;
const REQUEST_BYTES: RangeInclusive<usize> = 1_024..=8_388_608;

/// A shorter lease could run out between two heartbeats of a healthy courier.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliverySettings {
    /// At most so many contacts in one request, 1 to 100. Default 100.
    pub batch_size: usize,
    /// How long a contact waits for others to go with it while there are more requests than may go.
    /// Default 1s.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// How often to ask whether there are new contacts; empty: never. Default 20ms.
    #[serde(
        deserialize_with = "humantime_serde::deserialize",
        serialize_with = "no_time_if_none"
    )]
    pub notice_interval: Option<Duration>,
    /// How often to look through all lanes when there is nothing to do. Default 1s.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// At most so many requests at once, 1 to 10,000. Default 8.
    pub max_in_flight: usize,
    /// At most so many requests of one lane at once. Default 2.
    pub max_in_flight_per_lane: usize,
    /// At most so many bytes in a contact, as JSON, 1,024 to 4,194,304. A longer one is never sent.
    /// Default 65,536.
    pub max_contact_bytes: u64,
    /// At most so many bytes in the body of a request, 1,024 to 8,388,608; a single contact always
    /// goes. Default 1,048,576.
    pub max_request_bytes: usize,
    /// Who appends the suffix where a row asks for one. Default `platform`.
    pub suffix: SuffixBy,
    /// How long a courier's silence is taken for a pause; then others take its lanes over. At
    /// least 1s. Default 30s.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// How long requests under way may take to end when the courier is told to stop. Default 30s.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
}

/// Who appends the suffix where a row asks for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SuffixBy {
    /// The platform, at random: a request whose answer is lost cannot be sent again.
    #[default]
    Platform,
    /// The courier, from the row's id: sending again is safe.
    Courier,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            batch_size: MAX_BATCH,
            linger: Duration::from_secs(1),
            notice_interval: Some(Duration::from_millis(20)),
            poll_interval: Duration::from_secs(1),
            max_in_flight: 8,
            max_in_flight_per_lane: 2,
            max_contact_bytes: MAX_CONTACT_BYTES,
            max_request_bytes: 1_048_576,
            suffix: SuffixBy::Platform,
            lease: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(30),
        }
    }
}

impl DeliverySettings {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.demand(
            (1..=MAX_BATCH).contains(&self.batch_size),
            "delivery.batch_size",
            self.batch_size,
            "must be 1 to 100, the platform's limit",
        );
        let notice = self.notice_interval.unwrap_or(LEAST_NOTICE);
        faults.demand(
            notice >= LEAST_NOTICE,
            "delivery.notice_interval",
            humantime::format_duration(notice),
            "must be at least 1ms, or empty to look every delivery.poll_interval only",
        );
        faults.demand(
            !self.poll_interval.is_zero(),
            "delivery.poll_interval",
            humantime::format_duration(self.poll_interval),
            "must be more than 0s",
        );
        let (most, of_a_lane) = (self.max_in_flight, self.max_in_flight_per_lane);
        faults.demand(
            IN_FLIGHT.contains(&of_a_lane),
            "delivery.max_in_flight_per_lane",
            of_a_lane,
            "must be 1 to 10000",
        );
        faults.demand(
            IN_FLIGHT.contains(&most) && (most >= of_a_lane || !IN_FLIGHT.contains(&of_a_lane)),
            "delivery.max_in_flight",
            most,
            "must be 1 to 10000 and not less than delivery.max_in_flight_per_lane",
        );
        faults.demand(
            CONTACT_BYTES.contains(&self.max_contact_bytes),
            "delivery.max_contact_bytes",
            self.max_contact_bytes,
            "must be 1024 to 4194304",
        );
        faults.demand(
            REQUEST_BYTES.contains(&self.max_request_bytes),
            "delivery.max_request_bytes",
            self.max_request_bytes,
            "must be 1024 to 8388608",
        );
        faults.demand(
            self.lease >= SHORTEST_LEASE,
            "delivery.lease",
            humantime::format_duration(self.lease),
            "must be at least 1s",
        );
    }
}
