//! The outbox in an SQLite file.
//!
//! [`statements`] has the SQL, one submodule each reads, leases, records, inserts and
//! answers operators, [`error`]
//! says what a failure means; this file holds the connections and puts the parts behind the trait.
//! SQLite lets one connection write at a time, so there is one: our own writers queue for it in
//! memory and only other programs are waited for in the file. Readers have connections of their own
//! and wait for nobody. It guarantees durability by WAL with `synchronous=FULL`.

mod error;
mod inserting;
mod leasing;
mod migrating;
mod operating;
mod rates;
mod reading;
mod recording;
mod statements;
mod transaction;
mod trying;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Row, SqlitePool};
use uuid::Uuid;

use self::error::translate;
use self::operating::{failing, pruning};
use super::rows::{Column, Columns};
use super::{
    Backlog, Cursor, FailedContact, FailureCount, FailureCursor, FailureFilter, FailurePage,
    Insertion, Instance, InstanceReport, LaneFound, LaneQuery, LaneReport, Lease, LeasedLane,
    Operations, Outbox, OutboxError, OutcomeCount, Overview, Page, PausedLane, PruneStep, Pruning,
    RateClaim, Recorded, ServerReport, Story, Trial, Write, fitness,
};
use crate::batch::BatchId;
use crate::contact::{ContactId, Lane};

/// How long to wait for another program's write to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// How long to wait for our own turn: somebody before us may be waiting for another program.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(20);

/// Readers at once, at most. Each is a thread with a cache of its own, and a file is read no faster
/// by more of them.
const READERS: u32 = 2;

/// Pages that the one writer keeps in memory, in KiB below zero: settling comes back to the pages
/// that it has just written, for the rows of several lanes lie side by side.
const WRITER_CACHE: &str = "-16000";

/// Pages in the log after which they are copied into the file, 16 MB: a page that was written
/// several times meanwhile is copied once.
const CHECKPOINT_AFTER: &str = "4000";

/// The outbox in an SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteOutbox {
    readers: SqlitePool,
    writer: SqlitePool,
    options: SqliteConnectOptions,
}

impl SqliteOutbox {
    /// Opens the file; makes it if it is not there.
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self, OutboxError> {
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(OutboxError::Failed(
                "an outbox in memory would be lost at every restart: name a file".into(),
            ));
        }
        let options = SqliteConnectOptions::from_str(url)
            .map_err(translate)?
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = |size| {
            SqlitePoolOptions::new()
                .max_connections(size)
                .acquire_timeout(ACQUIRE_TIMEOUT)
        };
        let writer = options.clone().create_if_missing(true);
        let writer = pool(1)
            .connect_with(
                writer
                    .pragma("cache_size", WRITER_CACHE)
                    .pragma("wal_autocheckpoint", CHECKPOINT_AFTER),
            )
            .await
            .map_err(translate)?;
        // From here on a file that has gone missing is an error, not a new and empty outbox.
        let options = options.create_if_missing(false);
        let readers = pool(max_connections.clamp(1, READERS)).connect_lazy_with(options.clone());
        Ok(Self {
            readers,
            writer,
            options,
        })
    }

    /// Whether the file that an address names is there. (What is no address of a file is for
    /// [`SqliteOutbox::connect`] to refuse.)
    pub fn is_there(url: &str) -> bool {
        SqliteConnectOptions::from_str(url).map_or(true, |options| options.get_filename().exists())
    }

    /// Names and texts of the statements that run all day, for tests that look at plans.
    #[doc(hidden)]
    pub fn hot_statements() -> &'static [(&'static str, &'static str)] {
        statements::HOT
    }

    /// Closes all connections; what is under way is finished first.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl Outbox for SqliteOutbox {
    async fn migrate(&self) -> Result<usize, OutboxError> {
        migrating::migrate(&self.writer).await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        let encoding: String = sqlx::query_scalar(statements::ENCODING)
            .fetch_one(&self.readers)
            .await
            .map_err(translate)?;
        fitness::encoding_of_file(&encoding)
    }

    async fn check_schema(&self) -> Result<(), OutboxError> {
        migrating::check(&self.readers).await
    }

    async fn beat(&self, instance: &Instance) -> Result<(), OutboxError> {
        leasing::beat(&self.writer, instance)
            .await
            .map_err(|error| error.translated(translate))
    }

    async fn retire(&self, instance: Uuid) -> Result<(), OutboxError> {
        leasing::retire(&self.writer, instance)
            .await
            .map_err(translate)
    }

    async fn find_lanes(&self, query: &LaneQuery) -> Result<Vec<LaneFound>, OutboxError> {
        reading::find_lanes(&self.readers, query)
            .await
            .map_err(translate)
    }

    async fn lease(&self, lane: &Lane, instance: Uuid) -> Result<Option<LeasedLane>, OutboxError> {
        leasing::lease(&self.writer, lane, instance)
            .await
            .map_err(translate)
    }

    async fn lift_holds(&self, reason: &str) -> Result<u64, OutboxError> {
        leasing::lift_holds(&self.writer, reason)
            .await
            .map_err(translate)
    }

    async fn release(&self, lease: &Lease) -> Result<(), OutboxError> {
        leasing::release(&self.writer, lease)
            .await
            .map_err(translate)
    }

    async fn read_page(
        &self,
        lane: &Lane,
        cursor: &Cursor,
        limit: u32,
    ) -> Result<Page, OutboxError> {
        reading::read_page(&self.readers, lane, cursor, limit)
            .await
            .map_err(translate)
    }

    /// The file has one writer at a time.
    fn writers(&self) -> usize {
        1
    }

    async fn record(&self, writes: &[Write]) -> Result<Vec<Recorded>, OutboxError> {
        recording::record(&self.writer, writes)
            .await
            .map_err(|error| error.translated(translate))
    }

    async fn try_settling(
        &self,
        lease: &Arc<Lease>,
        contacts: &[ContactId],
        batches: &[BatchId],
    ) -> Result<Recorded, OutboxError> {
        recording::try_settling(&self.writer, lease, contacts, batches)
            .await
            .map_err(|error| error.translated(translate))
    }

    async fn locked(&self, _contacts: &[ContactId]) -> Result<Vec<ContactId>, OutboxError> {
        // A writer locks the whole file.
        Ok(Vec::new())
    }

    async fn claim_rate(&self, claim: &RateClaim<'_>) -> Result<i64, OutboxError> {
        rates::claim(&self.writer, claim).await.map_err(translate)
    }

    async fn backlog(&self, instance: Uuid) -> Result<Backlog, OutboxError> {
        reading::backlog(&self.readers, instance)
            .await
            .map_err(translate)
    }

    async fn begin_insert(&self) -> Result<Box<dyn Insertion>, OutboxError> {
        let connection = self.options.connect().await.map_err(translate)?;
        inserting::begin(connection).await.map_err(translate)
    }
}

