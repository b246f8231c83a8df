//! The context: the parts of one courier that the scout, all lanes and the dispatcher work with.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::budget::budget;
use super::bulletin::Bulletin;
use super::gates::Gates;
use super::heartbeat::LeaseClock;
use super::lifecycle::Lifecycle;
use super::limits::{Budget, RateLimiter};
use super::memory::Memory;
use super::notes::Notes;
use super::overtaken::WAIT_FOR_A_TOKEN;
use super::pauses::Pauses;
use super::permits::Permits;
use super::pulse::Pulse;
use super::recorder::Recorder;
use super::tuning::{Tuner, Tuning};
use super::watch::DatabaseWatch;
use crate::contact::{Lane, RequestDefaults};
use crate::outbox::Outbox;
use crate::platform::client::Platform;
use crate::telemetry::event::BreakerMoved;
use crate::telemetry::traces::Traces;

pub(super) struct Context {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) platform: Arc<dyn Platform>,
    /// Writes the journal and the ends of rows.
    pub(super) recorder: Recorder,
    pub(super) leases: LeaseClock,
    /// The rate limits, and the budget for retries.
    pub(super) limiter: Arc<RateLimiter>,
    /// One permit per request that may be under way.
    pub(super) permits: Permits,
    /// The state that the courier publishes, with the gates; see [`Self::gates`].
    pub(super) bulletin: Arc<Bulletin>,
    /// The settings that can change while the courier works; see [`Self::tuning`].
    pub(super) tuner: Tuner,
    /// `delivery.notice_interval`.
    pub(super) notice_interval: Option<Duration>,
    /// `delivery.poll_interval`.
    pub(super) poll_interval: Duration,
    /// The bytes of contacts that all lanes hold.
    pub(super) memory: Memory,
    /// `request.*`, `delivery.suffix` and `delivery.max_contact_bytes`.
    pub(super) request: RequestDefaults,
    pub(super) traces: Traces,
    pub(super) life: Lifecycle,
    /// Logs trouble with the database, once per outage.
    pub(super) watch: Arc<DatabaseWatch>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) notes: Notes,
    /// Notified when the platform takes the token that it had refused.
    pub(super) token_taken_again: Notify,
    /// Tells the scout that the holds because of the token are lifted, for it is taken again.
    pub(super) freed: watch::Sender<()>,
    /// Tells the scout of new tokens.
    pub(super) new_tokens: watch::Sender<()>,
    /// The lanes that operators have paused.
    pub(super) pauses: Pauses,
    /// Tells the scout that operators have paused or resumed something.
    pub(super) orders: watch::Sender<()>,
}

/// At most this many lanes waiting on locked rows get an extra place. Each keeps its batches in
/// memory.
const MOST_LOCKED: usize = 1_000;

/// With more closed gates than this, single gates are not watched for news: some are tried all the
/// time, and comparing all would take long.
const MOST_WATCHED: usize = 100;

/// Returns what people are told about the gates.
fn told(gates: &Gates, now: Instant) -> impl PartialEq + use<> {
    let closed = gates.closed();
    let report = (closed.1 <= MOST_WATCHED).then(|| gates.report(now));
    (closed, report)
}

/// Quarters of [`Context::places`]: for all lanes; more for the first lane of a user; more for a
/// lane that is known to answer while many hang; more for a lane with new contacts; more for the
/// first lane of a user with new contacts.
pub(super) const QUARTERS: [usize; 5] = [4, 2, 2, 1, 4];

impl Context {
    /// Returns the settings that can change, as they are now.
    pub(super) fn tuning(&self) -> Arc<Tuning> {
        self.tuner.current()
    }

    /// Returns how many lanes may be at work. A lane that waits for rows which another session
    /// keeps locked does not take a place from the others, up to [`MOST_LOCKED`].
    pub(super) fn places(&self) -> usize {
        let locked = self.recorder.locked_lanes();
        self.tuning().max_lanes() + locked.min(MOST_LOCKED)
    }

    /// Returns the most lanes that may be at work, with all kinds of extra places.
    pub(super) fn most_lanes(&self) -> usize {
        self.places() * QUARTERS.iter().sum::<usize>() / 4
    }

    /// Returns how long a contact waits for others to go with it: not at all while rate and permits
    /// have room.
    pub(super) fn linger(&self) -> Duration {
        if self.permits.are_short() {
            self.tuning().linger
        } else {
            Duration::ZERO
        }
    }

    /// Returns how many rows a lane may now read at once.
    pub(super) fn page_size(&self) -> u32 {
        self.tuning().page_size(self.notes.lanes_at_work())
    }

    /// Opens the gates that wait for a new token, and ends the rests of the lanes behind them.
    pub(super) fn token_changed(&self) {
        self.gates().token_changed(Instant::now());
        self.bulletin.has_news();
        for reason in WAIT_FOR_A_TOKEN {
            self.notes.forget(reason.as_str());
        }
        self.new_tokens.send_replace(());
    }

    /// Returns the budget that pays for the requests of a lane that waits for this reason. Before lanes and users
    /// that are turned away alone, there is no gate that lets only a few of all of them through.
    pub(super) fn budget(&self, lane: &Lane, reason: &str) -> Option<Budget> {
        let is_alone = || self.gates().is_turned_away_alone(lane);
        budget(reason).or_else(|| is_alone().then_some(Budget::Probes))
    }

    pub(super) fn gates(&self) -> MutexGuard<'_, Gates> {
        self.bulletin.gates()
    }

    /// Changes the gates. Reports the breaker if it opens or closes by the change. Publishes news
    /// if a gate closes or opens, or gets another time for its next try.
    pub(super) fn move_gates<T>(&self, act: impl FnOnce(&mut Gates) -> T) -> T {
        let mut gates = self.gates();
        let now = Instant::now();
        let (before, said) = (gates.breaker_is_open(), told(&gates, now));
        let done = act(&mut gates);
        let open = gates.breaker_is_open();
        let is_news = told(&gates, now) != said;
        drop(gates);
        if is_news {
            self.bulletin.has_news();
        }
        if open != before {
            BreakerMoved { open }.emit();
        }
        done
    }
}
