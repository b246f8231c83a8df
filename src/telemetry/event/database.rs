//! The database: its troubles, its speed, and what is in it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::DATABASE;
use crate::outbox::OutboxError;
use crate::telemetry::metrics::{LANE_STATES, METRICS};

/// The database may forget what it has confirmed when the power fails.
pub struct NotDurable;

impl NotDurable {
    /// Logs it.
    pub fn emit(&self) {
        warn!(target: DATABASE,
            "the database's innodb_flush_log_at_trx_commit is not 1: after a crash or a loss of \
             power contacts may be sent twice"
        );
    }
}

/// What was done long ago was deleted.
pub struct Pruned {
    /// How many contacts.
    pub contacts: u64,
    /// How many batches of the journal.
    pub batches: u64,
    /// How long it took.
    pub took: Duration,
}

impl Pruned {
    /// Logs it.
    pub fn emit(&self) {
        info!(target: DATABASE,
            contacts = self.contacts,
            batches = self.batches,
            duration_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "deleted what ended longer ago than retention.older_than"
        );
    }
}

/// What was done long ago could not be deleted.
pub struct PruningFailed<'a> {
    /// Why.
    pub error: &'a str,
}

impl PruningFailed<'_> {
    /// Logs it.
    pub fn emit(&self) {
        warn!(target: DATABASE,
            error = self.error,
            "cannot delete what is older than retention.older_than; trying again later"
        );
    }
}

/// Tells when the database goes away and when it is back, once each.
#[derive(Debug, Default)]
pub struct DatabaseWatch(Mutex<Option<String>>);

impl DatabaseWatch {
    /// A call succeeded.
    pub fn works(&self) {
        if self.lock().take().is_some() {
            info!(target: DATABASE, "the database answers again");
        }
    }

    /// A call failed.
    pub fn fails(&self, error: &OutboxError) {
        let text = error.to_string();
        let mut last = self.lock();
        if last.is_none() || !error.is_transient() && last.as_ref() != Some(&text) {
            error!(target: DATABASE, error = text, "database trouble; trying again");
        } else {
            debug!(target: DATABASE, error = text, "database trouble goes on");
        }
        *last = Some(text);
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        // The value is replaced whole, so a panic elsewhere cannot have left it half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call of the database has ended, well or not.
pub struct DatabaseCall {
    /// The name of the call.
    pub operation: &'static str,
    /// How long it took.
    pub took: Duration,
}

impl DatabaseCall {
    /// Measures it.
    pub fn emit(&self) {
        METRICS
            .outbox
            .calls
            .with_label_values(&[self.operation])
            .observe(self.took.as_secs_f64());
    }
}

/// What is in the outbox was looked at.
pub struct OutboxSeen {
    /// Contacts that are not final.
    pub pending: u64,
    /// How long the oldest of those that are due has been due; zero if there is none.
    pub oldest: Duration,
    /// Lanes by state.
    pub lanes: [(&'static str, u64); 4],
}

impl OutboxSeen {
    /// Sets the gauges.
    pub fn emit(&self) {
        METRICS.outbox.pending.set(precise(self.pending));
        METRICS.outbox.oldest.set(self.oldest.as_secs_f64());
        for (state, lanes) in self.lanes {
            let gauge = METRICS.outbox.lanes.with_label_values(&[state]);
            gauge.set(precise(lanes));
        }
    }
}

/// What is in the outbox cannot be looked at.
pub struct OutboxUnseen;

impl OutboxUnseen {
    /// Takes back what the gauges said: a number that was true an hour ago would mislead.
    pub fn emit(&self) {
        METRICS.outbox.pending.set(f64::NAN);
        METRICS.outbox.oldest.set(f64::NAN);
        for state in LANE_STATES {
            METRICS
                .outbox
                .lanes
                .with_label_values(&[state])
                .set(f64::NAN);
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; it is precise up to nine thousand million million"
)]
fn precise(count: u64) -> f64 {
    count as f64
}