#[async_trait]
impl Operations for SqliteOutbox {
    async fn overview(&self) -> Result<Overview, OutboxError> {
        operating::overview(&self.readers).await.map_err(translate)
    }

    async fn lanes(&self, limit: u32) -> Result<Vec<LaneReport>, OutboxError> {
        operating::lanes(&self.readers, limit)
            .await
            .map_err(translate)
    }

    async fn paused(&self, limit: u32) -> Result<Vec<PausedLane>, OutboxError> {
        operating::paused(&self.readers, limit)
            .await
            .map_err(translate)
    }

    async fn failures(
        &self,
        filter: &FailureFilter,
        after: Option<&FailureCursor>,
        limit: u32,
    ) -> Result<FailurePage, OutboxError> {
        failing::failures(&self.readers, filter, after, limit)
            .await
            .map_err(translate)
    }

    async fn instances(&self) -> Result<Vec<InstanceReport>, OutboxError> {
        operating::instances(&self.readers).await.map_err(translate)
    }

    async fn failures_named(&self, ids: &[ContactId]) -> Result<Vec<FailedContact>, OutboxError> {
        failing::named(&self.readers, ids).await.map_err(translate)
    }

    async fn count_failures(
        &self,
        filter: &FailureFilter,
    ) -> Result<Vec<FailureCount>, OutboxError> {
        failing::count(&self.readers, filter)
            .await
            .map_err(translate)
    }

    async fn requeue(&self, ids: &[ContactId]) -> Result<u64, OutboxError> {
        failing::requeue(&self.writer, ids)
            .await
            .map_err(|error| error.translated(translate))
    }

    async fn story(&self, id: ContactId) -> Result<Option<Story>, OutboxError> {
        operating::story(&self.readers, id).await.map_err(translate)
    }

    async fn prune_contacts(
        &self,
        pruning: Pruning,
        after: Option<ContactId>,
    ) -> Result<PruneStep<ContactId>, OutboxError> {
        pruning::contacts(&self.writer, pruning, after)
            .await
            .map_err(translate)
    }

    async fn prune_batches(
        &self,
        pruning: Pruning,
        after: Option<&str>,
    ) -> Result<PruneStep<String>, OutboxError> {
        pruning::batches(&self.writer, pruning, after)
            .await
            .map_err(translate)
    }

    async fn try_writing(&self) -> Trial {
        trying::try_writing(&self.writer).await
    }

    async fn server(&self) -> Result<ServerReport, OutboxError> {
        operating::server(&self.writer).await.map_err(translate)
    }

    async fn outcomes(&self) -> Result<Vec<OutcomeCount>, OutboxError> {
        operating::outcomes(&self.readers).await.map_err(translate)
    }

    async fn numbers_delivered(&self) -> Result<u64, OutboxError> {
        operating::numbers_delivered(&self.readers)
            .await
            .map_err(translate)
    }
}

/// SQLite columns hold values of any type, and text in any encoding (an old app may bind Latin-1 or
/// GBK bytes). Whatever stands there is converted the way SQLite itself would.
impl Columns for SqliteRow {
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
