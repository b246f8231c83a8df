//! A limit on the time that any call of the outbox may take, and the measure of it.
//!
//! A database whose host vanishes without a word leaves a connection that never answers; the
//! server's own limits end with the server. A call that takes too long counts as one that was never
//! answered: the write may have happened, and is handed in again. What other transactions came in the
//! way of is done again within that time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use tokio::time::Instant;

use super::conflict::retried;
use super::{
    Backlog, Cursor, Insertion, Instance, LaneFound, LaneQuery, Lease, LeasedLane, Outbox,
    OutboxError, Page, RateClaim, Recorded, Write, WriteHealth,
};
use crate::batch::BatchId;
use crate::contact::{ContactId, Lane};
use crate::telemetry::event::DatabaseCall;

/// Longer than the limit on a statement in any session of ours, so that a server which still
/// answers has the first word.
const LIMIT: Duration = Duration::from_secs(150);

/// An outbox each of whose calls is measured, is done again where other transactions were first, and
/// takes no longer than 150 seconds, but for migrating and inserting, which a person watches. How its
/// writes go is noted.
pub struct Limited(Arc<dyn Outbox>, WriteHealth);

impl Limited {
    /// Puts the limit around an outbox.
    pub fn new(outbox: Arc<dyn Outbox>) -> Self {
        Self(outbox, WriteHealth::default())
    }

    /// How its writes go.
    pub fn write_health(&self) -> WriteHealth {
        self.1.clone()
    }
}

/// Notes a heartbeat that its caller did not wait for to its end.
struct Unanswered<'a>(Option<&'a WriteHealth>);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(health) = self.0 {
            health.beat(&Err::<(), _>(OutboxError::Unavailable(
                "a heartbeat was not answered in time".into(),
            )));
        }
    }
}

async fn limited<T, F>(operation: &'static str, call: impl Fn() -> F) -> Result<T, OutboxError>
where
    F: Future<Output = Result<T, OutboxError>>,
{
    let began = Instant::now();
    let answer = tokio::time::timeout(LIMIT, retried(call)).await;
    let took = began.elapsed();
    DatabaseCall { operation, took }.emit();
    answer.unwrap_or_else(|_| Err(too_slow()))
}

fn too_slow() -> OutboxError {
    OutboxError::Unavailable(format!("no answer within {} seconds", LIMIT.as_secs()))
}

#[async_trait]
impl Outbox for Limited {
    async fn migrate(&self) -> Result<usize, OutboxError> {
        self.0.migrate().await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        limited("check_fitness", || self.0.check_fitness()).await
    }

    async fn check_schema(&self) -> Result<(), OutboxError> {
        limited("check_schema", || self.0.check_schema()).await
    }

    async fn beat(&self, instance: &Instance) -> Result<(), OutboxError> {
        // A caller that has waited long enough drops the call.
        let mut unanswered = Unanswered(Some(&self.1));
        let went = limited("beat", || self.0.beat(instance)).await;
        unanswered.0 = None;
        self.1.beat(&went);
        went
    }

    async fn retire(&self, instance: Uuid) -> Result<(), OutboxError> {
        limited("retire", || self.0.retire(instance)).await
    }

    async fn find_lanes(&self, query: &LaneQuery) -> Result<Vec<LaneFound>, OutboxError> {
        limited("find_lanes", || self.0.find_lanes(query)).await
    }

    async fn lease(&self, lane: &Lane, instance: Uuid) -> Result<Option<LeasedLane>, OutboxError> {
        limited("lease", || self.0.lease(lane, instance)).await
    }

    async fn lift_holds(&self, reason: &str) -> Result<u64, OutboxError> {
        limited("lift_holds", || self.0.lift_holds(reason)).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), OutboxError> {
        limited("release", || self.0.release(lease)).await
    }

    async fn read_page(
        &self,
        lane: &Lane,
        cursor: &Cursor,
        limit: u32,
    ) -> Result<Page, OutboxError> {
        limited("read_page", || self.0.read_page(lane, cursor, limit)).await
    }

    fn writers(&self) -> usize {
        self.0.writers()
    }

    async fn record(&self, writes: &[Write]) -> Result<Vec<Recorded>, OutboxError> {
        let went = limited("record", || self.0.record(writes)).await;
        self.1.record(&went);
        went
    }

    async fn try_settling(
        &self,
        lease: &Arc<Lease>,
        contacts: &[ContactId],
        batches: &[BatchId],
    ) -> Result<Recorded, OutboxError> {
        limited("try_settling", || {
            self.0.try_settling(lease, contacts, batches)
        })
        .await
    }

    async fn locked(&self, contacts: &[ContactId]) -> Result<Vec<ContactId>, OutboxError> {
        limited("locked", || self.0.locked(contacts)).await
    }

    async fn claim_rate(&self, claim: &RateClaim<'_>) -> Result<i64, OutboxError> {
        limited("claim_rate", || self.0.claim_rate(claim)).await
    }

    async fn backlog(&self, instance: Uuid) -> Result<Backlog, OutboxError> {
        limited("backlog", || self.0.backlog(instance)).await
    }

    async fn begin_insert(&self) -> Result<Box<dyn Insertion>, OutboxError> {
        self.0.begin_insert().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_never_answered_ends_as_a_database_that_is_away() {
        let error = limited::<(), _>("record", std::future::pending)
            .await
            .unwrap_err();
        assert!(error.is_transient());
        assert_eq!(
            error.to_string(),
            "the database does not answer: no answer within 150 seconds"
        );
    }
}
