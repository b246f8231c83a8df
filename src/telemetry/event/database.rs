//! Events of the database: its troubles, its speed, and its contents.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::target::DATABASE;
use crate::telemetry::metrics::{LANE_STATES, METRICS};

/// After a power failure, the database may have lost commits that it had confirmed.
pub struct NotDurable;

impl NotDurable {
    pub fn emit(&self) {
        warn!(target: DATABASE,
            "the database's innodb_flush_log_at_trx_commit is not 1: after a crash or a loss of \
             power contacts may be sent twice"
        );
    }
}

/// The writes go to another server than before.
pub struct DatabaseMoved<'a> {
    /// The server used before.
    pub from: &'a str,
    /// The server used now.
    pub to: &'a str,
}

impl DatabaseMoved<'_> {
    pub fn emit(&self) {
        info!(target: DATABASE, from = self.from, server = self.to, "another server is used now");
    }
}

/// The server allows fewer connections than the courier may have.
pub struct DatabaseAllowsFewer<'a> {
    pub server: &'a str,
    /// How many there are, with which the courier goes on.
    pub most: u32,
    pub max_connections: u32,
    /// The server's words.
    pub error: &'a str,
}

impl DatabaseAllowsFewer<'_> {
    pub fn emit(&self) {
        warn!(target: DATABASE,
            server = self.server, connections = self.most,
            max_connections = self.max_connections, error = self.error,
            "the server allows fewer connections than database.max_connections; going on with these"
        );
    }
}

/// A migration does not get a lock, because another session uses a table. It is tried again.
pub struct MigrationWaits<'a> {
    /// The server's words.
    pub error: &'a str,
}

impl MigrationWaits<'_> {
    pub fn emit(&self) {
        warn!(target: DATABASE,
            error = self.error,
            "a migration waits for a long transaction or a backup that uses its table; trying again"
        );
    }
}

/// A migration waits for its turn.
pub struct MigrationQueues;

impl MigrationQueues {
    /// Tells it unless it was told.
    pub fn emit_once(self, told: &mut bool) {
        if !std::mem::replace(told, true) {
            warn!(target: DATABASE,
                "a migration waits because another program migrates this database; trying again"
            );
        }
    }
}

/// The database's clock has gone back: instants that it has given lie in its future.
pub struct ClockWentBack;

impl ClockWentBack {
    pub fn emit(&self) {
        warn!(target: DATABASE,
            "the database's clock has gone back; leases, holds and shared rates go by its new time"
        );
    }
}

/// Contacts and batches that ended long ago were deleted.
pub struct Pruned {
    pub contacts: u64,
    /// The number of batches of the journal.
    pub batches: u64,
    pub took: Duration,
}

impl Pruned {
    pub fn emit(&self) {
        info!(target: DATABASE,
            contacts = self.contacts,
            batches = self.batches,
            duration_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "deleted what ended longer ago than retention.older_than"
        );
    }
}

/// Contacts and batches that ended long ago could not be deleted.
pub struct PruningFailed<'a> {
    pub error: &'a str,
}

impl PruningFailed<'_> {
    pub fn emit(&self) {
        warn!(target: DATABASE,
            error = self.error,
            "cannot delete what is older than retention.older_than; trying again later"
        );
    }
}

/// Personal data was taken out of some contacts that ended long ago.
pub struct RedactedSome {
    pub contacts: u64,
}

impl RedactedSome {
    pub fn emit(&self) {
        METRICS.outbox.redacted.inc_by(self.contacts);
    }
}

/// Personal data was taken out of all contacts that ended long ago.
pub struct Redacted {
    pub contacts: u64,
    pub took: Duration,
}

impl Redacted {
    pub fn emit(&self) {
        info!(target: DATABASE,
            contacts = self.contacts,
            duration_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "took what is personal out of what ended longer ago than retention.redact_after"
        );
    }
}

/// Personal data could not be taken out of contacts that ended long ago.
pub struct RedactingFailed<'a> {
    pub error: &'a str,
}

impl RedactingFailed<'_> {
    pub fn emit(&self) {
        warn!(target: DATABASE,
            error = self.error,
            "cannot redact what is older than retention.redact_after; trying again later"
        );
    }
}

/// The database fails to do its work.
pub struct DatabaseTrouble<'a> {
    pub error: &'a str,
    /// Whether the log has not reported it yet.
    pub is_news: bool,
}

impl DatabaseTrouble<'_> {
    pub fn emit(&self) {
        let error = self.error;
        if self.is_news {
            error!(target: DATABASE, error, "database trouble; trying again");
        } else {
            debug!(target: DATABASE, error, "database trouble goes on");
        }
    }
}

/// An outage of the database is over.
pub struct DatabaseBack;

impl DatabaseBack {
    pub fn emit(&self) {
        info!(target: DATABASE, "the database answers again");
    }
}

/// A call of the database has ended, successfully or not.
pub struct DatabaseCall {
    pub operation: &'static str,
    pub took: Duration,
}

impl DatabaseCall {
    pub fn emit(&self) {
        METRICS
            .outbox
            .calls
            .with_label_values(&[self.operation])
            .observe(self.took.as_secs_f64());
    }
}

/// The state of the outbox was read.
pub struct OutboxSeen {
    /// Contacts that are not final.
    pub pending: u64,
    /// How long the oldest due contact has been due; zero if none is due.
    pub oldest: Duration,
    /// In how many seconds all due contacts will be done at the present speed; `None` if unknown.
    pub done_in: Option<f64>,
    /// Lanes by state.
    pub lanes: [(&'static str, u64); 4],
}

impl OutboxSeen {
    pub fn emit(&self) {
        METRICS.outbox.pending.set(precise(self.pending));
        METRICS.outbox.oldest.set(self.oldest.as_secs_f64());
        METRICS.outbox.done_in.set(self.done_in.unwrap_or(f64::NAN));
        for (state, lanes) in self.lanes {
            let gauge = METRICS.outbox.lanes.with_label_values(&[state]);
            gauge.set(precise(lanes));
        }
    }
}

/// The state of the outbox cannot be read.
pub struct OutboxUnseen;

impl OutboxUnseen {
    /// Clears the gauges: a number that was true an hour ago would mislead.
    pub fn emit(&self) {
        METRICS.outbox.pending.set(f64::NAN);
        METRICS.outbox.oldest.set(f64::NAN);
        METRICS.outbox.done_in.set(f64::NAN);
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
