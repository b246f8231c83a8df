//! What the courier tells about itself: one struct per event, whose `emit` writes its log line.
//!
//! A message can be read alone and its fields can be queried; units stand in the names. Nothing in
//! here holds a phone number or a token.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use crate::batch::{Batch, BatchId};
use crate::contact::Lane;
use crate::outbox::OutboxError;
use crate::platform::verdict::{Closing, Outcome, Wait};
use crate::settlement::Final;

/// The courier begins.
pub struct Started<'a> {
    /// This instance.
    pub instance: &'a str,
    /// Where batches go.
    pub base_url: &'a str,
    /// Where contacts come from, without its password.
    pub database: &'a str,
}

impl Started<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let Self {
            instance,
            base_url,
            database,
        } = self;
        info!(
            version = env!("CARGO_PKG_VERSION"),
            instance, base_url, database, "courier started"
        );
    }
}

/// The database may forget what it has confirmed when the power fails.
pub struct NotDurable;

impl NotDurable {
    /// Logs it.
    pub fn emit(&self) {
        warn!(
            "the database's innodb_flush_log_at_trx_commit is not 1: after a crash or a loss of \
             power contacts may be sent twice"
        );
    }
}

/// The courier was asked to end.
pub struct Stopping<'a> {
    /// By what.
    pub because: &'a str,
    /// How long requests in flight have to finish.
    pub grace: Duration,
}

impl Stopping<'_> {
    /// Logs it.
    pub fn emit(&self) {
        info!(
            because = self.because,
            grace_s = self.grace.as_secs(),
            "stopping: no new sends, those in flight finish"
        );
    }
}

/// The courier has ended.
pub struct Stopped {
    /// Whether everything in flight was settled first.
    pub clean: bool,
}

impl Stopped {
    /// Logs it.
    pub fn emit(&self) {
        if self.clean {
            info!("courier stopped; nothing is in flight");
        } else {
            warn!(
                "courier stopped before all was settled; the next start goes on from the journal"
            );
        }
    }
}

/// A batch has its final answer, and it is recorded.
pub struct BatchClosed<'a> {
    /// The batch.
    pub batch: &'a Batch,
    /// Its end.
    pub closing: &'a Closing,
    /// From its first step to the commit.
    pub took: Duration,
}

impl BatchClosed<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let Self {
            batch,
            closing,
            took,
        } = self;
        let succeeded = closing
            .settled
            .iter()
            .filter(|row| row.end == Final::Succeeded)
            .count();
        if closing.outcome == Outcome::TakenApart {
            debug!(batch = %batch.id, lane = %batch.lane, "batch taken apart");
            return;
        }
        info!(
            batch = %batch.id,
            lane = %batch.lane,
            outcome = closing.outcome.as_str(),
            contacts = batch.contacts.len(),
            succeeded,
            failed = closing.settled.len() - succeeded,
            asked_again = closing.unsettled.len(),
            attempts = batch.attempts,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            answer = closing.answer,
            "batch closed"
        );
    }
}

/// A batch waits to be sent again.
pub struct BatchPostponed<'a> {
    /// The batch.
    pub batch: &'a Batch,
    /// Why.
    pub wait: &'a Wait,
    /// For how long.
    pub delay: Duration,
    /// Whether the lane was not waiting for this reason already.
    pub news: bool,
}

impl BatchPostponed<'_> {
    /// Logs it: loudly when a lane begins to wait or has a new reason, quietly while it goes on, so
    /// that hours of outage do not fill the log.
    pub fn emit(&self) {
        let (batch, lane) = (self.batch.id, &self.batch.lane);
        let outcome = self.wait.reason.as_str();
        let contacts = self.batch.contacts.len();
        let attempts = self.batch.attempts;
        let retry_in_ms = u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX);
        let answer = &self.wait.message;
        if self.news {
            warn!(%batch, %lane, outcome, contacts, attempts, retry_in_ms, answer, "lane waits");
        } else {
            debug!(%batch, %lane, outcome, contacts, attempts, retry_in_ms, answer, "still waits");
        }
    }
}

/// The token file has changed.
pub struct TokenChanged {
    /// Lanes that were on hold for it and go on.
    pub lanes: u64,
}

impl TokenChanged {
    /// Logs it.
    pub fn emit(&self) {
        info!(
            lanes = self.lanes,
            "the token has changed; what waited for another one goes on"
        );
    }
}

/// A lane begins to wait, or has a new reason to, though no batch of it waits.
pub struct LanePaused<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// Why.
    pub wait: &'a Wait,
    /// For how long.
    pub delay: Duration,
}

impl LanePaused<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let reason = self.wait.reason.as_str();
        let retry_in_ms = u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX);
        let answer = &self.wait.message;
        warn!(lane = %self.lane, outcome = reason, retry_in_ms, answer, "lane waits");
    }
}

/// A lane that waited gets on again.
pub struct LaneRecovered<'a> {
    /// The lane.
    pub lane: &'a Lane,
}

impl LaneRecovered<'_> {
    /// Logs it.
    pub fn emit(&self) {
        info!(lane = %self.lane, "lane goes on");
    }
}

/// Rows were refused without being sent.
pub struct RowsRefused<'a> {
    /// Their lane.
    pub lane: &'a Lane,
    /// How many.
    pub contacts: usize,
    /// What is wrong with the first.
    pub first_cause: &'a str,
}

impl RowsRefused<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let Self {
            lane,
            contacts,
            first_cause,
        } = self;
        warn!(%lane, contacts, first_cause, "rows break a rule and are not sent");
    }
}

/// Open batches of an earlier owner were taken over.
pub struct TakenOver<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// How many batches.
    pub batches: usize,
    /// How many of them may have been delivered.
    pub maybe_delivered: usize,
}

impl TakenOver<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let Self {
            lane,
            batches,
            maybe_delivered,
        } = self;
        info!(%lane, batches, maybe_delivered, "open batches taken over from an earlier courier");
    }
}

/// A lane was given up, for it has another owner or may have one.
pub struct LeaseLost<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// The batch that was not sent or not settled for it, if any.
    pub batch: Option<BatchId>,
}

impl LeaseLost<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let batch = self.batch.map(|batch| batch.to_string());
        warn!(lane = %self.lane, batch, "lease lost; another courier goes on with this lane");
    }
}

/// Something failed that is a defect of ours or of the set-up.
pub struct LaneFailed<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// What.
    pub error: &'a str,
}

impl LaneFailed<'_> {
    /// Logs it.
    pub fn emit(&self) {
        error!(lane = %self.lane, error = self.error, "lane dropped; it is tried again later");
    }
}

/// Tells when the database goes away and when it is back, once each.
#[derive(Debug, Default)]
pub struct DatabaseWatch(Mutex<Option<String>>);

impl DatabaseWatch {
    /// A call succeeded.
    pub fn works(&self) {
        if self.lock().take().is_some() {
            info!("the database answers again");
        }
    }

    /// A call failed.
    pub fn fails(&self, error: &OutboxError) {
        let text = error.to_string();
        let mut last = self.lock();
        if last.is_none() || !error.is_transient() && last.as_ref() != Some(&text) {
            error!(error = text, "database trouble; trying again");
        } else {
            debug!(error = text, "database trouble goes on");
        }
        *last = Some(text);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        // The value is replaced whole, so a panic elsewhere cannot have left it half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        info!(
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
        warn!(
            error = self.error,
            "cannot delete what is older than retention.older_than; trying again later"
        );
    }
}
