//! The outbox's door for operators.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;

use super::dialect::Dialect;
use super::outbox::SqlOutbox;
use super::{
    cancelling, erasing, failing, finding, history, operating, orders, pruning, results, trying,
};
use crate::contact::{ContactId, Lane};
use crate::outbox::{
    Action, ActionReport, Cancelled, ContactResult, Erasable, Erased, FailedContact, FailureCount,
    FailureCursor, FailureFilter, FailureGroups, FailurePage, FailuresBy, HeldLane, InstanceReport,
    LaneReport, MayGo, NamedContact, Names, Operations, OrderScope, OutboxError, OutcomeCount,
    Overview, Part, Pause, PendingFilter, PendingLane, PhoneStep, PruneStep, Pruning, RedactStep,
    ResultsFrom, ResultsIndex, Resumed, ServerReport, Story, Trial,
};

#[async_trait]
impl<D: Dialect> Operations for SqlOutbox<D> {
    async fn overview(&self) -> Result<Overview, OutboxError> {
        self.watch(|| operating::overview(&self.dialect)).await
    }

    async fn lanes(&self, limit: u32) -> Result<Vec<LaneReport>, OutboxError> {
        self.watch(|| operating::lanes(&self.dialect, limit)).await
    }

    async fn held(&self, limit: u32) -> Result<Vec<HeldLane>, OutboxError> {
        self.watch(|| operating::held(&self.dialect, limit)).await
    }

    async fn failures(
        &self,
        filter: &FailureFilter,
        after: Option<&FailureCursor>,
        limit: u32,
    ) -> Result<FailurePage, OutboxError> {
        self.watch(|| failing::failures(&self.dialect, filter, after, limit))
            .await
    }

    async fn instances(&self) -> Result<Vec<InstanceReport>, OutboxError> {
        self.watch(|| operating::instances(&self.dialect)).await
    }

    async fn failures_named(&self, ids: &[ContactId]) -> Result<Vec<FailedContact>, OutboxError> {
        self.watch(|| failing::named(&self.dialect, ids)).await
    }

    async fn count_failures(
        &self,
        filter: &FailureFilter,
    ) -> Result<Vec<FailureCount>, OutboxError> {
        self.watch(|| failing::count(&self.dialect, filter)).await
    }

    async fn count_failures_by(
        &self,
        filter: &FailureFilter,
        by: FailuresBy,
        limit: u32,
    ) -> Result<FailureGroups, OutboxError> {
        self.watch(|| failing::count_by(&self.dialect, filter, by, limit))
            .await
    }

    async fn find_key(&self, key: &str) -> Result<Option<ContactId>, OutboxError> {
        self.watch(|| finding::key(&self.dialect, key)).await
    }

    async fn results_index(&self) -> Result<ResultsIndex, OutboxError> {
        self.watch(|| results::index(&self.dialect)).await
    }

    async fn make_results_index(&self) -> Result<bool, OutboxError> {
        self.dialect.make_results_index().await
    }

    async fn results(
        &self,
        from: &ResultsFrom,
        limit: u32,
    ) -> Result<Vec<ContactResult>, OutboxError> {
        self.watch(|| results::results(&self.dialect, from, limit))
            .await
    }

    async fn requeue(
        &self,
        ids: &[ContactId],
        may_go: MayGo<'_>,
        action: Option<&Action>,
    ) -> Result<u64, OutboxError> {
        self.watch(|| failing::requeue(&self.dialect, ids, may_go, action))
            .await
    }

    async fn last_contact(&self) -> Result<ContactId, OutboxError> {
        self.watch(|| cancelling::last(&self.dialect)).await
    }

    async fn count_pending(&self, filter: &PendingFilter) -> Result<Vec<PendingLane>, OutboxError> {
        self.watch(|| cancelling::count(&self.dialect, filter))
            .await
    }

    async fn pending(
        &self,
        lane: &Lane,
        filter: &PendingFilter,
        after: ContactId,
    ) -> Result<Vec<ContactId>, OutboxError> {
        self.watch(|| cancelling::pending(&self.dialect, lane, filter, after))
            .await
    }

    async fn on_their_way(&self, lane: &Lane) -> Result<HashSet<ContactId>, OutboxError> {
        self.watch(|| cancelling::going(&self.dialect, lane)).await
    }

