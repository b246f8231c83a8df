//! The same limit for what operators ask: a person who waits is told which server did not answer.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{LONG, within};
use crate::contact::ContactId;
use crate::outbox::{
    FailedContact, FailureCount, FailureCursor, FailureFilter, FailurePage, InstanceReport,
    LaneReport, Operations, Outbox, OutboxError, OutcomeCount, Overview, PausedLane, PruneStep,
    Pruning, ServerReport, Story, Trial,
};

/// The operators' door to a database, each of whose calls has a limit of time.
pub struct LimitedOperations {
    operations: Arc<dyn Operations>,
    /// The other door to the same database, which knows its server.
    outbox: Arc<dyn Outbox>,
}

impl LimitedOperations {
    /// Puts the limit around the operators' door to a database.
    pub fn new(operations: Arc<dyn Operations>, outbox: Arc<dyn Outbox>) -> Self {
        Self { operations, outbox }
    }

    async fn limited<T>(
        &self,
        call: impl Future<Output = Result<T, OutboxError>>,
    ) -> Result<T, OutboxError> {
        let began = Instant::now();
        let answer = within(&*self.outbox, LONG, call).await;
        answer.map_err(|error| self.outbox.failed(began, error))
    }
}

#[async_trait]
impl Operations for LimitedOperations {
    async fn overview(&self) -> Result<Overview, OutboxError> {
        self.limited(self.operations.overview()).await
    }

    async fn lanes(&self, limit: u32) -> Result<Vec<LaneReport>, OutboxError> {
        self.limited(self.operations.lanes(limit)).await
    }

    async fn paused(&self, limit: u32) -> Result<Vec<PausedLane>, OutboxError> {
        self.limited(self.operations.paused(limit)).await
    }

    async fn failures(
        &self,
        filter: &FailureFilter,
        after: Option<&FailureCursor>,
        limit: u32,
    ) -> Result<FailurePage, OutboxError> {
        self.limited(self.operations.failures(filter, after, limit))
            .await
    }

    async fn instances(&self) -> Result<Vec<InstanceReport>, OutboxError> {
        self.limited(self.operations.instances()).await
    }

    async fn failures_named(&self, ids: &[ContactId]) -> Result<Vec<FailedContact>, OutboxError> {
        self.limited(self.operations.failures_named(ids)).await
    }

    async fn count_failures(
        &self,
        filter: &FailureFilter,
    ) -> Result<Vec<FailureCount>, OutboxError> {
        self.limited(self.operations.count_failures(filter)).await
    }

    async fn requeue(&self, ids: &[ContactId]) -> Result<u64, OutboxError> {
        self.limited(self.operations.requeue(ids)).await
    }

    async fn story(&self, id: ContactId) -> Result<Option<Story>, OutboxError> {
        self.limited(self.operations.story(id)).await
    }

    async fn prune_contacts(
        &self,
        pruning: Pruning,
        after: Option<ContactId>,
    ) -> Result<PruneStep<ContactId>, OutboxError> {
        self.limited(self.operations.prune_contacts(pruning, after))
            .await
    }

    async fn prune_batches(
        &self,
        pruning: Pruning,
        after: Option<&str>,
    ) -> Result<PruneStep<String>, OutboxError> {
        self.limited(self.operations.prune_batches(pruning, after))
            .await
    }

    async fn server(&self) -> Result<ServerReport, OutboxError> {
        self.limited(self.operations.server()).await
    }

    async fn outcomes(&self) -> Result<Vec<OutcomeCount>, OutboxError> {
        self.limited(self.operations.outcomes()).await
    }

    async fn numbers_delivered(&self) -> Result<u64, OutboxError> {
        self.limited(self.operations.numbers_delivered()).await
    }

    async fn try_writing(&self) -> Trial {
        let tried = async { Ok(self.operations.try_writing().await) };
        self.limited(tried).await.unwrap_or_else(Trial::Failed)
    }
}
