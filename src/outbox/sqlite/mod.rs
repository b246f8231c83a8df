//! The outbox in an SQLite file.
//!
//! SQLite lets one connection write at a time, so there is one: our own writers queue for it in
//! memory, and only other programs are waited for in the file. Readers have connections of their own
//! and wait for nobody. WAL with `synchronous=FULL` keeps what is committed through the loss of power.

mod error;
mod indexing;
mod language;
mod migrating;
mod server;
mod statements;
mod traces;
mod transaction;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Result, Row, SqliteConnection};
use uuid::Uuid;

use self::error::translate;
use self::language::Sqlite;
use self::statements::{
    CLAIM_RATE, ENCODING, FIND_LANES, INSERT_CONTACTS, KEYS_THERE, READ_PAGE, STILL_PENDING,
    operating,
};
use self::traces::{Remembered, Traces};
use self::transaction::{BEGIN, Writing, begin};
use super::error::{CONTACTS, SqlError, none_unwritten};
use super::page::Reader;
use super::plan::{Opened, Plan, Succeeded};
use super::rows::{Column, Columns};
use super::sql::ask::ask;
use super::sql::dialect::Dialect;
use super::sql::value::List;
use super::sql::written::Written;
use super::sql::{SqlOutbox, inserting, leasing, rates, reading, recording};
use super::{
    Cursor, LaneFound, LaneQuery, NewContact, OutboxError, Page, RateClaim, ServerReport, fitness,
};
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
pub type SqliteOutbox = SqlOutbox<Sqlite>;

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
                // Each is tested when it comes back.
                .test_before_acquire(false)
        };
        make_private(options.get_filename());
        let writer = options.clone().create_if_missing(true);
        let writer = pool(1)
            .connect_with(
                writer
                    .pragma("cache_size", WRITER_CACHE)
                    .pragma("secure_delete", "ON")
                    .pragma("wal_autocheckpoint", CHECKPOINT_AFTER),
            )
            .await
            .map_err(translate)?;
        // The log is beside the file itself, not beside a link to it.
        let path = options.get_filename().canonicalize();
        let path = path.unwrap_or_else(|_| options.get_filename().to_owned());
        // From here on a file that has gone missing is an error, not a new and empty outbox.
        let options = options.create_if_missing(false);
        let readers = pool(max_connections.clamp(1, READERS)).connect_lazy_with(options.clone());
        Ok(Self::new(Sqlite {
            readers,
            path: path.into(),
            newest: Remembered::default(),
            writer,
            options,
        }))
    }

    /// Whether the file that an address names is there. (What is no address of a file is for
    /// [`SqliteOutbox::connect`] to refuse.)
    pub fn is_there(url: &str) -> bool {
        SqliteConnectOptions::from_str(url).map_or(true, |options| options.get_filename().exists())
    }

    /// Names and texts of the statements that run all day, for tests that look at plans.
    #[doc(hidden)]
    pub fn hot_statements() -> &'static [(&'static str, &'static str)] {
        &statements::HOT
    }

    /// Closes all connections; what is under way is finished first.
    pub async fn close(&self) {
        self.dialect.readers.close().await;
        self.dialect.writer.close().await;
    }
}

/// Makes a file that is not there, for its owner alone: it will hold people's numbers. SQLite gives the
/// files beside it the same mode. If it cannot be made, SQLite says why.
fn make_private(file: &Path) {
    let mut open = OpenOptions::new();
    let made = open.write(true).create_new(true).mode(0o600).open(file);
    drop(made);
}

#[async_trait]
impl Dialect for Sqlite {
    type Writing = Writing;

    /// The file has one writer at a time.
    fn writers(&self) -> usize {
        1
    }

    async fn reading(&self) -> Result<PoolConnection<sqlx::Sqlite>> {
        self.readers.acquire().await
    }

    async fn newest(&self) -> Result<i64> {
        let traces = Traces::of(&self.path);
        if let Some(newest) = self.newest.answer(traces.as_ref()) {
            return Ok(newest);
        }
        let newest = reading::newest::<Self>(&mut *self.readers.acquire().await?).await?;
        self.newest.keep(traces, newest);
        Ok(newest)
    }

    async fn begin(&self) -> Result<Writing> {
        begin(&self.writer).await
    }

    async fn commit(&self, writing: Writing) -> Result<()> {
        writing.commit().await
    }

    async fn rollback(&self, writing: Writing) -> Result<()> {
        writing.rollback().await
    }

    async fn migrate(&self) -> Result<usize, OutboxError> {
        migrating::migrate(&self.writer).await
    }

    async fn make_results_index(&self) -> Result<bool, OutboxError> {
        indexing::make_results_index(&self.writer).await
    }

    async fn shared_history(session: &mut SqliteConnection) -> Result<Vec<SqliteRow>> {
        migrating::shared_history(session).await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        let encoding: String = sqlx::query_scalar(ENCODING)
            .fetch_one(&self.readers)
            .await
            .map_err(translate)?;
        fitness::encoding_of_file(&encoding)
    }

    async fn server(&self) -> Result<ServerReport> {
        server::server(&self.writer).await
    }

    async fn find_lanes(
        session: &mut SqliteConnection,
        query: &LaneQuery,
    ) -> Result<Vec<LaneFound>> {
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

    async fn begin_insert(&self) -> Result<SqliteConnection, OutboxError> {
        let mut connection = self.options.connect().await.map_err(translate)?;
        sqlx::query(BEGIN)
            .execute(&mut connection)
            .await
            .map_err(translate)?;
        Ok(connection)
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

    fn bytes(&self, column: &str) -> Option<Vec<u8>> {
        self.try_get_unchecked(column).ok().flatten()
    }

    fn seconds<'a>(&self, column: impl Into<Column<'a>>) -> Option<f64> {
        self.try_get_unchecked(column.into()).ok().flatten()
    }
}
