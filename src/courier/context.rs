//! What all lanes of one courier share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::dispatcher::Dispatcher;
use super::gates::Gates;
use super::lifecycle::Lifecycle;
use super::pulse::Pulse;
use super::tuning::Tuning;
use crate::contact::{Lane, RequestDefaults};
use crate::outbox::Outbox;
use crate::telemetry::event::{Breaker, DatabaseWatch};
use crate::telemetry::traces::Traces;

/// The settings that the courier runs by.
#[derive(Clone, Debug)]
pub struct CourierOptions {
    /// For people: where the courier runs.
    pub host: String,
    /// `delivery.poll_interval`.
    pub poll_interval: Duration,
    /// `delivery.lease`.
    pub lease: Duration,
    /// `delivery.shutdown_grace`.
    pub shutdown_grace: Duration,
    /// Whether all couriers on one database share the rates (`rate_limit.scope`).
    pub shared_limits: bool,
    /// `request.*` and `delivery.suffix`.
    pub request: RequestDefaults,
    /// What can change while the courier works.
    pub tuning: Tuning,
    /// Where the ways of batches are told.
    pub traces: Traces,
}

impl Default for CourierOptions {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            poll_interval: Duration::from_secs(1),
            lease: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(30),
            shared_limits: false,
            request: RequestDefaults::default(),
            tuning: Tuning::default(),
            traces: Traces::default(),
        }
    }
}

/// Shared by the scout and all lanes at work.
pub(super) struct Context {
    /// The database.
    pub(super) outbox: Arc<dyn Outbox>,
    /// Sends batches.
    pub(super) dispatcher: Dispatcher,
    /// `delivery.poll_interval`.
    pub(super) poll_interval: Duration,
    /// `request.*` and `delivery.suffix`.
    pub(super) request: RequestDefaults,
    /// Where the ways of batches are told.
    pub(super) traces: Traces,
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

/// Lanes that wait for locked rows and do not count, at most. Each holds its batches under way.
const MOST_LOCKED: usize = 1_000;

/// Reasons of waiting lanes that are remembered for the log. Beyond it the log says more than it
/// needs to, and memory stays bounded.
const MAX_NOTED: usize = 10_000;

impl Context {
    /// Puts the shared parts together.
    pub(super) fn new(
        outbox: Arc<dyn Outbox>,
        dispatcher: Dispatcher,
        options: &CourierOptions,
        watch: Arc<DatabaseWatch>,
        pulse: Arc<Pulse>,
    ) -> Self {
        Self {
            outbox,
            life: dispatcher.life.clone(),
            dispatcher,
            poll_interval: options.poll_interval,
            request: options.request.clone(),
            traces: options.traces.clone(),
            watch,
            pulse,
            waiting: Mutex::default(),
            others_wait: AtomicBool::new(false),
            lanes_at_work: AtomicUsize::new(0),
            token_changed: Notify::new(),
        }
    }

    /// What can change while the courier works, as it is now.
    pub(super) fn tuning(&self) -> Arc<Tuning> {
        self.dispatcher.tuner.current()
    }

    /// How many lanes may be at work. One that waits for rows which another session keeps locked does
    /// not take a place from the others, up to a number that memory bears.
    pub(super) fn places(&self) -> usize {
        let locked = self.dispatcher.recorder.locked_lanes();
        self.tuning().max_lanes() + locked.min(MOST_LOCKED)
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
        self.tuning().page_size(lanes)
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
