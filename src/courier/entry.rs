//! The entry: what a courier writes and asks in the database before it works.
//!
//! A courier that works until it is stopped waits for a database that does not answer: a new start
//! would not bring the answer. For its supervisor and for health checks it works from then on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::bulletin::Bulletin;
use super::heartbeat::{self, LeaseClock};
use super::lifecycle::Lifecycle;
use super::limits::SharedRates;
use super::pauses::Pauses;
use super::pulse::Pulse;
use super::token;
use super::watch::DatabaseWatch;
use crate::outbox::{Instance, LearnedRate, Outbox, OutboxError};
use crate::telemetry::event::{DatabaseAwaited, DatabaseBack};

/// Between two tries.
const RETRY: Duration = Duration::from_secs(1);

/// A database that keeps the rates is told that the courier ends for no longer than that.
const LEAVE_RATES_WITHIN: Duration = Duration::from_secs(3);

/// The tries of a courier that ends when its work is done: a deadlock with another courier is soon
/// over, an outage is not.
const TRIES: u32 = 3;

/// A courier that is about to work.
pub(super) struct Entry {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) instance: Instance,
    pub(super) watch: Arc<DatabaseWatch>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) life: Lifecycle,
    pub(super) bulletin: Arc<Bulletin>,
    /// Where the rates are kept.
    pub(super) rates: SharedRates,
    /// Whether it waits for as long as it takes.
    pub(super) is_patient: bool,
}

/// A courier that is registered, and what the database has told it.
pub(super) struct Entered {
    pub(super) leases: LeaseClock,
    pub(super) heart: AbortOnDropHandle<()>,
    /// Keeps the courier registered where the rates are kept.
    pub(super) guest: Option<AbortOnDropHandle<()>>,
    pub(super) learned: Option<LearnedRate>,
    pub(super) pauses: Pauses,
}

impl Entry {
    /// Registers the courier, ends the holds that a new token may end, and asks what was learned and
    /// ordered before.
    pub(super) async fn enter(&self) -> Result<Entered, OutboxError> {
        let (outbox, rates) = (&*self.outbox, &*self.rates.outbox);
        let guest = self.rates.guest.clone();
        if let Some(guest) = &guest {
            self.insist(async || guest.register().await).await?;
        }
        let (leases, heart) = self.insist(async || self.register().await).await?;
        self.insist(async || token::lift_holds(outbox).await)
            .await?;
        Ok(Entered {
            leases,
            heart,
            guest: guest.map(|guest| {
                AbortOnDropHandle::new(tokio::spawn(async move { guest.stay().await }))
            }),
            learned: self.insist(async || rates.learned_rate().await).await?,
            pauses: self.insist(async || Pauses::at_start(outbox).await).await?,
        })
    }

    /// Keeps what was learned of the rate, without which the next courier learns anew, and lets others
    /// share it without this one.
    pub(super) async fn leave_rates(
        &self,
        learned: Option<LearnedRate>,
        presence: Option<AbortOnDropHandle<()>>,
    ) {
        drop(presence);
        let leaving = async {
            if let Some(learned) = learned {
                self.rates.outbox.keep_rate(&learned).await.ok();
            }
            if let Some(guest) = &self.rates.guest {
                guest.leave().await;
            }
        };
        // What is due is delivered; nobody waits for long because of the rates.
        tokio::time::timeout(LEAVE_RATES_WITHIN, leaving).await.ok();
    }

    async fn register(&self) -> Result<(LeaseClock, AbortOnDropHandle<()>), OutboxError> {
        heartbeat::start(
            Arc::clone(&self.outbox),
            self.instance.clone(),
            Arc::clone(&self.watch),
            Arc::clone(&self.pulse),
            self.life.clone(),
            Arc::clone(&self.bulletin),
            Arc::clone(&self.rates.outbox),
        )
        .await
    }

    /// Calls the database until it answers. Logs once that it waits, and once that it has an answer.
    async fn insist<T>(
        &self,
        call: impl AsyncFn() -> Result<T, OutboxError>,
    ) -> Result<T, OutboxError> {
        let mut failures = 0;
        loop {
            let error = match self.pulse.all_turning(call()).await {
                Err(error) if error.is_transient() => error,
                answer => {
                    if failures > 0 {
                        DatabaseBack.emit();
                    }
                    return answer;
                }
            };
            failures += 1;
            if !self.is_patient && failures == TRIES {
                return Err(error);
            }
            if failures == 1 {
                let error = &error.to_string();
                DatabaseAwaited { error }.emit();
                self.pulse.begin();
            }
            self.pulse.all_turning(sleep(RETRY)).await;
        }
    }
}
