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

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{PgConnection, Postgres, Row};
use tokio::time::Instant;
use uuid::Uuid;

use self::error::translate;
use self::operating::{failing, pruning};
use self::session::{SESSION, STEADY_PLANS};
use super::conflict::retried;
use super::rows::{Column, Columns};
use super::servers::{self, Found, Servers};
use super::{
    Access, Backlog, Cursor, FailedContact, FailureCount, FailureCursor, FailureFilter,
    FailurePage, Insertion, Instance, InstanceReport, LaneFound, LaneQuery, LaneReport, Lease,
    LeasedLane, Operations, Outbox, OutboxError, OutcomeCount, Overview, Page, PausedLane,
    PruneStep, Pruning, RateClaim, Recorded, ServerReport, Story, Trial, Write, fitness, server,
};
use crate::batch::BatchId;
use crate::contact::{ContactId, Lane};
use crate::hosts;

/// The outbox on PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresOutbox {
    servers: Servers<Postgres>,
}

impl PostgresOutbox {
    /// Connects to write; fails within seconds if the server cannot be reached, or takes no writes.
    /// The address may name several servers.
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self, OutboxError> {
        Self::connect_to(url, max_connections, Access::Write).await
    }

    /// The same to read or to write.
    pub async fn connect_to(
        url: &str,
        max_connections: u32,
        access: Access,
    ) -> Result<Self, OutboxError> {
        let hosts = hosts::split(url).map_err(|error| OutboxError::Failed(error.to_string()))?;
        let hosts = hosts.iter().map(|url| Self::connect_options(url));
        let hosts = hosts.collect::<Result<_, _>>()?;
        let servers = Found::<Postgres>::find(hosts, access, ())
            .await?
            .used(max_connections);
        Ok(Self { servers })
    }

    /// The options of this program's sessions, for tests that look at plans.
    #[doc(hidden)]
    pub fn connect_options(url: &str) -> Result<PgConnectOptions, OutboxError> {
        let options = PgConnectOptions::from_str(url).map_err(translate)?;
        let host = server::without_brackets(options.get_host());
        Ok(options
            .host(&host)
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
        self.servers.pool().close().await;
    }
}

#[async_trait]
impl servers::Kind for Postgres {
    type Context = ();

    async fn prepare(_: &mut PgConnection, (): &()) -> sqlx::Result<()> {
        // All of it goes along with the connection's options.
        Ok(())
    }

    async fn refuses_writes(session: &mut PgConnection) -> sqlx::Result<Option<String>> {
        let told = sqlx::raw_sql(statements::TAKES_WRITES)
            .fetch_one(session)
            .await?;
        let why = if told.try_get("is_standby")? {
            Some("is a standby")
        } else if told.try_get("is_read_only")? {
            Some("is read-only (default_transaction_read_only is on)")
        } else {
            None
        };
        Ok(why.map(str::to_owned))
    }

    fn translate(error: sqlx::Error) -> OutboxError {
        translate(error)
    }

    fn place(options: &PgConnectOptions) -> String {
        let socket = options.get_socket().map(PathBuf::as_path);
        server::place(socket, options.get_host(), options.get_port())
    }
}

#[async_trait]
impl Outbox for PostgresOutbox {
    fn place(&self) -> Option<String> {
        Some(self.servers.place())
    }

    fn failed(&self, began: Instant, error: OutboxError) -> OutboxError {
        self.servers.failed(began, error)
    }

    async fn migrate(&self) -> Result<usize, OutboxError> {
        if session::is_pooled(&self.servers.pool())
            .await
            .map_err(translate)?
        {
            return Err(fitness::no_lock());
        }
        migrating::migrate(&self.servers.options()).await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        session::check(&self.servers.pool()).await
    }

    async fn check_schema(&self) -> Result<(), OutboxError> {
        migrating::check(&self.servers.pool()).await
    }

    async fn beat(&self, instance: &Instance) -> Result<(), OutboxError> {
        leasing::beat(&self.servers.pool(), instance)
            .await
            .map_err(|error| error.translated(translate))
    }

    async fn retire(&self, instance: Uuid) -> Result<(), OutboxError> {
        leasing::retire(&self.servers.pool(), instance)
            .await
            .map_err(translate)
    }

    async fn find_lanes(&self, query: &LaneQuery) -> Result<Vec<LaneFound>, OutboxError> {
        reading::find_lanes(&self.servers.pool(), query)
            .await
            .map_err(translate)
    }

    async fn lease(&self, lane: &Lane, instance: Uuid) -> Result<Option<LeasedLane>, OutboxError> {
        leasing::lease(&self.servers.pool(), lane, instance)
            .await
            .map_err(translate)
    }

    async fn lift_holds(&self, reason: &str) -> Result<u64, OutboxError> {
        leasing::lift_holds(&self.servers.pool(), reason)
            .await
            .map_err(translate)
    }

