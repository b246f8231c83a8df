//! What all lanes of one courier share.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
use crate::telemetry::event::{Breaker, DatabaseWatch};

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

/// Batches that are read at once, at most: more make reading no cheaper.
const BATCHES_PER_PAGE: usize = 10;

/// Rows that all lanes at work read ahead, together: it keeps the memory of a courier bounded
/// however many lanes there are. Some 10 MB.
const ROWS_AHEAD: usize = 20_000;

impl CourierOptions {
    /// How many rows a lane reads at once while so many are at work.
    fn page_size(&self, lanes: usize) -> u32 {
        let share = ROWS_AHEAD / lanes.max(1);
        let batches = (share / self.batch_size.max(1)).clamp(1, BATCHES_PER_PAGE);
        u32::try_from(self.batch_size * batches).unwrap_or(u32::MAX)
    }

    /// How many lanes are worked at once: more than requests may be in flight, so that lanes which
    /// linger, settle or back off leave nobody idle.
    pub fn max_lanes(&self) -> usize {
        (self.max_in_flight * 2).max(32)
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
                shared: false,
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
    waiting: Mutex<HashMap<Lane, &'static str>>,
    others_wait: AtomicBool,
    lanes_at_work: AtomicUsize,
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
            waiting: Mutex::default(),
            others_wait: AtomicBool::new(false),
            lanes_at_work: AtomicUsize::new(0),
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
        self.dispatcher.gates()
    }

    /// Does something to the gates and tells if the breaker opens or closes by it.
    pub(super) fn move_gates<T>(&self, act: impl FnOnce(&mut Gates) -> T) -> T {
        let mut gates = self.gates();
        let before = gates.breaker_is_open();
        let done = act(&mut gates);
        let open = gates.breaker_is_open();
        drop(gates);
        if open != before {
            Breaker { open }.emit();
        }
        done
    }

    /// Notes how many lanes are at work.
    pub(super) fn set_lanes_at_work(&self, lanes: usize) {
        self.lanes_at_work.store(lanes, Ordering::Relaxed);
    }

    /// How many rows a lane reads at once for now.
    pub(super) fn page_size(&self) -> u32 {
        let lanes = self.lanes_at_work.load(Ordering::Relaxed);
        self.options.page_size(lanes)
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
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
