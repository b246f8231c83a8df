//! Tuning: what of the settings can change while the courier works.
//!
//! Whoever works by one of them asks for it when it is needed and keeps no copy; what has to be
//! done at a change is done by `follow`. What has begun stays as it was: a batch keeps its size, a
//! pause its length.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::backoff::BackoffPolicy;
use super::dispatcher::Dispatcher;
use super::limits::RateLimits;
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
    /// `retry.*`.
    pub backoff: BackoffPolicy,
    /// `retry.give_up_after`; zero: never.
    pub give_up_after: Duration,
    /// `rate_limit.*`, but whom the limits are for.
    pub limits: RateLimits,
    /// `platform.lane_codes`, `platform.lane_markers`, `platform.duplicate_markers`.
    pub rules: Rules,
}

/// Batches that are read at once, at most: more make reading no cheaper.
const BATCHES_PER_PAGE: usize = 10;

/// Rows that all lanes at work read ahead, together: it keeps the memory of a courier bounded
/// however many lanes there are. Some 10 MB.
const ROWS_AHEAD: usize = 20_000;

impl Tuning {
    /// How many rows a lane reads at once while so many are at work.
    pub(super) fn page_size(&self, lanes: usize) -> u32 {
        let share = ROWS_AHEAD / lanes.max(1);
        let batches = (share / self.batch_size.max(1)).clamp(1, BATCHES_PER_PAGE);
        u32::try_from(self.batch_size * batches).unwrap_or(u32::MAX)
    }

    /// How many lanes are worked at once: more than requests may be in flight, so that lanes which
    /// linger, settle or back off leave nobody idle.
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
            backoff: BackoffPolicy {
                initial_interval: Duration::from_millis(500),
                max_interval: Duration::from_mins(5),
                multiplier: 2.0,
                jitter: 0.5,
            },
            give_up_after: Duration::from_hours(72),
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

/// The tuning in force, for those who work by it and those who change it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tuner(Arc<watch::Sender<Arc<Tuning>>>);

impl Tuner {
    /// Begins with this tuning.
    pub(super) fn new(tuning: Tuning) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(tuning))))
    }

    /// What is in force now.
    pub fn current(&self) -> Arc<Tuning> {
        Arc::clone(&self.0.borrow())
    }

    /// Puts another tuning in force.
    pub fn change(&self, tuning: Tuning) {
        self.0.send_replace(Arc::new(tuning));
    }
}

/// Does what a change asks for at once: other rates, other permits. Does not end.
pub(super) async fn follow(tuner: &Tuner, dispatcher: &Dispatcher) {
    let mut changes = tuner.0.subscribe();
    // It may have changed between the dispatcher's making and now.
    changes.mark_changed();
    // The sender lives as long as the borrow of the tuner.
    while changes.changed().await.is_ok() {
        let tuning = Arc::clone(&changes.borrow_and_update());
        dispatcher.limits.change(&tuning.limits);
        dispatcher.permits.resize(tuning.max_in_flight);
    }
}
