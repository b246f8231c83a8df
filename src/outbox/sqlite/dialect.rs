//! What SQLite does in its own way.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Result, SqliteConnection};
use uuid::Uuid;

use super::language::Sqlite;
use super::statements::{
    CLAIM_RATE, FIND_LANES, INSERT_CONTACTS, KEYS_THERE, READ_PAGE, STILL_PENDING, operating,
};
use super::traces::Traces;
use crate::contact::{ContactId, Lane};
use crate::outbox::error::{CONTACTS, SqlError, none_unwritten};
use crate::outbox::page::Reader;
use crate::outbox::plan::{Opened, Plan, Succeeded};
use crate::outbox::sql::ask::ask;
use crate::outbox::sql::dialect::Dialect;
use crate::outbox::sql::language::Language;
use crate::outbox::sql::value::List;
use crate::outbox::sql::written::Written;
use crate::outbox::sql::{inserting, leasing, rates, reading, recording};
use crate::outbox::{Cursor, LanePage, LaneQuery, NewContact, Page, RateClaim};

#[async_trait]
impl Dialect for Sqlite {
    async fn newest(&self) -> Result<i64> {
        let traces = Traces::of(self.file.path());
        if let Some(newest) = self.newest.answer(traces.as_ref()) {
            return Ok(newest);
        }
        let mut session = self.readers.acquire().await?;
        let newest = ask::<Self>(Self::STATEMENTS.newest).number(&mut session);
        let newest = newest.await?;
        self.newest.keep(traces, newest);
        Ok(newest)
    }

    async fn find_lanes(session: &mut SqliteConnection, query: &LaneQuery) -> Result<LanePage> {
        reading::walk::<Self>(FIND_LANES, session, query).await
    }

    async fn read_page(
        session: &mut SqliteConnection,
        lane: &Lane,
        cursor: &Cursor,
        reader: Reader,
    ) -> Result<Page> {
        let read_page = (READ_PAGE, "");
        reading::page::<Self>(read_page, session, lane, cursor, reader).await
    }

    async fn take(
        tx: &mut SqliteConnection,
        lane: &Lane,
        instance: Uuid,
    ) -> Result<Option<SqliteRow>> {
        leasing::take::<Self>(tx, lane, instance).await
    }

    async fn open(tx: &mut SqliteConnection, batches: &[Opened<'_>]) -> Result<u64> {
        recording::open::<Self>(tx, batches).await
    }

    async fn succeed(tx: &mut SqliteConnection, batches: &[Succeeded]) -> Result<u64> {
        recording::succeed::<Self>(tx, batches).await
    }

    async fn look_back(
        tx: &mut SqliteConnection,
        plan: &Plan<'_>,
        written: Written,
    ) -> Result<(), SqlError> {
        recording::check::<Self>(tx, plan, written, recording::Asked::Always(STILL_PENDING)).await
    }

    /// Pages of a transaction stay in memory until it is committed, and the log may have room that was
    /// used before.
    async fn try_disk(&self) -> Result<()> {
        let file = self.file.clone();
        let tried = tokio::task::spawn_blocking(move || file.try_disk()).await;
        Ok(tried.unwrap_or(Ok(()))?)
    }

    /// A writer locks the whole file.
    async fn locked(&self, _contacts: &[i64]) -> Result<Vec<ContactId>> {
        Ok(Vec::new())
    }

    async fn claim_rate(&self, tx: &mut SqliteConnection, claim: &RateClaim<'_>) -> Result<i64> {
        rates::at_once::<Self>(CLAIM_RATE, tx, claim).await
    }

    async fn requeue(tx: &mut SqliteConnection, contacts: &[i64]) -> Result<u64, SqlError> {
        let [keep_ends, requeue] = [operating::KEEP_ENDS, operating::REQUEUE]
            .map(|sql| ask::<Self>(sql).bind(List::Contacts(contacts)));
        let kept = keep_ends.execute(tx).await?;
        let requeued = requeue.execute(tx).await?;
        none_unwritten(CONTACTS, kept.abs_diff(requeued))?;
        Ok(requeued)
    }

    async fn insert(
        &self,
        session: &mut SqliteConnection,
        contacts: &[NewContact],
    ) -> Result<u64, SqlError> {
        let insert = [INSERT_CONTACTS, KEYS_THERE];
        inserting::all_but_known::<Self>(insert, session, contacts).await
    }
}
