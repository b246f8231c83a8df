//! A guest: this courier's registration in another database, which keeps its rates
//! (`rate_limit.database_url`).
//!
//! The guest registers there, so that all couriers that share the rates know their number. While
//! that database is away, each sends at its part of the rate, by the number that it last knew.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::lock::lock;
use crate::outbox::{Instance, Outbox, OutboxError, Standing};
use crate::telemetry::event::{SharedRatesAway, SharedRatesBack};

/// Heartbeats per lease time.
const BEATS_PER_LEASE: u32 = 3;

/// The time between two tries while the database is away.
const SOON: Duration = Duration::from_secs(1);

pub(in crate::courier) struct Guest {
    outbox: Arc<dyn Outbox>,
    instance: Instance,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    sharers: u32,
    away_since: Option<Instant>,
}

/// The database that keeps the rates is away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Away {
    pub(super) since: Instant,
    /// The last known number of couriers that share the rates; at least one.
    pub(super) sharers: u32,
}

impl Guest {
    /// Returns a guest in this database that has not registered yet. Its id differs from the
    /// courier's, because the courier may be registered there already, under another address.
    pub(in crate::courier) fn new(outbox: Arc<dyn Outbox>, instance: &Instance) -> Self {
        Self {
            outbox,
            instance: Instance {
                id: Uuid::now_v7(),
                standing: Standing {
                    is_guest: true,
                    ..Standing::default()
                },
                ..instance.clone()
            },
            known: Mutex::new(Known {
                sharers: 1,
                away_since: None,
            }),
        }
    }

    /// Registers, or renews the heartbeat, and reads how many couriers share the rates.
    pub(in crate::courier) async fn register(&self) -> Result<(), OutboxError> {
        self.outbox.beat(&self.instance).await?;
        let sharers = self.outbox.sharers().await?;
        self.answers(u32::try_from(sharers).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Keeps the registration, and notices when the database is back. Does not end.
    pub(in crate::courier) async fn stay(&self) {
        let pause = self.instance.lease / BEATS_PER_LEASE;
        loop {
            sleep(if self.away().is_some() { SOON } else { pause }).await;
            let beat = timeout(pause, self.register()).await;
            let late = || OutboxError::Lost(format!("no answer to a heartbeat within {pause:?}"));
            if let Err(error) = beat.unwrap_or_else(|_| Err(late())) {
                self.misses(&error);
            }
        }
    }

    /// Takes the guest off the list, so that the others count without it.
    pub(in crate::courier) async fn leave(&self) {
        // Without the database the heartbeat runs out by itself.
        self.outbox.retire(self.instance.id).await.ok();
    }

    /// Returns since when the database has been away, if it is.
    pub(super) fn away(&self) -> Option<Away> {
        let known = lock(&self.known);
        let since = known.away_since?;
        let sharers = known.sharers;
        Some(Away { since, sharers })
    }

    fn answers(&self, sharers: u32) {
        let mut known = lock(&self.known);
        known.sharers = sharers.max(1);
        if known.away_since.take().is_some() {
            SharedRatesBack {
                sharers: known.sharers,
            }
            .emit();
        }
    }

    /// Notes that a call has failed, and logs it once.
    pub(super) fn misses(&self, error: &OutboxError) {
        let mut known = lock(&self.known);
        if known.away_since.is_none() {
            known.away_since = Some(Instant::now());
            SharedRatesAway {
                error: &error.to_string(),
                sharers: known.sharers,
            }
            .emit();
        }
    }
}