    async fn release(&self, lease: &Lease) -> Result<(), OutboxError> {
        leasing::release(&self.servers.pool(), lease)
            .await
            .map_err(translate)
    }

    async fn read_page(
        &self,
        lane: &Lane,
        cursor: &Cursor,
        limit: u32,
    ) -> Result<Page, OutboxError> {
        reading::read_page(&self.servers.pool(), lane, cursor, limit)
            .await
            .map_err(translate)
    }

    fn writers(&self) -> usize {
        server::writers(self.servers.max_connections())
    }

    async fn record(&self, writes: &[Write]) -> Result<Vec<Recorded>, OutboxError> {
        recording::record(&self.servers.pool(), writes)
            .await
            .map_err(|error| error.translated(translate))
    }

    async fn try_settling(
        &self,
        lease: &Arc<Lease>,
        contacts: &[ContactId],
        batches: &[BatchId],
    ) -> Result<Recorded, OutboxError> {
        recording::try_settling(&self.servers.pool(), lease, contacts, batches)
            .await
            .map_err(|error| error.translated(translate))
    }

    async fn locked(&self, contacts: &[ContactId]) -> Result<Vec<ContactId>, OutboxError> {
        recording::locked(&self.servers.pool(), contacts)
            .await
            .map_err(translate)
    }

    async fn claim_rate(&self, claim: &RateClaim<'_>) -> Result<i64, OutboxError> {
        rates::claim(&self.servers.pool(), claim)
            .await
            .map_err(translate)
    }

    async fn backlog(&self, instance: Uuid) -> Result<Backlog, OutboxError> {
        reading::backlog(&self.servers.pool(), instance)
            .await
            .map_err(translate)
    }

    async fn begin_insert(&self) -> Result<Box<dyn Insertion>, OutboxError> {
        // Whoever inserts may take time between two rows.
        let unhurried = [("idle_in_transaction_session_timeout", "0")];
        let options = self.servers.options().options(unhurried);
        let connection = server::connect(&options, translate).await?;
        inserting::begin(connection).await.map_err(translate)
    }
}

#[async_trait]
impl Operations for PostgresOutbox {
    async fn overview(&self) -> Result<Overview, OutboxError> {
        operating::overview(&self.servers.pool())
            .await
            .map_err(translate)
    }

    async fn lanes(&self, limit: u32) -> Result<Vec<LaneReport>, OutboxError> {
        operating::lanes(&self.servers.pool(), limit)
            .await
            .map_err(translate)
    }

    async fn paused(&self, limit: u32) -> Result<Vec<PausedLane>, OutboxError> {
        operating::paused(&self.servers.pool(), limit)
            .await
            .map_err(translate)
    }

    async fn failures(
        &self,
        filter: &FailureFilter,
        after: Option<&FailureCursor>,
        limit: u32,
    ) -> Result<FailurePage, OutboxError> {
        failing::failures(&self.servers.pool(), filter, after, limit)
            .await
            .map_err(translate)
    }

    async fn instances(&self) -> Result<Vec<InstanceReport>, OutboxError> {
        operating::instances(&self.servers.pool())
            .await
            .map_err(translate)
    }

    async fn failures_named(&self, ids: &[ContactId]) -> Result<Vec<FailedContact>, OutboxError> {
        failing::named(&self.servers.pool(), ids)
            .await
            .map_err(translate)
    }

    async fn count_failures(
        &self,
        filter: &FailureFilter,
    ) -> Result<Vec<FailureCount>, OutboxError> {
        failing::count(&self.servers.pool(), filter)
            .await
            .map_err(translate)
    }

    async fn requeue(&self, ids: &[ContactId]) -> Result<u64, OutboxError> {
        let requeue = || async {
            failing::requeue(&self.servers.pool(), ids)
                .await
                .map_err(|error| error.translated(translate))
        };
        retried(requeue).await
    }

    async fn story(&self, id: ContactId) -> Result<Option<Story>, OutboxError> {
        operating::story(&self.servers.pool(), id)
            .await
            .map_err(translate)
    }

    async fn prune_contacts(
        &self,
        pruning: Pruning,
        after: Option<ContactId>,
    ) -> Result<PruneStep<ContactId>, OutboxError> {
        let prune = || async {
            pruning::contacts(&self.servers.pool(), pruning, after)
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
            pruning::batches(&self.servers.pool(), pruning, after)
                .await
                .map_err(translate)
        };
        retried(prune).await
    }

    async fn try_writing(&self) -> Trial {
        trying::try_writing(&self.servers.pool()).await
    }

    async fn server(&self) -> Result<ServerReport, OutboxError> {
        operating::server(&self.servers.pool())
            .await
            .map_err(translate)
    }

    async fn outcomes(&self) -> Result<Vec<OutcomeCount>, OutboxError> {
        operating::outcomes(&self.servers.pool())
            .await
            .map_err(translate)
    }

    async fn numbers_delivered(&self) -> Result<u64, OutboxError> {
        operating::numbers_delivered(&self.servers.pool())
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
