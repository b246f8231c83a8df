//! Limits the time of every call of the outbox, and measures it.
//!
//! A database whose host vanishes without a word leaves connections that never answer, and the
//! server's own limits end with the server. A call that takes too long counts as one that was never
//! answered: the write may have happened, and is handed in again, on another connection. A call
//! that lost against another transaction is made again within the same limit.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::dialect::Dialect;
use super::patience::{LONGEST, Patience};
use crate::outbox::conflict::retried;
use crate::outbox::error::SqlError;
use crate::outbox::{OutboxError, WriteHealth, network};
use crate::telemetry::event::DatabaseCall;

/// The limit of a heartbeat, and of a claim that many wait for.
const SHORT: Duration = Duration::from_secs(5);

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    Short,
    Long,
    /// Work waits for the call. The limit is usually short, and longer where the database is slow.
    Patient,
}

/// The calls to one database.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    patience: Arc<Patience>,
    pub(super) writes: WriteHealth,
}

impl Calls {
    /// Makes a call of the courier's, which is measured under its name.
    pub(super) async fn measured<D, T, F>(
        &self,
        dialect: &D,
        (operation, limit): (&'static str, Limit),
        call: impl Fn() -> F,
    ) -> Result<T, OutboxError>
    where
        D: Dialect,
        F: Future<Output = Result<T, SqlError>>,
    {
        let began = Instant::now();
        let within = match limit {
            Limit::Short => SHORT,
            Limit::Long => LONGEST,
            Limit::Patient => self.patience.limit(operation),
        };
        let answer = limited(dialect, within, call).await;
        let took = began.elapsed();
        DatabaseCall { operation, took }.emit();
        if answer.is_ok() {
            self.patience.heard();
        }
        if matches!(limit, Limit::Patient) {
            if answer.is_ok() {
                self.patience.answered(operation, took);
            } else if took >= within {
                self.patience.given_up(operation, began);
            }
        }
        answer.map_err(|error| match error {
            // All connections are in use, and they get answers: the server is only slow.
            OutboxError::NoConnection if self.patience.has_heard_since(began) => error,
            error => dialect.failed(began, error),
        })
    }

    /// Makes an operator's call: the waiting person is told which server did not answer.
    pub(super) async fn watched<D, T, F>(
        &self,
        dialect: &D,
        call: impl Fn() -> F,
    ) -> Result<T, OutboxError>
    where
        D: Dialect,
        F: Future<Output = Result<T, SqlError>>,
    {
        let began = Instant::now();
        let answer = limited(dialect, LONGEST, call).await;
        answer.map_err(|error| dialect.failed(began, error))
    }
}

/// Makes a call within its limit, and again while other transactions are first.
async fn limited<D, T, F>(
    dialect: &D,
    limit: Duration,
    call: impl Fn() -> F,
) -> Result<T, OutboxError>
where
    D: Dialect,
    F: Future<Output = Result<T, SqlError>>,
{
    // A file is on this host: there a call is only slow, and others wait for their turn.
    let limit = dialect.place().map_or(LONGEST, |_| limit);
    let translated = || async { call().await.map_err(|error| error.translated(D::translate)) };
    let answer = timeout(limit, retried(translated)).await;
    answer.unwrap_or_else(|_| Err(network::too_slow(limit)))
}

/// Notes a heartbeat whose caller did not wait until its end.
pub(super) struct Unanswered<'a>(pub(super) Option<&'a WriteHealth>);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(health) = self.0 {
            health.beat(&Err::<(), _>(OutboxError::Lost(
                "a heartbeat was not answered in time".into(),
            )));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_never_answered_ends_as_a_database_that_is_away() {
        let limit = Duration::from_secs(10);
        let error = tokio::time::timeout(limit, std::future::pending::<()>())
            .await
            .map_err(|_| network::too_slow(limit))
            .unwrap_err();
        assert!(error.is_transient());
        assert_eq!(
            error.to_string(),
            "the database does not answer: no answer within 10s"
        );
    }
}
