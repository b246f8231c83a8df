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

/// A transaction that writes. Dropping it undoes it and closes its connection.
pub(in crate::outbox) struct Transaction {
    connection: PoolConnection<Sqlite>,
    ended: bool,
}

/// How a transaction begins. Without `IMMEDIATE`, a transaction that reads first and writes later
/// may be refused in the middle; this one waits at its beginning.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// Begins a transaction that writes.
pub(super) async fn begin(writer: &SqlitePool) -> Result<Transaction> {
    let mut writing = Transaction {
        connection: writer.acquire().await?,
        ended: false,
    };
    sqlx::query(BEGIN).execute(&mut *writing).await?;
    Ok(writing)
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
