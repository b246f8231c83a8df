//! What MySQL and MariaDB do in their own way.

use async_trait::async_trait;
use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Result};
use uuid::Uuid;

use super::language::MySql;
use super::statements::FENCE_LANES;
use super::{inserting, leasing, rates, reading, recording};
use crate::contact::{ContactId, Lane};
use crate::outbox::error::SqlError;
use crate::outbox::page::Reader;
use crate::outbox::plan::{LaneKey, Opened, Plan, Succeeded};
use crate::outbox::sql;
use crate::outbox::sql::ask::ask;
use crate::outbox::sql::dialect::Dialect;
use crate::outbox::sql::value::List;
use crate::outbox::sql::written::Written;
use crate::outbox::{Cursor, LanePage, LaneQuery, NewContact, Page, RateClaim};

#[async_trait]
impl Dialect for MySql {
    async fn find_lanes(session: &mut MySqlConnection, query: &LaneQuery) -> Result<LanePage> {
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
        recording::locked(&self.servers, contacts).await
    }

    async fn claim_rate(&self, tx: &mut MySqlConnection, claim: &RateClaim<'_>) -> Result<i64> {
        rates::claim(tx, claim).await
    }

    async fn requeue(tx: &mut MySqlConnection, contacts: &[i64]) -> Result<u64, SqlError> {
        recording::requeue(tx, contacts).await
    }

    async fn insert(
        &self,
        session: &mut MySqlConnection,
        contacts: &[NewContact],
    ) -> Result<u64, SqlError> {
        inserting::insert(session, self.packet, contacts).await
    }
}
