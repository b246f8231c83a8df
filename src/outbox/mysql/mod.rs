//! The outbox on MySQL or MariaDB.
//!
//! Durability is the server's to give (`innodb_flush_log_at_trx_commit`): no session can ask for it.

mod cluster;
mod error;
mod indexing;
mod inserting;
mod language;
mod leasing;
mod lists;
mod migrating;
mod rates;
mod reading;
mod recording;
mod server;
mod session;
mod statements;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlRow};
use sqlx::pool::PoolConnection;
use sqlx::{MySqlConnection, Result, Row};
use tokio::time::Instant;
use uuid::Uuid;

use self::cluster::Cluster;
use self::error::translate;
use self::language::MySql;
use self::statements::FENCE_LANES;
use super::conflict::retried;
use super::error::SqlError;
use super::page::Reader;
use super::plan::{LaneKey, Opened, Plan, Succeeded};
use super::rows::{Column, Columns};
use super::servers::{self, Found};
use super::sql::ask::ask;
use super::sql::dialect::Dialect;
use super::sql::session::Writing;
use super::sql::value::List;
use super::sql::written::Written;
use super::sql::{self, SqlOutbox};
use super::{
    Access, Cursor, LaneFound, LaneQuery, NewContact, OutboxError, Page, RateClaim, ServerReport,
    fitness, server as network,
};
use crate::address::Address;
use crate::contact::{ContactId, Lane};

/// The outbox on MySQL or MariaDB.
pub type MySqlOutbox = SqlOutbox<MySql>;

impl MySqlOutbox {
    /// Connects to write; fails within seconds if the server cannot be reached, or takes no writes.
    /// The address may name several servers.
    pub async fn connect(
        address: impl Into<Address>,
        max_connections: u32,
    ) -> Result<Self, OutboxError> {
        Self::connect_to(&address.into(), max_connections, Access::Write).await
    }

    /// The same to read or to write.
    pub async fn connect_to(
        address: &Address,
        max_connections: u32,
        access: Access,
    ) -> Result<Self, OutboxError> {
        let cluster = Cluster::default();
        let found =
            Found::<sqlx::MySql>::find(session::each(address)?, access, cluster.clone()).await?;
        let facts = session::meet(found.options(), &cluster).await?;
        let statements = facts.statements(max_connections);
        let adapt =
            move |options: MySqlConnectOptions| options.statement_cache_capacity(statements);
        let servers = found.adapted(adapt).used(max_connections);
        if let Some(renew) = &address.renew {
            servers.follow(Arc::clone(renew), move |address| {
                let each = session::each(address)?;
                Ok(each.into_iter().map(adapt).collect())
            });
        }
        Ok(Self::new(MySql {
            servers,
            packet: facts.packet,
            cluster,
        }))
    }

    /// Whether the server keeps what it has confirmed through the loss of power: a setting of its
    /// own, which no session can change.
    pub async fn is_durable(&self) -> Result<bool, OutboxError> {
        sqlx::query_scalar(statements::DURABLE)
            .fetch_one(&self.dialect.servers.pool())
            .await
            .map_err(translate)
    }

    /// Names and texts of the statements that run all day, for tests that look at plans.
    #[doc(hidden)]
    pub fn hot_statements() -> &'static [(&'static str, &'static str)] {
        &statements::HOT
    }

    /// A session like the program's own, for tests that look behind it.
    #[doc(hidden)]
    pub async fn session(&self) -> Result<MySqlConnection, OutboxError> {
        session::open(&self.dialect.servers.options(), &self.dialect.cluster).await
    }

    /// Closes all connections; what is under way is finished first.
    pub async fn close(&self) {
        self.dialect.servers.close().await;
    }
}

#[async_trait]
impl servers::Kind for sqlx::MySql {
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
            let (status, lost) = statements::OUTSIDE;
            if name == status {
                if value.eq_ignore_ascii_case(lost) {
                    return Ok(Some(format!("has lost its cluster ({name} is {value})")));
                }
            } else if !matches!(value.as_str(), "OFF" | "0") {
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
        network::place(socket, options.get_host(), options.get_port())
    }

    fn database(options: &MySqlConnectOptions) -> Option<&str> {
        options.get_database()
    }

    fn pool_options() -> MySqlPoolOptions {
        MySqlPoolOptions::new()
            .idle_timeout(session::LONGEST_IDLE)
            .max_lifetime(session::LONGEST_LIFE)
    }
}

#[async_trait]
impl Dialect for MySql {
    type Writing = Writing<sqlx::MySql>;

    fn place(&self) -> Option<String> {
        Some(self.servers.place())
    }

    fn failed(&self, began: Instant, error: OutboxError) -> OutboxError {
        self.servers.failed(began, error)
    }

    fn writers(&self) -> usize {
        network::writers(self.servers.max_connections())
    }

    async fn reading(&self) -> Result<PoolConnection<sqlx::MySql>> {
        self.servers.pool().acquire().await
    }

