//! What all lanes of one courier share.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::backoff::BackoffPolicy;
use super::dispatcher::Dispatcher;
use super::gates::Gates;
use super::lifecycle::Lifecycle;
use super::limits::RateLimits;
use super::pulse::Pulse;
use crate::contact::{Lane, RequestDefaults};
use crate::outbox::Outbox;
use crate::platform::verdict::Rules;
use crate::telemetry::event::DatabaseWatch;

/// The settings that the courier runs by.
#[derive(Clone, Debug)]
pub struct CourierOptions {
    /// For people: where the courier runs.
    pub host: String,
    /// `delivery.batch_size`.
    pub batch_size: usize,
    /// `delivery.linger`.
    pub linger: Duration,
    /// `delivery.poll_interval`.
    pub poll_interval: Duration,
    /// `delivery.max_in_flight`.
    pub max_in_flight: usize,
    /// `delivery.max_in_flight_per_lane`.
    pub max_in_flight_per_lane: usize,
    /// `delivery.lease`.
    pub lease: Duration,
    /// `delivery.shutdown_grace`.
    pub shutdown_grace: Duration,
    /// `retry.*`.
    pub backoff: BackoffPolicy,
    /// `retry.give_up_after`; zero: never.
    pub give_up_after: Duration,
    /// `rate_limit.*`.
    pub limits: RateLimits,
    /// `request.*` and `delivery.suffix`.
    pub request: RequestDefaults,
    /// `platform.lane_codes`, `platform.lane_markers`, `platform.duplicate_markers`.
    pub rules: Rules,
}

/// Batches that are read at once: enough that reading is cheap, little enough that all lanes at
/// work together stay small in memory.
const BATCHES_PER_PAGE: usize = 10;

impl CourierOptions {
    /// How many rows are read at once.
    pub fn page_size(&self) -> u32 {
        u32::try_from(self.batch_size * BATCHES_PER_PAGE).unwrap_or(u32::MAX)
    }

    /// How many lanes are worked at once: more than requests may be in flight, so that lanes which
    /// linger, settle or back off leave nobody idle.
    pub fn max_lanes(&self) -> usize {
        (self.max_in_flight * 4).max(32)
    }
}

impl Default for CourierOptions {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            batch_size: 100,
            linger: Duration::from_secs(1),
            poll_interval: Duration::from_secs(1),
            max_in_flight: 8,
            max_in_flight_per_lane: 2,
            lease: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(30),
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
            request: RequestDefaults::default(),
            rules: Rules::default(),
        }
    }
}

/// Shared by the scout and all lanes at work.
pub(super) struct Context {
    /// The database.
    pub(super) outbox: Arc<dyn Outbox>,
    /// Sends batches.
    pub(super) dispatcher: Dispatcher,
    /// The settings.
    pub(super) options: CourierOptions,
    /// Whether to go on.
    pub(super) life: Lifecycle,
    /// Tells of database trouble, once.
    pub(super) watch: Arc<DatabaseWatch>,
    /// Whether the loops are turning.
    pub(super) pulse: Arc<Pulse>,
    gates: Mutex<Gates>,
    waiting: Mutex<HashMap<Lane, &'static str>>,
    others_wait: AtomicBool,
    token_changed: Notify,
}

/// Reasons of waiting lanes that are remembered for the log. Beyond it the log says more than it
/// needs to, and memory stays bounded.
const MAX_NOTED: usize = 10_000;

impl Context {
    /// Puts the shared parts together.
    pub(super) fn new(
        outbox: Arc<dyn Outbox>,
        dispatcher: Dispatcher,
        options: CourierOptions,
        watch: Arc<DatabaseWatch>,
        pulse: Arc<Pulse>,
    ) -> Self {
        Self {
            outbox,
            life: dispatcher.life.clone(),
            dispatcher,
            options,
            watch,
            pulse,
            gates: Mutex::default(),
            waiting: Mutex::default(),
            others_wait: AtomicBool::new(false),
            token_changed: Notify::new(),
        }
    }

    /// There is another token: nobody waits for one any more.
    pub(super) fn token_changed(&self) {
        self.gates().token_changed();
        self.token_changed.notify_waiters();
    }

    /// Waits, but not longer than the courier runs softly, nor than the token stays the same.
    pub(super) async fn sleep(&self, time: Duration) {
        tokio::select! {
            () = self.life.sleep(time) => {}
            () = self.token_changed.notified() => {}
        }
    }

    /// Who may not send for now.
    pub(super) fn gates(&self) -> MutexGuard<'_, Gates> {
        lock(&self.gates)
    }

    /// Whether lanes wait for one of those at work to end its turn.
    pub(super) fn others_wait(&self) -> bool {
        self.others_wait.load(Ordering::Relaxed)
    }

    /// Notes whether lanes wait.
    pub(super) fn set_others_wait(&self, wait: bool) {
        self.others_wait.store(wait, Ordering::Relaxed);
    }

    /// Notes why a lane waits; answers whether that is news.
    pub(super) fn note_waiting(&self, lane: &Lane, reason: &'static str) -> bool {
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= MAX_NOTED {
            waiting.clear();
        }
        waiting.insert(lane.clone(), reason) != Some(reason)
    }

    /// Whether this courier has noted that the lane waits.
    pub(super) fn is_waiting(&self, lane: &Lane) -> bool {
        lock(&self.waiting).contains_key(lane)
    }

    /// Notes that a lane does not wait any more; answers whether that is news.
    pub(super) fn note_going(&self, lane: &Lane) -> bool {
        lock(&self.waiting).remove(lane).is_some()
    }
}

/// Every value behind these locks is whole at any time, so a panic elsewhere cannot spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
