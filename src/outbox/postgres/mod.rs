//! The outbox on PostgreSQL.
//!
//! [`statements`] has the SQL, one submodule each reads, leases, records, inserts and
//! answers operators, [`session`] says what sessions run with, [`error`]
//! what a failure means; this file holds the connections and puts the parts behind the trait.
//! It guarantees durability by `synchronous_commit=on` in its own transactions, whatever the
//! server's default, and plans that stay the same however stale the table's statistics are.

mod error;
mod inserting;
mod leasing;
mod migrating;
mod operating;
mod rates;
mod reading;
mod recording;
mod session;
mod statements;
mod trying;

use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use self::error::translate;
use self::operating::{failing, pruning};
use self::session::{SESSION, STEADY_PLANS};
use super::conflict::retried;
use super::rows::{Column, Columns};
use super::{
    Backlog, Cursor, FailedContact, FailureCount, FailureCursor, FailureFilter, FailurePage,
    Insertion, Instance, InstanceReport, LaneFound, LaneQuery, LaneReport, Lease, LeasedLane,
    Operations, Outbox, OutboxError, OutcomeCount, Overview, Page, PausedLane, PruneStep, Pruning,
    RateClaim, Recorded, ServerReport, Story, Trial, Write, fitness, server,
};
use crate::batch::BatchId;
use crate::contact::{ContactId, Lane};

/// The outbox on PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresOutbox {
    pool: PgPool,
    options: PgConnectOptions,
}

impl PostgresOutbox {
    /// Connects; fails within seconds if the server cannot be reached.
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self, OutboxError> {
        let options = Self::connect_options(url)?;
        let session: PgConnection = server::connect(&options, translate).await?;
        server::part(session).await;
        let pool = PgPoolOptions::new()
            .max_connections(max_connections.max(1))
            .acquire_timeout(server::CONNECT_TIMEOUT)
            .connect_lazy_with(options.clone());
        Ok(Self { pool, options })
    }

    /// The options of this program's sessions, for tests that look at plans.
    #[doc(hidden)]
    pub fn connect_options(url: &str) -> Result<PgConnectOptions, OutboxError> {
        let options = PgConnectOptions::from_str(url).map_err(translate)?;
        Ok(options
            .application_name("contact-courier")
            // The server's default does as well, and poolers do not know it.
            .extra_float_digits(None)
            .options(SESSION)
            .options(STEADY_PLANS))
    }

    /// Names and texts of the statements that run all day, for tests that look at plans.
    #[doc(hidden)]
    pub fn hot_statements() -> &'static [(&'static str, &'static str)] {
        statements::HOT
    }

    /// Closes all connections; what is under way is finished first.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl Outbox for PostgresOutbox {
    async fn migrate(&self) -> Result<usize, OutboxError> {
        if session::is_pooled(&self.pool).await.map_err(translate)? {
            return Err(fitness::no_lock());
        }
        migrating::migrate(&self.options).await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        session::check(&self.pool).await
    }

    async fn check_schema(&self) -> Result<(), OutboxError> {
        migrating::check(&self.pool).await
    }

    async fn beat(&self, instance: &Instance) -> Result<(), OutboxError> {
        leasing::beat(&self.pool, instance)
            .await
            .map_err(|error| error.translated(translate))
    }

    async fn retire(&self, instance: Uuid) -> Result<(), OutboxError> {
        leasing::retire(&self.pool, instance)
            .await
            .map_err(translate)
    }

    async fn find_lanes(&self, query: &LaneQuery) -> Result<Vec<LaneFound>, OutboxError> {
        reading::find_lanes(&self.pool, query)
            .await
            .map_err(translate)
    }

    async fn lease(&self, lane: &Lane, instance: Uuid) -> Result<Option<LeasedLane>, OutboxError> {
        leasing::lease(&self.pool, lane, instance)
            .await
            .map_err(translate)
    }

    async fn lift_holds(&self, reason: &str) -> Result<u64, OutboxError> {
        leasing::lift_holds(&self.pool, reason)
            .await
            .map_err(translate)
    }

    async fn release(&self, lease: &Lease) -> Result<(), OutboxError> {
        leasing::release(&self.pool, lease).await.map_err(translate)
    }

    async fn read_page(
        &self,
        lane: &Lane,
        cursor: &Cursor,
        limit: u32,
    ) -> Result<Page, OutboxError> {
        reading::read_page(&self.pool, lane, cursor, limit)
            .await
            .map_err(translate)
    }

    fn writers(&self) -> usize {
        server::writers(self.pool.options().get_max_connections())
    }

    async fn record(&self, writes: &[Write]) -> Result<Vec<Recorded>, OutboxError> {
        recording::record(&self.pool, writes)
            .await
            .map_err(|error| error.translated(translate))
    }

    async fn try_settling(
        &self,
        lease: &Arc<Lease>,
        contacts: &[ContactId],
        batches: &[BatchId],
    ) -> Result<Recorded, OutboxError> {
        recording::try_settling(&self.pool, lease, contacts, batches)
            .await
            .map_err(|error| error.translated(translate))
    }

    async fn locked(&self, contacts: &[ContactId]) -> Result<Vec<ContactId>, OutboxError> {
        recording::locked(&self.pool, contacts)
            .await
            .map_err(translate)
    }

    async fn claim_rate(&self, claim: &RateClaim<'_>) -> Result<i64, OutboxError> {
        rates::claim(&self.pool, claim).await.map_err(translate)
    }

    async fn backlog(&self, instance: Uuid) -> Result<Backlog, OutboxError> {
        reading::backlog(&self.pool, instance)
            .await
            .map_err(translate)
    }

    async fn begin_insert(&self) -> Result<Box<dyn Insertion>, OutboxError> {
        // Whoever inserts may take time between two rows.
        let unhurried = [("idle_in_transaction_session_timeout", "0")];
        let options = self.options.clone().options(unhurried);
        let connection = server::connect(&options, translate).await?;
        inserting::begin(connection).await.map_err(translate)
    }
}

