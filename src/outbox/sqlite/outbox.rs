//! The outbox in an SQLite file: opening it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::error::translate;
use super::file::DatabaseFile;
use super::language::Sqlite;
use super::statements;
use super::traces::Remembered;
use crate::outbox::{OutboxError, SqlOutbox};

/// How long to wait for another program's write to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// How long to wait for our own turn: somebody before us may be waiting for another program.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(20);

/// Readers at once, at most. Each is a thread with a cache of its own, and a file is read no faster
/// by more of them.
const READERS: u32 = 2;

/// Pages that the one writer keeps in memory, in KiB below zero: settling comes back to the pages
/// that it has just written, for the rows of several lanes lie side by side.
const WRITER_CACHE: &str = "-8000";

/// Pages that each reader keeps in memory. It reads each page of rows once, and forgets all of them when
/// somebody has written.
const READER_CACHE: &str = "-1000";

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
        if let Some(folder) = missing_folder(options.get_filename()) {
            return Err(OutboxError::NoFolder(folder.display().to_string()));
        }
        make_private(options.get_filename());
        let writing = options
            .clone()
            .pragma("cache_size", WRITER_CACHE)
            .pragma("secure_delete", "ON")
            // What a statement may have to undo is a few pages. On disk it would take more writes than
            // the rows themselves.
            .pragma("temp_store", "MEMORY")
            .pragma("wal_autocheckpoint", CHECKPOINT_AFTER);
        let writer = pool(1)
            .connect_with(writing.clone().create_if_missing(true))
            .await
            .map_err(translate)?;
        // From here on a file that has gone missing is an error, not a new and empty outbox.
        let [writing, options] = [writing, options].map(|it| it.create_if_missing(false));
        writer.set_connect_options(writing);
        // The log is beside the file itself, not beside a link to it.
        let file = DatabaseFile::opened(options.get_filename());
        let reader = options.clone().pragma("cache_size", READER_CACHE);
        let readers = pool(max_connections.clamp(1, READERS)).connect_lazy_with(reader);
        Ok(Self::new(Sqlite {
            readers,
            file,
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

    /// Returns the folder of the file that an address names, if it is not there.
    pub fn missing_folder(url: &str) -> Option<PathBuf> {
        let options = SqliteConnectOptions::from_str(url).ok()?;
        missing_folder(options.get_filename())
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

fn missing_folder(file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    let is_named = !folder.as_os_str().is_empty();
    (is_named && !folder.exists()).then(|| folder.to_owned())
}

/// Makes a file that is not there, for its owner alone: it will hold people's numbers. SQLite gives the
/// files beside it the same mode. If it cannot be made, SQLite says why.
fn make_private(file: &Path) {
    let mut open = OpenOptions::new();
    let made = open.write(true).create_new(true).mode(0o600).open(file);
    drop(made);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_that_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("none");
        let url = format!("sqlite://{}/shop.db", folder.display());
        let error = SqliteOutbox::connect(&url, 2).await.err().unwrap();
        assert!(error.is_transient(), "{error:?}");
        let told = format!("there is no folder {}; make it", folder.display());
        assert!(error.to_string().starts_with(&told), "{error}");
        assert_eq!(SqliteOutbox::missing_folder("sqlite://shop.db"), None);
    }

    /// Sessions would wait for each other at every page and allocation. The options stand in `.cargo/config.toml`.
    #[tokio::test]
    async fn sqlite_is_built_without_locks_that_all_sessions_share() -> sqlx::Result<()> {
        let pool = SqlitePoolOptions::new().connect("sqlite::memory:").await?;
        let options: Vec<String> = sqlx::query_scalar("PRAGMA compile_options")
            .fetch_all(&pool)
            .await?;
        let has = |name: &str| options.iter().any(|option| option == name);
        assert!(has("DEFAULT_MEMSTATUS=0"), "{options:?}");
        assert!(!has("ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
        Ok(())
    }
}
