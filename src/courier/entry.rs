//! The entry: the courier's first writes and reads in the database, before it works.
//!
//! A courier that works until it is stopped waits for a database that does not respond: starting
//! the courier again would not help. From then on it counts as working for its supervisor and for
//! health checks.

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

/// The time between two tries.
const RETRY: Duration = Duration::from_secs(1);

/// The time limit for signing off at the database that keeps the rates.
const LEAVE_RATES_WITHIN: Duration = Duration::from_secs(3);

/// The number of tries of a courier that ends when its work is done: a deadlock with another
/// courier is soon over, an outage is not.
const TRIES: u32 = 3;

/// A courier that is about to work.
pub(super) struct Entry {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) instance: Instance,
    pub(super) watch: Arc<DatabaseWatch>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) life: Lifecycle,
    pub(super) bulletin: Arc<Bulletin>,
    /// The database that keeps the rates.
    pub(super) rates: SharedRates,
    /// Whether the courier waits until the database responds.
    pub(super) is_patient: bool,
}

/// A registered courier, with what it has read from the database.
pub(super) struct Entered {
    pub(super) leases: LeaseClock,
    pub(super) heart: AbortOnDropHandle<()>,
    /// Keeps the courier registered where the rates are kept.
    pub(super) guest: Option<AbortOnDropHandle<()>>,
    pub(super) learned: Option<LearnedRate>,
    pub(super) pauses: Pauses,
}

impl Entry {
    /// Registers the courier, ends the holds that a new token may end, and reads the learned rate
    /// and the operators' orders.
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

    /// Keeps the learned rate, so that the next courier need not learn it anew, and signs off where
    /// the rates are kept.
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
        // All due contacts are delivered by now, so the end does not wait long for the rates.
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

    /// Calls the database until it responds. Logs once that it waits, and once that the database is
    /// back.
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