    async fn knows(&self, scope: &OrderScope) -> Result<bool, OutboxError> {
        self.watch(|| operating::knows(&self.dialect, scope)).await
    }

    async fn named(&self, names: Names<'_>) -> Result<Vec<NamedContact>, OutboxError> {
        self.watch(|| cancelling::named(&self.dialect, names)).await
    }

    async fn cancel(
        &self,
        lane: &Lane,
        ids: &[ContactId],
        cause: &str,
        action: &Action,
    ) -> Result<Cancelled, OutboxError> {
        self.watch(|| cancelling::cancel(&self.dialect, lane, ids, cause, action))
            .await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, OutboxError> {
        let read = || async {
            let mut session = self.dialect.reading().await?;
            Ok(orders::pauses::<D>(&mut session).await?)
        };
        self.watch(read).await
    }

    async fn pause(
        &self,
        scope: &OrderScope,
        reason: &str,
        last: Option<Duration>,
        action: &Action,
    ) -> Result<(), OutboxError> {
        self.watch(|| orders::pause(&self.dialect, scope, reason, last, action))
            .await
    }

    async fn resume(&self, scope: &OrderScope, action: &Action) -> Result<Resumed, OutboxError> {
        self.watch(|| orders::resume(&self.dialect, scope, action))
            .await
    }

    async fn history(&self, limit: u32) -> Result<Vec<ActionReport>, OutboxError> {
        self.watch(|| history::actions(&self.dialect, limit)).await
    }

    async fn note_action(&self, action: &Action, part: Part) -> Result<(), OutboxError> {
        self.watch(|| history::note_alone(&self.dialect, action, part))
            .await
    }

    async fn story(&self, id: ContactId) -> Result<Option<Story>, OutboxError> {
        self.watch(|| operating::story(&self.dialect, id)).await
    }

    async fn prune_contacts(
        &self,
        pruning: Pruning,
        after: Option<ContactId>,
        action: Option<&Action>,
    ) -> Result<PruneStep<ContactId>, OutboxError> {
        self.watch(|| pruning::contacts(&self.dialect, pruning, after, action))
            .await
    }

    async fn prune_batches(
        &self,
        pruning: Pruning,
        after: Option<&str>,
        action: Option<&Action>,
    ) -> Result<PruneStep<String>, OutboxError> {
        self.watch(|| pruning::batches(&self.dialect, pruning, after, action))
            .await
    }

    async fn find_number(
        &self,
        number: &str,
        before: Option<ContactId>,
    ) -> Result<PhoneStep, OutboxError> {
        self.watch(|| erasing::find(&self.dialect, number, before))
            .await
    }

    async fn erasable(&self, ids: &[ContactId]) -> Result<Vec<(ContactId, Erasable)>, OutboxError> {
        self.watch(|| erasing::standing(&self.dialect, ids)).await
    }

    async fn erase(
        &self,
        ids: &[ContactId],
        action: Option<&Action>,
    ) -> Result<Erased, OutboxError> {
        self.watch(|| erasing::erase(&self.dialect, ids, action))
            .await
    }

    async fn redact(
        &self,
        older_than: Duration,
        after: Option<ContactId>,
    ) -> Result<RedactStep, OutboxError> {
        self.watch(|| erasing::redact(&self.dialect, older_than, after))
            .await
    }

    async fn try_writing(&self) -> Trial {
        let tried = || async { Ok(trying::try_writing(&self.dialect).await) };
        self.watch(tried).await.unwrap_or_else(Trial::Failed)
    }

    async fn try_sharing(&self) -> Trial {
        let tried = || async { Ok(trying::try_sharing(&self.dialect).await) };
        self.watch(tried).await.unwrap_or_else(Trial::Failed)
    }

    async fn server(&self) -> Result<ServerReport, OutboxError> {
        self.watch(|| async { Ok(self.dialect.server().await?) })
            .await
    }

    async fn outcomes(&self) -> Result<Vec<OutcomeCount>, OutboxError> {
        self.watch(|| operating::outcomes(&self.dialect)).await
    }

    async fn numbers_delivered(&self) -> Result<u64, OutboxError> {
        self.watch(|| operating::numbers_delivered(&self.dialect))
            .await
    }
}
