//! The outbox on MySQL or MariaDB.
//!
//! [`statements`] has the SQL, one submodule each reads, leases, records, inserts and
//! answers operators, [`error`]
//! says what a failure means, [`session`] what all connections have in common; this file puts the
//! parts behind the trait. Durability is the server's to give (`innodb_flush_log_at_trx_commit`): no
//! session can ask for it.

mod cluster;
mod error;
mod inserting;
mod leasing;
mod lists;
mod migrating;
mod operating;
mod rates;
mod reading;
mod recording;
mod session;
mod statements;
mod trying;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlRow};
use sqlx::{MySql, MySqlConnection, Row};
use tokio::time::Instant;
use uuid::Uuid;

use self::cluster::Cluster;
use self::error::translate;
use self::operating::{failing, pruning};
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

/// The outbox on MySQL or MariaDB.
#[derive(Clone, Debug)]
pub struct MySqlOutbox {
    servers: Servers<MySql>,
    /// The server's `max_allowed_packet`.
    packet: usize,
    /// Whether it is a node of a cluster.
    cluster: Cluster,
}

impl MySqlOutbox {
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
        let hosts = hosts.iter().map(|url| session::options(url));
        let hosts = hosts.collect::<Result<_, _>>()?;
        let cluster = Cluster::default();
        let found = Found::<MySql>::find(hosts, access, cluster.clone()).await?;
        let facts = session::meet(found.options(), &cluster).await?;
        let statements = facts.statements(max_connections);
        let found = found
            .adapted(|options: MySqlConnectOptions| options.statement_cache_capacity(statements));
        Ok(Self {
            servers: found.used(max_connections),
            packet: facts.packet,
            cluster,
        })
    }

    /// Whether the server keeps what it has confirmed through the loss of power: a setting of its
    /// own, which no session can change.
    pub async fn is_durable(&self) -> Result<bool, OutboxError> {
        sqlx::query_scalar(statements::DURABLE)
            .fetch_one(&self.servers.pool())
            .await
            .map_err(translate)
    }

    /// Names and texts of the statements that run all day, for tests that look at plans.
    #[doc(hidden)]
    pub fn hot_statements() -> &'static [(&'static str, &'static str)] {
        statements::HOT
    }

    /// A session like the program's own, for tests that look behind it.
    #[doc(hidden)]
    pub async fn session(&self) -> Result<MySqlConnection, OutboxError> {
        session::open(&self.servers.options(), &self.cluster).await
    }

    /// Closes all connections; what is under way is finished first.
    pub async fn close(&self) {
        self.servers.pool().close().await;
    }
}

#[async_trait]
impl servers::Kind for MySql {
    type Context = Cluster;

    async fn prepare(session: &mut MySqlConnection, cluster: &Cluster) -> sqlx::Result<()> {
        session::prepare(session, cluster).await
    }

    // Whether this user could write all the same is not asked: who made the server read-only wants
    // nobody to, and what is written on a replica is lost.
    async fn refuses_writes(session: &mut MySqlConnection) -> sqlx::Result<Option<String>> {
        let told = sqlx::raw_sql(statements::TAKES_WRITES)
            .fetch_all(session)
            .await?;
        for variable in told {
            let (name, value): (String, String) = (variable.try_get(0)?, variable.try_get(1)?);
            if !matches!(value.as_str(), "OFF" | "0") {
                return Ok(Some(format!("is read-only ({name} is {value})")));
            }
        }
        Ok(None)
    }

    fn translate(error: sqlx::Error) -> OutboxError {
        translate(error)
    }

    fn place(options: &MySqlConnectOptions) -> String {
        let socket = options.get_socket().map(PathBuf::as_path);
        server::place(socket, options.get_host(), options.get_port())
    }

    fn pool_options() -> MySqlPoolOptions {
        MySqlPoolOptions::new()
            .idle_timeout(session::LONGEST_IDLE)
            .max_lifetime(session::LONGEST_LIFE)
    }
}

#[async_trait]
impl Outbox for MySqlOutbox {
    fn place(&self) -> Option<String> {
        Some(self.servers.place())
    }

    fn failed(&self, began: Instant, error: OutboxError) -> OutboxError {
        self.servers.failed(began, error)
    }

    async fn migrate(&self) -> Result<usize, OutboxError> {
        let options = self.servers.options();
        retried(|| migrating::migrate(&options, &self.cluster)).await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        let told = sqlx::query(statements::CHARACTER_SETS)
            .fetch_one(&self.servers.pool())
            .await
            .map_err(translate)?;
        fitness::character_sets(told.text("others"))
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
        leasing::lease(&self.servers.pool(), &self.cluster, lane, instance)
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
        recording::record(&self.servers.pool(), &self.cluster, writes)
            .await
            .map_err(|error| error.translated(translate))
    }

    async fn try_settling(
        &self,
        lease: &Arc<Lease>,
        contacts: &[ContactId],
        batches: &[BatchId],
    ) -> Result<Recorded, OutboxError> {
        recording::try_settling(
            &self.servers.pool(),
            &self.cluster,
            lease,
            contacts,
            batches,
        )
        .await
        .map_err(|error| error.translated(translate))
    }

    async fn locked(&self, contacts: &[ContactId]) -> Result<Vec<ContactId>, OutboxError> {
        recording::locked(&self.servers.pool(), contacts)
            .await
            .map_err(translate)
    }

    async fn claim_rate(&self, claim: &RateClaim<'_>) -> Result<i64, OutboxError> {
        rates::claim(&self.servers.pool(), &self.cluster, claim)
            .await
            .map_err(translate)
    }

    async fn backlog(&self, instance: Uuid) -> Result<Backlog, OutboxError> {
        reading::backlog(&self.servers.pool(), instance)
            .await
            .map_err(translate)
    }

    async fn begin_insert(&self) -> Result<Box<dyn Insertion>, OutboxError> {
        let mut connection = session::open(&self.servers.options(), &self.cluster).await?;
        sqlx::raw_sql(session::UNHURRIED)
            .execute(&mut connection)
            .await
            .map_err(translate)?;
        inserting::begin(connection, self.packet)
            .await
            .map_err(translate)
    }
}

#[async_trait]
impl Operations for MySqlOutbox {
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
            failing::requeue(&self.servers.pool(), &self.cluster, ids)
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
            pruning::contacts(&self.servers.pool(), &self.cluster, pruning, after)
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
        trying::try_writing(&self.servers.pool(), &self.cluster).await
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

/// What stands in a column is read as what is asked for: the declared types are ours, and the
/// driver would refuse an integer of another width.
impl Columns for MySqlRow {
    fn text<'a>(&self, column: impl Into<Column<'a>>) -> Option<String> {
        let bytes: Option<Vec<u8>> = self.try_get_unchecked(column.into()).ok().flatten();
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn integer<'a>(&self, column: impl Into<Column<'a>>) -> Option<i64> {
        self.try_get_unchecked(column.into()).ok().flatten()
    }

    fn flag<'a>(&self, column: impl Into<Column<'a>>) -> Option<bool> {
        self.integer(column).map(|value| value != 0)
    }

    fn seconds<'a>(&self, column: impl Into<Column<'a>>) -> Option<f64> {
        self.try_get_unchecked(column.into()).ok().flatten()
    }
}
