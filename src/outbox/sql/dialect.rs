//! What a database must bring so that the outbox works on it.

use std::fmt::Debug;
use std::ops::DerefMut;

use async_trait::async_trait;
use sqlx::error::BoxDynError;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Result};
use tokio::time::Instant;
use uuid::Uuid;

use super::driver::Driver;
use super::statements::{Erasing, Intervening, Operating, Statements};
use super::value::{List, Value};
use super::written::Written;
use crate::contact::{ContactId, Lane};
use crate::outbox::error::SqlError;
use crate::outbox::page::Reader;
use crate::outbox::plan::{LaneKey, Opened, Plan, Succeeded};
use crate::outbox::rows::Columns;
use crate::outbox::schema::Schema;
use crate::outbox::{
    Cursor, LaneFound, LaneQuery, NewContact, OutboxError, Page, RateClaim, ServerReport,
};

/// One connection to the database of a dialect.
pub(in crate::outbox) type Session<D> = <<D as Language>::Db as Database>::Connection;
/// One of the rows that it returns.
pub(in crate::outbox) type Row<D> = <<D as Language>::Db as Database>::Row;
/// The parameters of a statement, as its driver takes them.
pub(in crate::outbox) type Parameters<D> = <<D as Language>::Db as Database>::Arguments;

/// How a kind of database is spoken to.
pub(in crate::outbox) trait Language:
    Clone + Debug + Send + Sync + 'static
{
    /// The driver.
    type Db: Driver<Row: Columns>;
    /// What is asked in the same way on every database.
    const STATEMENTS: &'static Statements;
    const OPERATING: &'static Operating;
    const INTERVENING: &'static Intervening;
    const ERASING: &'static Erasing;
    const SCHEMA: &'static Schema;

    fn bind(parameters: &mut Parameters<Self>, value: &Value<'_>) -> Result<(), BoxDynError>;
    /// A list as values, one for each time that its statement has to run.
    fn parts(list: List<'_>) -> Vec<Value<'_>> {
        vec![Value::List(list)]
    }
    fn rows_affected(done: &<Self::Db as Database>::QueryResult) -> u64;
    fn translate(error: sqlx::Error) -> OutboxError;
    /// Whether the user lacks a right.
    fn is_denied(error: &sqlx::Error) -> bool;
}

/// What a kind of database does in its own way. Several share a way: see the neighbours of this file.
#[async_trait]
pub(in crate::outbox) trait Dialect: Language {
    /// A session that writes. Dropping it undoes what is not committed.
    type Writing: DerefMut<Target = Session<Self>> + Send;

    /// Where the server is; `None`: the database is a file.
    fn place(&self) -> Option<String> {
        None
    }
    /// Gives up what is to blame for the failure of a call that began then.
    fn failed(&self, _began: Instant, error: OutboxError) -> OutboxError {
        error
    }
    /// How many transactions that record may run at once to good effect.
    fn writers(&self) -> usize;
    async fn reading(&self) -> Result<PoolConnection<Self::Db>>;
    /// The greatest id of a contact. This is asked many times a second.
    async fn newest(&self) -> Result<i64>;
    /// Begins a transaction that writes.
    async fn begin(&self) -> Result<Self::Writing>;
    /// Begins a transaction that writes and waits at most a second for each lock of a row, where the
    /// database can. Its caller tries again rather than keep others waiting.
    async fn begin_briefly(&self) -> Result<Self::Writing> {
        self.begin().await
    }
    /// Begins a single statement that writes, if need be by a transaction.
    async fn begin_one(&self) -> Result<Self::Writing> {
        self.begin().await
    }
    async fn commit(&self, writing: Self::Writing) -> Result<()>;
    async fn rollback(&self, writing: Self::Writing) -> Result<()>;

    /// Makes the history's table, takes over what is ours in the shared one and applies what is missing.
    async fn migrate(&self) -> Result<usize, OutboxError>;
    /// Makes the index of results and returns whether it was not there.
    async fn make_results_index(&self) -> Result<bool, OutboxError>;
    /// Reads the history that is shared with apps.
    async fn shared_history(session: &mut Session<Self>) -> Result<Vec<Row<Self>>>;
    async fn check_fitness(&self) -> Result<(), OutboxError>;
    async fn server(&self) -> Result<ServerReport>;

    async fn find_lanes(session: &mut Session<Self>, query: &LaneQuery) -> Result<Vec<LaneFound>>;
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
    async fn locked(&self, contacts: &[i64]) -> Result<Vec<ContactId>>;
    async fn claim_rate(&self, tx: &mut Session<Self>, claim: &RateClaim<'_>) -> Result<i64>;
    async fn requeue(tx: &mut Session<Self>, contacts: &[i64]) -> Result<u64, SqlError>;

    /// Begins a transaction in which somebody may take time, on a connection of its own.
    async fn begin_insert(&self) -> Result<Session<Self>, OutboxError>;
    /// Inserts contacts and returns how many were new.
    async fn insert(
        &self,
        session: &mut Session<Self>,
        contacts: &[NewContact],
    ) -> Result<u64, SqlError>;
    /// Fails if the database has undone the transaction and not said so.
    async fn stands(_session: &mut Session<Self>) -> Result<()> {
        Ok(())
    }
}
