//! Whether writing works, according to the courier's own writes.
//!
//! [`SqlOutbox`](super::SqlOutbox) notes each write; health checks and the status page read the
//! notes. A database can answer every question and take no write: its disk is full, it has become a
//! standby, or its file has lost the right to be written.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::OutboxError;
use crate::lock::lock;

/// A failed record is handed in again until it is written. A failure that lasts longer than this is
/// more than one record in another's way.
const PASSING: Duration = Duration::from_secs(2);

/// How the last heartbeat and the last record went.
#[derive(Clone, Debug, Default)]
pub struct WriteHealth(Arc<Mutex<Troubles>>);

#[derive(Debug, Default)]
struct Troubles {
    beat: Option<String>,
    record: Option<(Instant, String)>,
}

impl WriteHealth {
    /// Returns the error that keeps the courier from writing.
    pub fn trouble(&self) -> Option<String> {
        let troubles = lock(&self.0);
        let lasting = troubles.record.as_ref();
        let lasting = lasting.filter(|(since, _)| since.elapsed() >= PASSING);
        let lasting = lasting.map(|(_, error)| error.clone());
        troubles.beat.clone().or(lasting)
    }

    /// Notes the result of a heartbeat.
    pub(super) fn beat<T>(&self, went: &Result<T, OutboxError>) {
        lock(&self.0).beat = went.as_ref().err().map(ToString::to_string);
    }

    /// Notes the result of a record. A row that is locked or that the database refuses says nothing
    /// about the database.
    pub(super) fn record<T>(&self, went: &Result<T, OutboxError>) {
        let mut troubles = lock(&self.0);
        match went {
            Ok(_) => troubles.record = None,
            Err(OutboxError::Locked(_) | OutboxError::Conflict(_)) => {}
            Err(error) if error.is_transient() => {
                let since = troubles.record.take().map(|(since, _)| since);
                let since = since.unwrap_or_else(Instant::now);
                troubles.record = Some((since, error.to_string()));
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full<T>() -> Result<T, OutboxError> {
        Err(OutboxError::Unavailable("the disk is full".into()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_that_failed_is_trouble_until_the_next_that_does_not() {
        let health = WriteHealth::default();
        assert_eq!(health.trouble(), None);
        health.beat(&full::<()>());
        assert!(health.trouble().unwrap().contains("full"));
        health.record(&Ok(()));
        assert!(health.trouble().is_some());
        health.beat(&Ok(()));
        assert_eq!(health.trouble(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn records_that_go_on_failing_are_trouble_though_the_heart_beats() {
        let health = WriteHealth::default();
        health.record(&full::<()>());
        assert_eq!(health.trouble(), None, "it may pass");
        tokio::time::advance(PASSING).await;
        health.record(&full::<()>());
        health.beat(&Ok(()));
        assert!(health.trouble().unwrap().contains("full"));
        health.record(&Ok(()));
        assert_eq!(health.trouble(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_with_a_row_is_not_the_databases_trouble() {
        let health = WriteHealth::default();
        for error in [
            OutboxError::Locked("by an app".into()),
            OutboxError::Refused("a rule".into()),
        ] {
            health.record(&Err::<(), _>(error));
            tokio::time::advance(PASSING).await;
            assert_eq!(health.trouble(), None);
        }
    }
}
