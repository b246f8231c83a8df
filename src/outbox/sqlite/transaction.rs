//! A transaction that writes, on the file's one connection for writing.
//!
//! SQLite undoes a transaction by itself when the disk is full, or cannot be read or written. The
//! driver does not notice it and would refuse to begin another one for ever. So the connection goes
//! back to its pool only behind a transaction that is known to have ended, by a commit or a
//! rollback that succeeded. Otherwise it is closed, which undoes everything uncommitted, and the
//! pool opens a new one.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{Result, Sqlite, SqliteConnection, SqlitePool};

use super::statements::migrating::SORT_ON_DISK;

/// A transaction that writes. Dropping it undoes it and closes its connection.
pub(in crate::outbox) struct Transaction {
    connection: PoolConnection<Sqlite>,
    durable: Durable,
    ended: bool,
}

/// How a transaction begins. Without `IMMEDIATE`, a transaction that reads first and writes later
/// may be refused in the middle; this one waits at its beginning.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// Has what follows survive the loss of power as soon as it has ended. So are connections made, and so they
/// go back to the pool.
const DURABLE: &str = "PRAGMA synchronous = FULL";

/// Has the end of what follows not wait for the disk.
const NOT_DURABLE: &str = "PRAGMA synchronous = NORMAL";

/// When a transaction survives the loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durable {
    /// When it has ended.
    AtOnce,
    /// When the next one has ended that does at once: the log is written to the disk in its order.
    WithTheNext,
}

/// Begins a transaction that writes.
pub(super) async fn begin(writer: &SqlitePool, durable: Durable) -> Result<Transaction> {
    let mut writing = Transaction {
        connection: writer.acquire().await?,
        durable,
        ended: false,
    };
    if durable == Durable::WithTheNext {
        sqlx::query(NOT_DURABLE).execute(&mut *writing).await?;
    }
    sqlx::query(BEGIN).execute(&mut *writing).await?;
    Ok(writing)
}

/// Takes the connection to change the schema, which may sort whole tables: on disk, not in memory. It is
/// closed afterwards, because its state is unknown if that fails.
pub(super) async fn to_change_schema(writer: &SqlitePool) -> Result<PoolConnection<Sqlite>> {
    let mut connection = writer.acquire().await?;
    connection.close_on_drop();
    sqlx::query(SORT_ON_DISK).execute(&mut *connection).await?;
    Ok(connection)
}

impl Transaction {
    /// Commits the transaction. After an error it may be committed or not.
    pub(super) async fn commit(self) -> Result<()> {
        self.end("COMMIT").await
    }

    /// Undoes the transaction, and keeps the connection.
    pub(super) async fn rollback(self) -> Result<()> {
        self.end("ROLLBACK").await
    }

    /// Fails if there is no transaction any more.
    async fn end(mut self, statement: &'static str) -> Result<()> {
        sqlx::query(statement).execute(&mut *self).await?;
        if self.durable == Durable::WithTheNext {
            sqlx::query(DURABLE).execute(&mut *self).await?;
        }
        self.ended = true;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Transaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

    use super::*;

    #[tokio::test]
    async fn only_a_transaction_that_says_so_does_not_wait_for_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(dir.path().join("shop.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let writer = SqlitePoolOptions::new().max_connections(1);
        let writer = writer.connect_with(options).await.unwrap();
        for (durable, level) in [
            (Durable::AtOnce, 2),
            (Durable::WithTheNext, 1),
            (Durable::AtOnce, 2),
            (Durable::WithTheNext, 1),
        ] {
            let mut writing = begin(&writer, durable).await.unwrap();
            let told: i64 = sqlx::query_scalar("PRAGMA synchronous")
                .fetch_one(&mut *writing)
                .await
                .unwrap();
            assert_eq!(told, level, "{durable:?}");
            writing.commit().await.unwrap();
        }
        let mut connection = to_change_schema(&writer).await.unwrap();
        let told: i64 = sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        assert_eq!(told, 2);
    }
}
