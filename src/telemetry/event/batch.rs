//! Events of batches and their contacts.

use std::collections::HashSet;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::target::DELIVERY;
use crate::batch::Batch;
use crate::contact::{ContactId, Lane};
use crate::platform::verdict::{Closing, Outcome, Wait};
use crate::settlement::{FailKind, Final, RowOutcome};
use crate::telemetry::metrics::{FAILED, METRICS, SUCCEEDED};

/// A batch has its final answer, and it is recorded.
pub struct BatchClosed<'a> {
    pub batch: &'a Batch,
    pub closing: &'a Closing,
    /// The time from its first step to the commit.
    pub took: Duration,
    /// The time since its rows were read, when each knew how long it had been due.
    pub read_ago: Duration,
}

impl BatchClosed<'_> {
    /// Logs it and counts its contacts.
    pub fn emit(&self) {
        let succeeded = count(&self.closing.settled);
        self.measure();
        self.log(succeeded);
    }

    /// Measures how long the settled contacts took. The samples go into local buckets first, and
    /// then into the shared ones at once.
    fn measure(&self) {
        let settled = &self.closing.settled;
        let ends: Option<HashSet<ContactId>> = (settled.len() < self.batch.contacts.len())
            .then(|| settled.iter().map(|row| row.contact).collect());
        let latency = METRICS.contacts.latency.local();
        for contact in &self.batch.contacts {
            if ends.as_ref().is_none_or(|ends| ends.contains(&contact.id)) {
                latency.observe((contact.due_for + self.read_ago).as_secs_f64());
            }
        }
        latency.flush();
    }

    fn log(&self, succeeded: u64) {
        let Self {
            batch,
            closing,
            took,
            ..
        } = self;
        if closing.outcome == Outcome::TakenApart {
            debug!(target: DELIVERY, batch = %batch.id, lane = %batch.lane, "batch taken apart");
            return;
        }
        info!(target: DELIVERY,
            batch = %batch.id,
            lane = %batch.lane,
            outcome = closing.outcome.as_str(),
            contacts = batch.contacts.len(),
            succeeded,
            failed = closing.settled.len() as u64 - succeeded,
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
    pub batch: &'a Batch,
    pub wait: &'a Wait,
    pub delay: Duration,
    /// Whether the lane was not waiting for this reason already, or the batch not apart.
    pub is_news: bool,
    /// Whether the batch waits alone, and its lane goes on.
    pub is_apart: bool,
}

impl BatchPostponed<'_> {
    /// Counts it, and logs it: loudly when a lane or a batch begins to wait or a lane has a new reason,
    /// quietly while it goes on waiting, so that hours of outage do not fill the log.
    pub fn emit(&self) {
        METRICS
            .contacts
            .retries
            .with_label_values(&[self.wait.reason.as_str()])
            .inc();
        let (batch, lane) = (self.batch.id, &self.batch.lane);
        let outcome = self.wait.reason.as_str();
        let contacts = self.batch.contacts.len();
        let attempts = self.batch.attempts;
        let retry_in_ms = u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX);
        let answer = &self.wait.message;
        if self.is_news && self.is_apart {
            warn!(target: DELIVERY, %batch, %lane, outcome, contacts, attempts, retry_in_ms, answer, "a batch waits by itself");
        } else if self.is_news {
            warn!(target: DELIVERY, %batch, %lane, outcome, contacts, attempts, retry_in_ms, answer, "lane waits");
        } else {
            debug!(target: DELIVERY, %batch, %lane, outcome, contacts, attempts, retry_in_ms, answer, "still waits");
        }
    }
}

/// Rows were refused without being sent, and this is recorded.
pub struct RowsRefused<'a> {
    pub lane: &'a Lane,
    pub rows: &'a [RowOutcome],
}

impl RowsRefused<'_> {
    /// Logs it with the first row's cause, and counts the rows.
    pub fn emit(&self) {
        let Self { lane, rows } = self;
        count(rows);
        let contacts = rows.len();
        let first_cause = rows.first().map_or("", |row| match &row.end {
            Final::Failed { cause, .. } => cause,
            Final::Succeeded => "",
        });
        warn!(target: DELIVERY, %lane, contacts, first_cause, "rows break a rule and are not sent");
    }
}

/// Rows that were never sent have failed, because their lane has been waiting for a person for too
/// long, and this is recorded.
pub struct RowsExpired<'a> {
    pub lane: &'a Lane,
    pub rows: &'a [RowOutcome],
}

impl RowsExpired<'_> {
    pub fn emit(&self) {
        let Self { lane, rows } = self;
        count(rows);
        warn!(target: DELIVERY, %lane, contacts = rows.len(), "rows that waited for a person too long have failed");
    }
}

/// Counts contacts by their end. Returns how many succeeded.
fn count(settled: &[RowOutcome]) -> u64 {
    let mut failed = [0u64; FailKind::ALL.len()];
    for row in settled {
        if let Final::Failed { kind, .. } = &row.end {
            failed[*kind as usize] += 1;
        }
    }
    let succeeded = settled.len() as u64 - failed.iter().sum::<u64>();
    let kinds = FailKind::ALL.iter().zip(failed);
    let failed = kinds.map(|(kind, contacts)| (FAILED, kind.as_str(), contacts));
    for (outcome, kind, contacts) in failed.chain([(SUCCEEDED, "", succeeded)]) {
        if contacts > 0 {
            METRICS
                .contacts
                .ended
                .with_label_values(&[outcome, kind])
                .inc_by(contacts);
        }
    }
    succeeded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_a_counter_of_its_own() {
        for (place, kind) in FailKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{kind}");
        }
    }
}
