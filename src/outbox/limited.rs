//! A limit on the time that any call of the outbox may take, and the measure of it.
//!
//! A database whose host vanishes without a word leaves connections that never answer; the server's
//! own limits end with the server. A call that takes too long counts as one that was never answered:
//! the write may have happened, and is handed in again, on another connection. What other transactions
//! came in the way of is done again within that time.

mod operations;
mod patience;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use tokio::time::Instant;

pub use self::operations::LimitedOperations;
use self::patience::Patience;
use super::conflict::retried;
use super::{
    Backlog, Cursor, Insertion, Instance, LaneFound, LaneQuery, Lease, LeasedLane, Outbox,
    OutboxError, Page, RateClaim, Recorded, Write, WriteHealth, server,
};
use crate::batch::BatchId;
use crate::contact::{ContactId, Lane};
use crate::telemetry::event::DatabaseCall;

/// Of a heartbeat, and of a claim that many wait for.
const SHORT: Duration = Duration::from_secs(5);

/// Longer than the limit on a statement in any session of ours, so that a server which still
/// answers has the first word.
const LONG: Duration = Duration::from_secs(150);

/// An outbox each of whose calls is measured, is done again where other transactions were first, and
/// has a limit of time, but for migrating and inserting, which a person watches. How its writes go is
/// noted.
pub struct Limited {
    outbox: Arc<dyn Outbox>,
    patience: Patience,
    writes: WriteHealth,
}

/// Notes a heartbeat that its caller did not wait for to its end.
struct Unanswered<'a>(Option<&'a WriteHealth>);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(health) = self.0 {
            health.beat(&Err::<(), _>(OutboxError::Lost(
                "a heartbeat was not answered in time".into(),
            )));
        }
    }
}

impl Limited {
    /// Puts the limit around an outbox.
    pub fn new(outbox: Arc<dyn Outbox>) -> Self {
        Self {
            outbox,
            patience: Patience::default(),
            writes: WriteHealth::default(),
        }
    }

    /// How its writes go.
    pub fn write_health(&self) -> WriteHealth {
        self.writes.clone()
    }

    /// A call that work waits for.
    async fn hot<T, F>(
        &self,
        operation: &'static str,
        call: impl Fn() -> F,
    ) -> Result<T, OutboxError>
    where
        F: Future<Output = Result<T, OutboxError>>,
    {
        let began = Instant::now();
        let limit = self.patience.limit(operation);
        let answer = self.limited(operation, limit, call).await;
        let took = began.elapsed();
        if answer.is_ok() {
            self.patience.answered(operation, took);
        } else if took >= limit {
            self.patience.given_up(operation, began);
        }
        answer
    }

    async fn limited<T, F>(
        &self,
        operation: &'static str,
        limit: Duration,
        call: impl Fn() -> F,
    ) -> Result<T, OutboxError>
    where
        F: Future<Output = Result<T, OutboxError>>,
    {
        let began = Instant::now();
        let answer = within(&*self.outbox, limit, retried(call)).await;
        let took = began.elapsed();
        DatabaseCall { operation, took }.emit();
        match answer {
            Ok(answer) => {
                self.patience.heard();
                Ok(answer)
            }
            // All connections are in use, and they get answers: the server is only slow.
            Err(OutboxError::NoConnection) if self.patience.has_heard_since(began) => {
                Err(OutboxError::NoConnection)
            }
            Err(error) => Err(self.outbox.failed(began, error)),
        }
    }
}

/// A call within its limit.
async fn within<T>(
    outbox: &dyn Outbox,
    limit: Duration,
    call: impl Future<Output = Result<T, OutboxError>>,
) -> Result<T, OutboxError> {
    // A file is on this host: there a call is only slow, and others wait for their turn.
    let limit = outbox.place().map_or(LONG, |_| limit);
    let answer = tokio::time::timeout(limit, call).await;
    answer.unwrap_or_else(|_| Err(server::too_slow(limit)))
}

#[async_trait]
impl Outbox for Limited {
    fn place(&self) -> Option<String> {
        self.outbox.place()
    }

    fn failed(&self, began: Instant, error: OutboxError) -> OutboxError {
        self.outbox.failed(began, error)
    }

    async fn migrate(&self) -> Result<usize, OutboxError> {
        self.outbox.migrate().await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        self.hot("check_fitness", || self.outbox.check_fitness())
            .await
    }

    async fn check_schema(&self) -> Result<(), OutboxError> {
        self.hot("check_schema", || self.outbox.check_schema())
            .await
    }

    async fn beat(&self, instance: &Instance) -> Result<(), OutboxError> {
        // A caller that has waited long enough drops the call.
        let mut unanswered = Unanswered(Some(&self.writes));
        let went = self
            .limited("beat", SHORT, || self.outbox.beat(instance))
            .await;
        unanswered.0 = None;
        self.writes.beat(&went);
        went
    }

    async fn retire(&self, instance: Uuid) -> Result<(), OutboxError> {
        self.limited("retire", SHORT, || self.outbox.retire(instance))
            .await
    }

    async fn find_lanes(&self, query: &LaneQuery) -> Result<Vec<LaneFound>, OutboxError> {
        self.hot("find_lanes", || self.outbox.find_lanes(query))
            .await
    }

    async fn lease(&self, lane: &Lane, instance: Uuid) -> Result<Option<LeasedLane>, OutboxError> {
        self.hot("lease", || self.outbox.lease(lane, instance))
            .await
    }

    async fn lift_holds(&self, reason: &str) -> Result<u64, OutboxError> {
        self.hot("lift_holds", || self.outbox.lift_holds(reason))
            .await
    }

    async fn release(&self, lease: &Lease) -> Result<(), OutboxError> {
        self.hot("release", || self.outbox.release(lease)).await
    }

    async fn read_page(
        &self,
        lane: &Lane,
        cursor: &Cursor,
        limit: u32,
    ) -> Result<Page, OutboxError> {
        let page = || self.outbox.read_page(lane, cursor, limit);
        self.hot("read_page", page).await
    }

    fn writers(&self) -> usize {
        self.outbox.writers()
    }

    async fn record(&self, writes: &[Write]) -> Result<Vec<Recorded>, OutboxError> {
        let went = self.hot("record", || self.outbox.record(writes)).await;
        self.writes.record(&went);
        went
    }

    async fn try_settling(
        &self,
        lease: &Arc<Lease>,
        contacts: &[ContactId],
        batches: &[BatchId],
    ) -> Result<Recorded, OutboxError> {
        let trial = || self.outbox.try_settling(lease, contacts, batches);
        self.hot("try_settling", trial).await
    }

    async fn locked(&self, contacts: &[ContactId]) -> Result<Vec<ContactId>, OutboxError> {
        self.hot("locked", || self.outbox.locked(contacts)).await
    }

    async fn claim_rate(&self, claim: &RateClaim<'_>) -> Result<i64, OutboxError> {
        let claim = || self.outbox.claim_rate(claim);
        self.limited("claim_rate", SHORT, claim).await
    }

    async fn backlog(&self, instance: Uuid) -> Result<Backlog, OutboxError> {
        self.limited("backlog", LONG, || self.outbox.backlog(instance))
            .await
    }

    async fn begin_insert(&self) -> Result<Box<dyn Insertion>, OutboxError> {
        self.outbox.begin_insert().await
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
            .map_err(|_| server::too_slow(limit))
            .unwrap_err();
        assert!(error.is_transient());
        assert_eq!(
            error.to_string(),
            "the database does not answer: no answer within 10s"
        );
    }
}
