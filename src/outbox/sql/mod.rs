//! The outbox on a database that speaks SQL, written once for all of them.
//!
//! [`dialect`] says what a database must bring, [`statements`] which statements those are. Here each
//! call of the two doors gets a session, asks ([`ask`]) and reads what is returned
//! (`outbox::rows`, `outbox::operations`), within the limits of [`call`].

pub(super) mod ask;
mod call;
mod cancelling;
pub(super) mod dialect;
mod driver;
mod erasing;
mod failing;
mod finding;
mod history;
pub(super) mod inserting;
pub(super) mod leasing;
pub(super) mod migrating;
mod operating;
mod orders;
mod patience;
mod pruning;
pub(super) mod rates;
pub(super) mod reading;
pub(super) mod recording;
mod results;
pub(super) mod session;
pub(super) mod statements;
mod trying;
pub(super) mod value;
pub(super) mod written;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

use self::call::{Calls, Limit, Unanswered};
use self::dialect::Dialect;
use self::failing::plain;
use super::error::SqlError;
use super::page::Reader;
use super::{
    Action, ActionReport, Backlog, Cancelled, ContactResult, Cursor, Erasable, Erased,
    FailedContact, FailureCount, FailureCursor, FailureFilter, FailureGroups, FailurePage,
    FailuresBy, Insertion, Instance, InstanceReport, LaneFound, LaneQuery, LaneReport, LearnedRate,
    Lease, LeasedLane, NamedContact, Names, Operations, OrderScope, Orders, Outbox, OutboxError,
    OutcomeCount, Overview, Page, PageLimit, Part, Pause, PausedLane, PendingFilter, PendingLane,
    PhoneStep, PruneStep, Pruning, RateClaim, Recorded, RedactStep, ResultsFrom, ResultsIndex,
    Resumed, ServerReport, Story, Trial, Write, WriteHealth,
};
use crate::batch::BatchId;
use crate::contact::{ContactId, Lane, MAX_CONTACT_BYTES};

/// How many actions a courier looks at: more than people do in a few seconds.
const NEWEST_ACTIONS: u32 = 50;

/// The outbox on a database of this kind, behind both of its doors.
///
/// Each call has a limit of time, but for migrating and inserting, which a person watches. How the
/// writes go is noted.
#[derive(Clone, Debug)]
pub struct SqlOutbox<D> {
    pub(super) dialect: D,
    calls: Calls,
    /// The most bytes of a contact.
    longest: u64,
}

impl<D> SqlOutbox<D> {
    pub(super) fn new(dialect: D) -> Self {
        Self {
            dialect,
            calls: Calls::default(),
            longest: MAX_CONTACT_BYTES,
        }
    }

    /// Never reads the texts of a contact whole that is longer than this.
    #[must_use]
    pub fn with_longest_contact(self, bytes: u64) -> Self {
        Self {
            longest: bytes,
            ..self
        }
    }

    /// How its writes go.
    pub fn write_health(&self) -> WriteHealth {
        self.calls.writes.clone()
    }

    async fn call<T, F>(
        &self,
        operation: &'static str,
        limit: Limit,
        call: impl Fn() -> F,
    ) -> Result<T, OutboxError>
    where
        D: Dialect,
        F: Future<Output = Result<T, SqlError>>,
    {
        let operation = (operation, limit);
        self.calls.measured(&self.dialect, operation, call).await
    }

    async fn watch<T, F>(&self, call: impl Fn() -> F) -> Result<T, OutboxError>
    where
        D: Dialect,
        F: Future<Output = Result<T, SqlError>>,
    {
        self.calls.watched(&self.dialect, call).await
    }
}

#[async_trait]
impl<D: Dialect> Outbox for SqlOutbox<D> {
    fn place(&self) -> Option<String> {
        self.dialect.place()
    }

    fn failed(&self, began: Instant, error: OutboxError) -> OutboxError {
        self.dialect.failed(began, error)
    }

    async fn migrate(&self) -> Result<usize, OutboxError> {
        self.dialect.migrate().await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        let check = || async { Ok(self.dialect.check_fitness().await?) };
        self.call("check_fitness", Limit::Patient, check).await
    }

    async fn check_schema(&self) -> Result<(), OutboxError> {
        let check = || migrating::check(&self.dialect);
        self.call("check_schema", Limit::Patient, check).await
    }

    async fn beat(&self, instance: &Instance) -> Result<bool, OutboxError> {
        let writes = &self.calls.writes;
        // A caller that has waited long enough drops the call.
        let mut unanswered = Unanswered(Some(writes));
        let beat = || leasing::beat(&self.dialect, instance);
        let went = self.call("beat", Limit::Short, beat).await;
        unanswered.0 = None;
        writes.beat(&went);
        went
    }

    async fn keep_rate(&self, learned: &LearnedRate) -> Result<(), OutboxError> {
        let keep = || leasing::keep_rate(&self.dialect, learned);
        self.call("keep_rate", Limit::Short, keep).await
    }

    async fn learned_rate(&self) -> Result<Option<LearnedRate>, OutboxError> {
        let read = || leasing::learned_rate(&self.dialect);
        self.call("learned_rate", Limit::Short, read).await
    }