#[async_trait]
impl Operations for PostgresOutbox {
    async fn overview(&self) -> Result<Overview, OutboxError> {
        operating::overview(&self.pool).await.map_err(translate)
    }

    async fn lanes(&self, limit: u32) -> Result<Vec<LaneReport>, OutboxError> {
        operating::lanes(&self.pool, limit).await.map_err(translate)
    }

    async fn paused(&self, limit: u32) -> Result<Vec<PausedLane>, OutboxError> {
        operating::paused(&self.pool, limit)
            .await
            .map_err(translate)
    }

    async fn failures(
        &self,
        filter: &FailureFilter,
        after: Option<&FailureCursor>,
        limit: u32,
    ) -> Result<FailurePage, OutboxError> {
        failing::failures(&self.pool, filter, after, limit)
            .await
            .map_err(translate)
    }

    async fn instances(&self) -> Result<Vec<InstanceReport>, OutboxError> {
        operating::instances(&self.pool).await.map_err(translate)
    }

    async fn failures_named(&self, ids: &[ContactId]) -> Result<Vec<FailedContact>, OutboxError> {
        failing::named(&self.pool, ids).await.map_err(translate)
    }

    async fn count_failures(
        &self,
        filter: &FailureFilter,
    ) -> Result<Vec<FailureCount>, OutboxError> {
        failing::count(&self.pool, filter).await.map_err(translate)
    }

    async fn requeue(&self, ids: &[ContactId]) -> Result<u64, OutboxError> {
        let requeue = || async {
            failing::requeue(&self.pool, ids)
                .await
                .map_err(|error| error.translated(translate))
        };
        retried(requeue).await
    }

    async fn story(&self, id: ContactId) -> Result<Option<Story>, OutboxError> {
        operating::story(&self.pool, id).await.map_err(translate)
    }

    async fn prune_contacts(
        &self,
        pruning: Pruning,
        after: Option<ContactId>,
    ) -> Result<PruneStep<ContactId>, OutboxError> {
        let prune = || async {
            pruning::contacts(&self.pool, pruning, after)
                .await
                .map_err(translate)
        };
        retried(prune).await
    }

    async fn prune_batches(
        &self,
        pruning: Pruning,
        after: Option<&str>,
    ) -> Result<PruneStep<String>, OutboxError> {
        let prune = || async {
            pruning::batches(&self.pool, pruning, after)
                .await
                .map_err(translate)
        };
        retried(prune).await
    }

    async fn try_writing(&self) -> Trial {
        trying::try_writing(&self.pool).await
    }

    async fn server(&self) -> Result<ServerReport, OutboxError> {
        operating::server(&self.pool).await.map_err(translate)
    }

    async fn outcomes(&self) -> Result<Vec<OutcomeCount>, OutboxError> {
        operating::outcomes(&self.pool).await.map_err(translate)
    }

    async fn numbers_delivered(&self) -> Result<u64, OutboxError> {
        operating::numbers_delivered(&self.pool)
            .await
            .map_err(translate)
    }
}

impl Columns for PgRow {
    fn text<'a>(&self, column: impl Into<Column<'a>>) -> Option<String> {
        self.try_get(column.into()).ok().flatten()
    }

    fn integer<'a>(&self, column: impl Into<Column<'a>>) -> Option<i64> {
        self.try_get(column.into()).ok().flatten()
    }

    fn flag<'a>(&self, column: impl Into<Column<'a>>) -> Option<bool> {
        self.try_get(column.into()).ok().flatten()
    }

    fn seconds<'a>(&self, column: impl Into<Column<'a>>) -> Option<f64> {
        self.try_get(column.into()).ok().flatten()
    }
}
