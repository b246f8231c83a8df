//! The heartbeat: it keeps this instance's leases good, and tells when they may no longer be.
//!
//! A courier that could not renew its heartbeat for the lease time stops sending by itself, for
//! others may have taken its lanes over. The lease is counted from *before* the last heartbeat was
//! sent, so this side always stops first.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::lifecycle::Lifecycle;
use super::pulse::Pulse;
use super::watch::{DatabaseWatch, DatabaseWork};
use crate::outbox::{Instance, Outbox, OutboxError};

/// Heartbeats per lease time: two may fail before the lease is lost.
const BEATS_PER_LEASE: u32 = 3;

/// A failed heartbeat is tried again this soon, so that work goes on as soon as the database is
/// back.
const SOON: Duration = Duration::from_secs(1);

/// Knows until when this instance's leases are good.
#[derive(Clone, Debug)]
pub(super) struct LeaseClock(watch::Receiver<Instant>);

impl LeaseClock {
    /// Whether leases of this instance are good now.
    pub(super) fn is_good(&self) -> bool {
        Instant::now() < *self.0.borrow()
    }
}

/// Returns the time between two heartbeats.
pub(super) fn interval(lease: Duration) -> Duration {
    lease / BEATS_PER_LEASE
}

/// Registers the instance and keeps its heart beating until the returned task is aborted.
pub(super) async fn start(
    outbox: Arc<dyn Outbox>,
    instance: Instance,
    watch: Arc<DatabaseWatch>,
    pulse: Arc<Pulse>,
    life: Lifecycle,
) -> Result<(LeaseClock, tokio::task::JoinHandle<()>), OutboxError> {
    let good_until = Instant::now() + instance.lease;
    outbox.beat(&instance).await?;
    let (sender, receiver) = watch::channel(good_until);
    let task = tokio::spawn(async move {
        tokio::select! {
            () = beat(outbox, instance, watch, pulse, sender) => {}
            () = life.killed() => {}
        }
    });
    Ok((LeaseClock(receiver), task))
}

async fn beat(
    outbox: Arc<dyn Outbox>,
    instance: Instance,
    watch: Arc<DatabaseWatch>,
    pulse: Arc<Pulse>,
    good_until: watch::Sender<Instant>,
) {
    let pause = interval(instance.lease);
    let mut failed = false;
    loop {
        pulse.heartbeat.turn();
        tokio::time::sleep(if failed { pause.min(SOON) } else { pause }).await;
        let begun = Instant::now();
        // A heartbeat that hangs must not keep the next one from being tried.
        let beat = tokio::time::timeout(pause, outbox.beat(&instance));
        let beat = pulse.heartbeat.turning(beat).await;
        let beat = beat.unwrap_or_else(|_| Err(outbox.failed(begun, too_slow(pause))));
        watch.note(DatabaseWork::Heartbeat, begun, &beat);
        failed = beat.is_err();
        if !failed {
            good_until.send_replace(begun + instance.lease);
        }
    }
}

fn too_slow(limit: Duration) -> OutboxError {
    OutboxError::Lost(format!("no answer to a heartbeat within {limit:?}"))
}
