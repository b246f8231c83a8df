//! The outbox on PostgreSQL.
//!
//! Durability comes from `synchronous_commit=on` in its own transactions, whatever the server's default
//! is; plans stay the same however stale the table's statistics are ([`session`]).

mod error;
mod indexing;
mod language;
mod lists;
mod migrating;
mod recording;
mod server;
mod session;
mod statements;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{PgConnection, Result, Row};
use tokio::time::Instant;
use uuid::Uuid;

use self::error::translate;
use self::language::Postgres;
use self::statements::{
    CLAIM_RATE, FIND_LANES, INSERT_CONTACTS, KEYS_THERE, READ_PAGE, STILL_PENDING,
};
use super::error::SqlError;
use super::page::Reader;
use super::plan::{Opened, Plan, Succeeded};
use super::rows::{Column, Columns};
use super::servers::{self, Found};
use super::sql::dialect::Dialect;
use super::sql::session::Writing;
use super::sql::written::Written;
use super::sql::{self, SqlOutbox, inserting, leasing, rates, reading};
use super::{
    Access, Cursor, LaneFound, LaneQuery, NewContact, OutboxError, Page, RateClaim, ServerReport,
    fitness, server as network,
};
use crate::address::Address;
use crate::contact::{ContactId, Lane};

/// The outbox on PostgreSQL.
pub type PostgresOutbox = SqlOutbox<Postgres>;

impl PostgresOutbox {
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
        let servers = Found::<sqlx::Postgres>::find(session::each(address)?, access, ())
            .await?
            .used(max_connections);
        if let Some(renew) = &address.renew {
            servers.follow(Arc::clone(renew), session::each);
        }
        Ok(Self::new(Postgres { servers }))
    }

    /// The options of this program's sessions, for tests that look at plans.
    #[doc(hidden)]
    pub fn connect_options(url: &str) -> Result<PgConnectOptions, OutboxError> {
        session::options(url, &url.into())
    }

    /// Names and texts of the statements that run all day, for tests that look at plans.
    #[doc(hidden)]
    pub fn hot_statements() -> &'static [(&'static str, &'static str)] {
        &statements::HOT
    }

    /// Closes all connections; what is under way is finished first.
    pub async fn close(&self) {
        self.dialect.servers.close().await;
    }
}

#[async_trait]
impl servers::Kind for sqlx::Postgres {
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
        network::place(socket, options.get_host(), options.get_port())
    }

    fn database(options: &PgConnectOptions) -> Option<&str> {
        options.get_database()
    }
}

#[async_trait]
impl Dialect for Postgres {
    type Writing = Writing<sqlx::Postgres>;

    fn place(&self) -> Option<String> {
        Some(self.servers.place())
    }

    fn failed(&self, began: Instant, error: OutboxError) -> OutboxError {
        self.servers.failed(began, error)
    }

    fn writers(&self) -> usize {
        network::writers(self.servers.max_connections())
    }

    async fn reading(&self) -> Result<PoolConnection<sqlx::Postgres>> {
        self.servers.pool().acquire().await
    }

    async fn newest(&self) -> Result<i64> {
        let kept = self.servers.kept();
        let mut held = kept.take().await?;
        let newest = reading::newest::<Self>(&mut held.session).await?;
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
        writing.commit().await
    }

    async fn rollback(&self, writing: Self::Writing) -> Result<()> {
        writing.rollback().await
    }

    async fn migrate(&self) -> Result<usize, OutboxError> {
        let pooled = session::is_pooled(&self.servers.pool()).await;
        if pooled.map_err(translate)? {
            return Err(fitness::no_lock());
        }
        migrating::migrate(&self.servers.options()).await
    }

    async fn make_results_index(&self) -> Result<bool, OutboxError> {
        indexing::make_results_index(&self.servers.options()).await
    }

    async fn shared_history(session: &mut PgConnection) -> Result<Vec<PgRow>> {
        migrating::shared_history(session).await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        session::check(&self.servers.pool()).await
    }

    async fn server(&self) -> Result<ServerReport> {
        server::server(&self.servers.pool(), &self.servers.options()).await
    }

    async fn find_lanes(session: &mut PgConnection, query: &LaneQuery) -> Result<Vec<LaneFound>> {
        reading::walk::<Self>(FIND_LANES, session, query).await
    }

    async fn read_page(
        session: &mut PgConnection,
        lane: &Lane,
        cursor: &Cursor,
        reader: Reader,
    ) -> Result<Page> {
        let read_page = (READ_PAGE, "-infinity");
        reading::page::<Self>(read_page, session, lane, cursor, reader).await
    }

    async fn take(tx: &mut PgConnection, lane: &Lane, instance: Uuid) -> Result<Option<PgRow>> {
        leasing::take::<Self>(tx, lane, instance).await
    }

    async fn open(tx: &mut PgConnection, batches: &[Opened<'_>]) -> Result<u64> {
        sql::recording::open::<Self>(tx, batches).await
    }

    async fn succeed(tx: &mut PgConnection, batches: &[Succeeded]) -> Result<u64> {
        recording::succeed(tx, batches).await
    }

    async fn look_back(
        tx: &mut PgConnection,
        plan: &Plan<'_>,
        written: Written,
    ) -> Result<(), SqlError> {
        sql::recording::check::<Self>(
            tx,
            plan,
            written,
            sql::recording::Asked::IfFewer(STILL_PENDING),
        )
        .await
    }

    async fn locked(&self, contacts: &[i64]) -> Result<Vec<ContactId>> {
        recording::locked(&self.servers.pool(), contacts).await
    }

    async fn claim_rate(&self, tx: &mut PgConnection, claim: &RateClaim<'_>) -> Result<i64> {
        rates::at_once::<Self>(CLAIM_RATE, tx, claim).await
    }

    async fn requeue(tx: &mut PgConnection, contacts: &[i64]) -> Result<u64, SqlError> {
        recording::requeue(tx, contacts).await
    }

    async fn begin_insert(&self) -> Result<PgConnection, OutboxError> {
        // Whoever inserts may take time between two rows.
        let unhurried = [("idle_in_transaction_session_timeout", "0")];
        let options = self.servers.options().options(unhurried);
        let mut session: PgConnection = network::connect(&options, translate).await?;
        sqlx::raw_sql(session::BEGIN_UNHURRIED)
            .execute(&mut session)
            .await
            .map_err(translate)?;
        Ok(session)
    }

    async fn insert(
        &self,
        session: &mut PgConnection,
        contacts: &[NewContact],
    ) -> Result<u64, SqlError> {
        let insert = [INSERT_CONTACTS, KEYS_THERE];
        inserting::all_but_known::<Self>(insert, session, contacts).await
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

    fn bytes(&self, column: &str) -> Option<Vec<u8>> {
        self.try_get(column).ok().flatten()
    }

    fn seconds<'a>(&self, column: impl Into<Column<'a>>) -> Option<f64> {
        self.try_get(column.into()).ok().flatten()
    }

    fn id(&self, column: &str) -> Result<Option<Uuid>> {
        self.try_get(column)
    }

    fn contacts(&self, column: &str) -> Result<Option<Vec<i64>>> {
        self.try_get(column)
    }
}
