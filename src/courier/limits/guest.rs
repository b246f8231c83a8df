//! A guest: this courier's registration in another database, which keeps its rates
//! (`rate_limit.database_url`).
//!
//! The guest registers there, so that all couriers that share the rates know their number. While
//! that database is away, each sends at its part of the rate, by the number that it last knew. It is
//! also away while it takes heartbeats and no claims.

use std::sync::{Arc, Mutex};

use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::courier::beats;
use crate::lock::lock;
use crate::outbox::{Instance, Outbox, OutboxError, RateClaim, Standing};
use crate::telemetry::event::{SharedRatesAway, SharedRatesBack};

/// The name of a claim that shows whether claims work, if none has failed.
const TRIED: &str = "guest";

pub(in crate::courier) struct Guest {
    outbox: Arc<dyn Outbox>,
    instance: Instance,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    sharers: u32,
    away_since: Option<Instant>,
    /// The name of the first claim that has failed. The database is not back before it works.
    failing: Option<String>,
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
                    guest_of: Some(instance.id.to_string()),
                    ..Standing::default()
                },
                ..instance.clone()
            },
            known: Mutex::new(Known {
                sharers: 1,
                away_since: None,
                failing: None,
            }),
        }
    }

    /// Registers, or renews the heartbeat, reads how many couriers share the rates, and tries
    /// whether claims work.
    pub(in crate::courier) async fn register(&self) -> Result<(), OutboxError> {
        self.outbox.beat(&self.instance).await?;
        let sharers = self.outbox.sharers().await?;
        let failing = lock(&self.known).failing.clone();
        let tried = RateClaim::of_nothing(failing.as_deref().unwrap_or(TRIED));
        self.outbox.claim_rate(&tried).await?;
        let sharers = u32::try_from(sharers).unwrap_or(u32::MAX);
        lock(&self.known).hears(sharers, failing.as_deref());
        Ok(())
    }

    /// Keeps the registration, and notices when the database is back. Does not end.
    pub(in crate::courier) async fn stay(&self) {
        let pause = beats::interval(self.instance.lease);
        loop {
            sleep(if self.away().is_some() {
                beats::SOON
            } else {
                pause
            })
            .await;
            let beat = timeout(pause, self.register()).await;
            if let Err(error) = beat.unwrap_or_else(|_| Err(beats::too_slow(pause))) {
                self.misses(&error, None);
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

    /// Notes that a call has failed, a claim of this name or a heartbeat, and logs it once.
    pub(super) fn misses(&self, error: &OutboxError, claim: Option<&str>) {
        let mut known = lock(&self.known);
        if let Some(claim) = claim {
            known.failing.get_or_insert_with(|| claim.to_owned());
        }
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

impl Known {
    /// Notes that the database took a heartbeat, and a claim in the place of the failing one.
    fn hears(&mut self, sharers: u32, tried: Option<&str>) {
        self.sharers = sharers.max(1);
        // A claim that has failed meanwhile has not been tried.
        if self.failing.as_deref() != tried {
            return;
        }
        self.failing = None;
        if self.away_since.take().is_some() {
            SharedRatesBack {
                sharers: self.sharers,
            }
            .emit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known {
            sharers: 1,
            away_since: None,
            failing: None,
        }
    }

    #[test]
    fn only_the_claim_that_failed_ends_the_outage_that_it_began() {
        let mut known = known();
        (known.away_since, known.failing) = (Some(Instant::now()), Some("all@50".into()));
        known.hears(3, None);
        assert!(known.away_since.is_some(), "it failed after the try began");
        assert_eq!(known.sharers, 3);
        known.hears(3, Some("all@50"));
        assert_eq!((known.away_since, known.failing), (None, None));
    }

    #[test]
    fn a_heartbeat_ends_the_outage_of_heartbeats() {
        let mut known = known();
        known.away_since = Some(Instant::now());
        known.hears(0, None);
        assert_eq!((known.away_since, known.sharers), (None, 1));
    }
}
