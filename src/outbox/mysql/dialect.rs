//! What MySQL and MariaDB do in their own way.

use async_trait::async_trait;
use sqlx::mysql::MySqlRow;
use sqlx::pool::PoolConnection;
use sqlx::{MySqlConnection, Result};
use tokio::time::Instant;
use uuid::Uuid;

use super::error::translate;
use super::language::MySql;
use super::statements::FENCE_LANES;
use super::{
    cluster, indexing, inserting, leasing, migrating, rates, reading, recording, server, session,
    statements,
};
use crate::contact::{ContactId, Lane};
use crate::outbox::conflict::retried;
use crate::outbox::error::SqlError;
use crate::outbox::page::Reader;
use crate::outbox::plan::{LaneKey, Opened, Plan, Succeeded};
use crate::outbox::rows::Columns;
use crate::outbox::sql;
use crate::outbox::sql::ask::ask;
use crate::outbox::sql::dialect::Dialect;
use crate::outbox::sql::session::Writing;
use crate::outbox::sql::value::List;
use crate::outbox::sql::written::Written;
use crate::outbox::{
    Cursor, LaneFound, LaneQuery, NewContact, OutboxError, Page, RateClaim, ServerReport, fitness,
    server as network,
};

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
