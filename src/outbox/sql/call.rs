//! Limits the time of every call of the outbox, and measures it.
//!
//! A database whose host vanishes without a word leaves connections that never answer, and the
//! server's own limits end with the server. A call that takes too long counts as one that was never
//! answered: the write may have happened, and is handed in again, on another connection. A call
//! that lost against another transaction is made again within the same limit.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::dialect::Dialect;
use super::patience::{LONGEST, Patience};
use crate::outbox::conflict::retried;
use crate::outbox::error::SqlError;
use crate::outbox::{OutboxError, WriteHealth, network};
use crate::telemetry::event::DatabaseCall;

/// The limit of a heartbeat, and of a claim that many wait for.
const SHORT: Duration = Duration::from_secs(5);

/// A server that is there has answered some call within this time: couriers look for new contacts more
/// often.
const LATELY: Duration = Duration::from_secs(3);

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
        answer.map_err(|error| self.blamed(dialect, (began, within), error))
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
        answer.map_err(|error| self.blamed(dialect, (began, LONGEST), error))
    }

    /// Gives up what is to blame for the failure of a call that began then and had so long.
    fn blamed<D: Dialect>(
        &self,
        dialect: &D,
        (began, within): (Instant, Duration),
        error: OutboxError,
    ) -> OutboxError {
        if is_only_slow(&self.patience, &error, began, within) {
            at(dialect.place(), error)
        } else {
            dialect.failed(began, error)
        }
    }
}

/// Whether the server was only slow with a call: it answers others, so their connections are good.
fn is_only_slow(
    patience: &Patience,
    error: &OutboxError,
    began: Instant,
    within: Duration,
) -> bool {
    match error {
        // All connections were in use.
        OutboxError::NoConnection => patience.has_heard_since(began),
        // A server that vanished during the call has answered nothing since.
        OutboxError::Lost(_) => {
            let limit = began + within;
            limit <= Instant::now() && patience.has_heard_since(limit - LATELY.min(within))
        }
        _ => false,
    }
}

/// Says which server did not answer in time.
fn at(place: Option<String>, error: OutboxError) -> OutboxError {
    match (place, error) {
        (Some(place), OutboxError::Lost(why)) => OutboxError::Lost(format!("{why} ({place})")),
        (_, error) => error,
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
    network::limited(limit, retried(translated)).await
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
        let error = network::limited(limit, std::future::pending::<Result<(), _>>())
            .await
            .unwrap_err();
        assert!(error.is_transient());
        assert_eq!(
            error.to_string(),
            "the database does not answer: no answer within 10s"
        );
    }
    const LIMIT: Duration = Duration::from_secs(10);

    /// A call comes to its limit; the server's last answer to another one came so long after it began.
    async fn comes_to_its_limit(heard_after: Duration) -> bool {
        let patience = Patience::default();
        let began = Instant::now();
        tokio::time::advance(heard_after).await;
        patience.heard();
        tokio::time::advance(LIMIT.saturating_sub(heard_after)).await;
        is_only_slow(&patience, &network::too_slow(LIMIT), began, LIMIT)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_call_does_not_cost_the_connections_of_others_that_are_answered() {
        assert!(comes_to_its_limit(Duration::from_secs(9)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_vanishes_during_a_call_loses_all_connections() {
        assert!(!comes_to_its_limit(Duration::from_secs(2)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_breaks_before_the_limit_condemns_the_others() {
        let patience = Patience::default();
        let began = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        patience.heard();
        let broken = OutboxError::Lost("Broken pipe".into());
        assert!(!is_only_slow(&patience, &broken, began, LIMIT));
        assert!(is_only_slow(
            &patience,
            &OutboxError::NoConnection,
            began,
            LIMIT
        ));
    }

    #[test]
    fn the_place_of_a_slow_server_is_told() {
        let told = at(Some("db1:5432".into()), network::too_slow(LIMIT));
        let words = "the database does not answer: no answer within 10s (db1:5432)";
        assert_eq!(told.to_string(), words);
    }
}