    async fn newest(&self) -> Result<i64> {
        let kept = self.servers.kept();
        let mut held = kept.take().await?;
        let newest = sql::reading::newest::<Self>(&mut held.session).await?;
        kept.put(held);
        Ok(newest)
    }

    async fn begin(&self) -> Result<Self::Writing> {
        let begun = self.servers.pool().begin_with(session::BEGIN).await;
        begun.map(Writing::All)
    }

    async fn begin_briefly(&self) -> Result<Self::Writing> {
        let begun = self.servers.pool().begin_with(session::BEGIN_BRIEFLY).await;
        begun.map(Writing::All)
    }

    async fn begin_one(&self) -> Result<Self::Writing> {
        self.reading().await.map(Writing::One)
    }

    async fn commit(&self, writing: Self::Writing) -> Result<()> {
        match writing {
            Writing::One(_) => Ok(()),
            Writing::All(tx) => self.cluster.commit(tx).await,
        }
    }

    async fn rollback(&self, writing: Self::Writing) -> Result<()> {
        writing.rollback().await
    }

    async fn migrate(&self) -> Result<usize, OutboxError> {
        let options = self.servers.options();
        retried(|| migrating::migrate(&options, &self.cluster)).await
    }

    async fn make_results_index(&self) -> Result<bool, OutboxError> {
        let options = self.servers.options();
        retried(|| indexing::make_results_index(&options, &self.cluster)).await
    }

    async fn shared_history(session: &mut MySqlConnection) -> Result<Vec<MySqlRow>> {
        migrating::shared_history(session).await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        let told = sqlx::query(statements::COLLATIONS)
            .fetch_one(&self.servers.pool())
            .await
            .map_err(translate)?;
        fitness::collations(told.text("others"))
    }

    async fn server(&self) -> Result<ServerReport> {
        server::server(&self.servers.pool(), &self.servers.options()).await
    }

    async fn find_lanes(
        session: &mut MySqlConnection,
        query: &LaneQuery,
    ) -> Result<Vec<LaneFound>> {
        reading::find_lanes(session, query).await
    }

    async fn read_page(
        session: &mut MySqlConnection,
        lane: &Lane,
        cursor: &Cursor,
        reader: Reader,
    ) -> Result<Page> {
        reading::read_page(session, lane, cursor, reader).await
    }

    async fn take(
        tx: &mut MySqlConnection,
        lane: &Lane,
        instance: Uuid,
    ) -> Result<Option<MySqlRow>> {
        leasing::take(tx, lane, instance).await
    }

    /// The lock is enough on a server. On a cluster the lanes' rows are written.
    async fn fence(&self, tx: &mut MySqlConnection, lanes: &[LaneKey<'_>]) -> Result<()> {
        if self.cluster.is_one() {
            let fence = ask::<Self>(FENCE_LANES);
            fence.bind(List::Lanes(lanes)).execute(tx).await?;
        }
        Ok(())
    }

    async fn open(tx: &mut MySqlConnection, batches: &[Opened<'_>]) -> Result<u64> {
        recording::open(tx, batches).await
    }

    async fn succeed(tx: &mut MySqlConnection, batches: &[Succeeded]) -> Result<u64> {
        sql::recording::succeed::<Self>(tx, batches).await
    }

    async fn look_back(
        tx: &mut MySqlConnection,
        plan: &Plan<'_>,
        _written: Written,
    ) -> Result<(), SqlError> {
        recording::look_back(tx, plan).await
    }

    async fn locked(&self, contacts: &[i64]) -> Result<Vec<ContactId>> {
        recording::locked(&self.servers.pool(), contacts).await
    }

    async fn claim_rate(&self, tx: &mut MySqlConnection, claim: &RateClaim<'_>) -> Result<i64> {
        rates::claim(tx, &self.cluster, claim).await
    }

    async fn requeue(tx: &mut MySqlConnection, contacts: &[i64]) -> Result<u64, SqlError> {
        recording::requeue(tx, contacts).await
    }

    async fn begin_insert(&self) -> Result<MySqlConnection, OutboxError> {
        let mut session = session::open(&self.servers.options(), &self.cluster).await?;
        // MySQL does not prepare such a statement.
        for statement in [session::UNHURRIED, "BEGIN"] {
            sqlx::raw_sql(statement)
                .execute(&mut session)
                .await
                .map_err(translate)?;
        }
        Ok(session)
    }

    async fn insert(
        &self,
        session: &mut MySqlConnection,
        contacts: &[NewContact],
    ) -> Result<u64, SqlError> {
        inserting::insert(session, self.packet, contacts).await
    }

    async fn stands(session: &mut MySqlConnection) -> Result<()> {
        cluster::stands(session).await
    }
}

/// A column is read as the type that is asked for. The declared types are ours, and the driver would
/// refuse an integer of another width.
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

    fn bytes(&self, column: &str) -> Option<Vec<u8>> {
        self.try_get_unchecked(column).ok().flatten()
    }

    fn seconds<'a>(&self, column: impl Into<Column<'a>>) -> Option<f64> {
        self.try_get_unchecked(column.into()).ok().flatten()
    }
}
