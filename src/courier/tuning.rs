//! Tuning: the settings that can change while the courier works.
//!
//! Each part reads a setting when it needs it, and keeps no copy; `retuning` carries out what a
//! change requires at once. Work that has begun stays as it was: a batch keeps its size, a pause
//! its length.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::backoff::BackoffPolicy;
use super::limits::RateLimits;
use crate::batch::Room;
use crate::platform::verdict::Rules;

/// The settings that can change while the courier works.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// `delivery.batch_size`.
    pub batch_size: usize,
    /// `delivery.linger`.
    pub linger: Duration,
    /// `delivery.max_in_flight`.
    pub max_in_flight: usize,
    /// `delivery.max_in_flight_per_lane`.
    pub max_in_flight_per_lane: usize,
    /// `delivery.max_request_bytes`.
    pub max_request_bytes: usize,
    /// `retry.*`.
    pub backoff: BackoffPolicy,
    /// `retry.longest_retry_after`.
    pub longest_retry_after: Duration,
    /// `retry.give_up_after`; zero: never.
    pub give_up_after: Duration,
    /// `retry.give_up_on_holds_after`; zero: never.
    pub give_up_on_holds_after: Duration,
    /// `rate_limit.*`, except its scope.
    pub limits: RateLimits,
    /// `platform.lane_codes`, `platform.lane_markers`, `platform.duplicate_markers`.
    pub rules: Rules,
}

/// At most this many batches are read at once; more make reading no cheaper.
const BATCHES_PER_PAGE: usize = 10;

/// All lanes at work together read ahead at most this many rows, so that the memory of a courier
/// stays bounded; `memory` bounds the bytes.
const ROWS_AHEAD: usize = 20_000;

impl Tuning {
    /// Returns how many rows a lane reads at once while this many lanes are at work.
    pub(super) fn page_size(&self, lanes: usize) -> u32 {
        let share = ROWS_AHEAD / lanes.max(1);
        let batches = (share / self.batch_size.max(1)).clamp(1, BATCHES_PER_PAGE);
        u32::try_from(self.batch_size * batches).unwrap_or(u32::MAX)
    }

    /// Returns how much one request may hold.
    pub(super) fn room(&self) -> Room {
        Room {
            contacts: self.batch_size,
            bytes: self.max_request_bytes,
        }
    }

    /// Returns how many lanes are worked at once: more than requests may be in flight, so that
    /// permits are used while some lanes linger, settle or back off.
    pub(super) fn max_lanes(&self) -> usize {
        (self.max_in_flight * 2).max(32)
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            batch_size: 100,
            linger: Duration::from_secs(1),
            max_in_flight: 8,
            max_in_flight_per_lane: 2,
            max_request_bytes: 1_048_576,
            backoff: BackoffPolicy {
                initial_interval: Duration::from_millis(500),
                max_interval: Duration::from_mins(5),
                multiplier: 2.0,
                jitter: 0.5,
            },
            longest_retry_after: Duration::from_mins(15),
            give_up_after: Duration::from_hours(72),
            give_up_on_holds_after: Duration::ZERO,
            limits: RateLimits {
                requests_per_second: 10.0,
                per_user: None,
                per_lane: None,
                burst: NonZeroU32::MIN,
            },
            rules: Rules::default(),
        }
    }
}

/// The tuning in force. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tuner(Arc<watch::Sender<Arc<Tuning>>>);

impl Tuner {
    pub(super) fn new(tuning: Tuning) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(tuning))))
    }

    pub fn current(&self) -> Arc<Tuning> {
        Arc::clone(&self.0.borrow())
    }

    /// Returns a receiver of every tuning that is put in force from now on.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Tuning>> {
        self.0.subscribe()
    }

    pub fn change(&self, tuning: Tuning) {
        self.0.send_replace(Arc::new(tuning));
    }
}
