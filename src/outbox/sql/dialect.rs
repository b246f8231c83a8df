//! What a kind of database does in its own way.

use async_trait::async_trait;
use sqlx::Result;
use uuid::Uuid;

use super::ask::ask;
use super::language::{Row, Session};
use super::sessions::Sessions;
use super::setup::Setup;
use super::written::Written;
use crate::contact::{ContactId, Lane};
use crate::outbox::error::SqlError;
use crate::outbox::page::Reader;
use crate::outbox::plan::{LaneKey, Opened, Plan, Succeeded};
use crate::outbox::{Cursor, LanePage, LaneQuery, NewContact, Page, RateClaim};

/// All that a kind of database must bring so that the outbox works on it. Several share a way of doing
/// something: see the neighbours of this file.
#[async_trait]
pub(in crate::outbox) trait Dialect: Sessions + Setup {
    /// The greatest id of a contact. This is asked many times a second.
    async fn newest(&self) -> Result<i64> {
        let mut held = self.at_hand().await?;
        let newest = ask::<Self>(Self::STATEMENTS.newest).number(&mut held.session);
        let newest = newest.await?;
        held.keep();
        Ok(newest)
    }
    async fn find_lanes(session: &mut Session<Self>, query: &LaneQuery) -> Result<LanePage>;
    async fn read_page(
        session: &mut Session<Self>,
        lane: &Lane,
        cursor: &Cursor,
        reader: Reader,
    ) -> Result<Page>;
    /// Writes a lease into the lane's row and returns the row; `None`: the lane is not free.
    async fn take(tx: &mut Session<Self>, lane: &Lane, instance: Uuid)
    -> Result<Option<Row<Self>>>;
    /// Makes sure that no one else writes in the name of these lanes until the transaction ends.
    async fn fence(&self, _tx: &mut Session<Self>, _lanes: &[LaneKey<'_>]) -> Result<()> {
        Ok(())
    }
    /// Puts batches into the journal and returns how many it has taken.
    async fn open(tx: &mut Session<Self>, batches: &[Opened<'_>]) -> Result<u64>;
    /// Settles contacts that the platform has and returns how many were pending.
    async fn succeed(tx: &mut Session<Self>, batches: &[Succeeded]) -> Result<u64>;
    /// Fails if something of the plan was not written, by the counts or by looking.
    async fn look_back(
        tx: &mut Session<Self>,
        plan: &Plan<'_>,
        written: Written,
    ) -> Result<(), SqlError>;
    /// Fails if the disk is full, where a transaction that is undone would write nothing to it.
    async fn try_disk(&self) -> Result<()> {
        Ok(())
    }
    async fn locked(&self, contacts: &[i64]) -> Result<Vec<ContactId>>;
    async fn claim_rate(&self, tx: &mut Session<Self>, claim: &RateClaim<'_>) -> Result<i64>;
    async fn requeue(tx: &mut Session<Self>, contacts: &[i64]) -> Result<u64, SqlError>;
    /// Inserts contacts and returns how many were new.
    async fn insert(
        &self,
        session: &mut Session<Self>,
        contacts: &[NewContact],
    ) -> Result<u64, SqlError>;
}