    async fn sharers(&self) -> Result<usize, OutboxError> {
        let count = || operating::sharers(&self.dialect);
        self.call("sharers", Limit::Short, count).await
    }

    async fn bring_back(&self, longest_hold: Duration) -> Result<(), OutboxError> {
        let bring = || leasing::bring_back(&self.dialect, longest_hold);
        self.call("bring_back", Limit::Patient, bring).await
    }

    async fn retire(&self, instance: Uuid) -> Result<(), OutboxError> {
        let retire = || leasing::retire(&self.dialect, instance);
        self.call("retire", Limit::Short, retire).await
    }

    async fn newest(&self) -> Result<i64, OutboxError> {
        let newest = || async { Ok(self.dialect.newest().await?) };
        self.call("newest", Limit::Short, newest).await
    }

    async fn newest_lanes(&self, behind: i64, newest: i64) -> Result<Vec<Lane>, OutboxError> {
        let newest = || reading::newest_lanes(&self.dialect, behind, newest);
        self.call("newest_lanes", Limit::Short, newest).await
    }

    async fn find_lanes(&self, query: &LaneQuery) -> Result<Vec<LaneFound>, OutboxError> {
        let find = || reading::find_lanes(&self.dialect, query);
        self.call("find_lanes", Limit::Patient, find).await
    }

    async fn lease(&self, lane: &Lane, instance: Uuid) -> Result<Option<LeasedLane>, OutboxError> {
        let lease = || leasing::lease(&self.dialect, lane, instance, self.longest);
        self.call("lease", Limit::Patient, lease).await
    }

    async fn lift_holds(&self, reason: &str) -> Result<u64, OutboxError> {
        let lift = || leasing::lift_holds(&self.dialect, reason);
        self.call("lift_holds", Limit::Patient, lift).await
    }

    async fn orders(&self) -> Result<Orders, OutboxError> {
        let read = || orders::orders(&self.dialect);
        self.call("orders", Limit::Short, read).await
    }

    async fn newest_actions(&self) -> Result<Vec<ActionReport>, OutboxError> {
        let read = || history::actions(&self.dialect, NEWEST_ACTIONS);
        self.call("newest_actions", Limit::Short, read).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), OutboxError> {
        let release = || leasing::release(&self.dialect, lease);
        self.call("release", Limit::Patient, release).await
    }

    async fn read_page(
        &self,
        lane: &Lane,
        cursor: &Cursor,
        limit: PageLimit,
    ) -> Result<Page, OutboxError> {
        let reader = || Reader::new(cursor, limit, self.longest);
        let read = || reading::read_page(&self.dialect, lane, cursor, reader());
        self.call("read_page", Limit::Patient, read).await
    }

    fn writers(&self) -> usize {
        self.dialect.writers()
    }

    async fn record(&self, writes: &[Write]) -> Result<Vec<Recorded>, OutboxError> {
        let record = || recording::record(&self.dialect, writes);
        let went = self.call("record", Limit::Patient, record).await;
        self.calls.writes.record(&went);
        went
    }

    async fn try_settling(
        &self,
        lease: &Arc<Lease>,
        contacts: &[ContactId],
        batches: &[BatchId],
    ) -> Result<Recorded, OutboxError> {
        let settle = || recording::try_settling(&self.dialect, lease, contacts, batches);
        self.call("try_settling", Limit::Patient, settle).await
    }

    async fn locked(&self, contacts: &[ContactId]) -> Result<Vec<ContactId>, OutboxError> {
        let contacts = plain(contacts);
        let locked = || async { Ok(self.dialect.locked(&contacts).await?) };
        self.call("locked", Limit::Patient, locked).await
    }

    async fn claim_rate(&self, claim: &RateClaim<'_>) -> Result<i64, OutboxError> {
        let asked = Instant::now();
        let claim = || rates::claim(&self.dialect, claim, asked);
        self.call("claim_rate", Limit::Short, claim).await
    }

    async fn backlog(&self, instance: Uuid) -> Result<Backlog, OutboxError> {
        let count = || reading::backlog(&self.dialect, instance);
        self.call("backlog", Limit::Long, count).await
    }

    async fn begin_insert(&self) -> Result<Box<dyn Insertion>, OutboxError> {
        inserting::begin(&self.dialect).await
    }
}

#[async_trait]
impl<D: Dialect> Operations for SqlOutbox<D> {
    async fn overview(&self) -> Result<Overview, OutboxError> {
        self.watch(|| operating::overview(&self.dialect)).await
    }

    async fn lanes(&self, limit: u32) -> Result<Vec<LaneReport>, OutboxError> {
        self.watch(|| operating::lanes(&self.dialect, limit)).await
    }

    async fn paused(&self, limit: u32) -> Result<Vec<PausedLane>, OutboxError> {
        self.watch(|| operating::paused(&self.dialect, limit)).await
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
        action: Option<&Action>,
    ) -> Result<u64, OutboxError> {
        self.watch(|| failing::requeue(&self.dialect, ids, action))
            .await
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

    async fn knows(&self, lane: &Lane) -> Result<bool, OutboxError> {
        self.watch(|| operating::knows(&self.dialect, lane)).await
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
