//! What PostgreSQL does in its own way.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Result};
use uuid::Uuid;

use super::language::Postgres;
use super::recording;
use super::statements::{
    CLAIM_RATE, FIND_LANES, INSERT_CONTACTS, KEYS_THERE, READ_PAGE, STILL_PENDING,
};
use crate::contact::{ContactId, Lane};
use crate::outbox::error::SqlError;
use crate::outbox::page::Reader;
use crate::outbox::plan::{Opened, Plan, Succeeded};
use crate::outbox::sql::dialect::Dialect;
use crate::outbox::sql::written::Written;
use crate::outbox::sql::{self, inserting, leasing, rates, reading};
use crate::outbox::{Cursor, LanePage, LaneQuery, NewContact, Page, RateClaim};

#[async_trait]
impl Dialect for Postgres {
    async fn find_lanes(session: &mut PgConnection, query: &LaneQuery) -> Result<LanePage> {
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
        recording::locked(&self.servers, contacts).await
    }

    async fn claim_rate(&self, tx: &mut PgConnection, claim: &RateClaim<'_>) -> Result<i64> {
        rates::at_once::<Self>(CLAIM_RATE, tx, claim).await
    }

    async fn requeue(tx: &mut PgConnection, contacts: &[i64]) -> Result<u64, SqlError> {
        recording::requeue(tx, contacts).await
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
