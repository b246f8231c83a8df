//! The outbox, and its door for the courier.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

use super::call::{Calls, Limit, Unanswered};
use super::dialect::Dialect;
use super::failing::plain;
use super::{history, inserting, leasing, migrating, operating, orders, rates, reading, recording};
use crate::batch::BatchId;
use crate::contact::{ContactId, Lane, MAX_CONTACT_BYTES};
use crate::outbox::error::SqlError;
use crate::outbox::page::Reader;
use crate::outbox::{
    ActionReport, Backlog, Cursor, Insertion, Instance, LanePage, LaneQuery, LearnedRate, Lease,
    LeasedLane, Orders, Outbox, OutboxError, Page, PageLimit, RateClaim, Recorded, Write,
    WriteHealth,
};

/// How many actions a courier looks at: more than people do in a few seconds.
const NEWEST_ACTIONS: u32 = 50;

/// The outbox on a database of this kind, behind both of its doors.
///
/// Each call has a limit of time, but for migrating and inserting, which a person watches. How the
/// writes go is noted.
#[derive(Clone, Debug)]
pub struct SqlOutbox<D> {
    pub(in crate::outbox) dialect: D,
    calls: Calls,
    /// The most bytes of a contact.
    longest: u64,
}

impl<D> SqlOutbox<D> {
    pub(in crate::outbox) fn new(dialect: D) -> Self {
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

    pub(super) async fn watch<T, F>(&self, call: impl Fn() -> F) -> Result<T, OutboxError>
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

    async fn find_lanes(&self, query: &LaneQuery) -> Result<LanePage, OutboxError> {
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

    async fn forget_rates(&self) -> Result<(), OutboxError> {
        let forget = || rates::forget(&self.dialect, Duration::ZERO);
        self.call("forget_rates", Limit::Short, forget).await
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
