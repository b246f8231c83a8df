//! What PostgreSQL does in its own way.

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Result};
use tokio::time::Instant;
use uuid::Uuid;

use super::error::translate;
use super::language::Postgres;
use super::statements::{
    CLAIM_RATE, FIND_LANES, INSERT_CONTACTS, KEYS_THERE, READ_PAGE, STILL_PENDING,
};
use super::{indexing, migrating, recording, server, session};
use crate::contact::{ContactId, Lane};
use crate::outbox::error::SqlError;
use crate::outbox::page::Reader;
use crate::outbox::plan::{Opened, Plan, Succeeded};
use crate::outbox::sql::dialect::Dialect;
use crate::outbox::sql::session::Writing;
use crate::outbox::sql::written::Written;
use crate::outbox::sql::{self, inserting, leasing, rates, reading};
use crate::outbox::{
    Cursor, LaneFound, LaneQuery, NewContact, OutboxError, Page, RateClaim, ServerReport, fitness,
    server as network,
};

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
