//! The sessions on an SQLite file: several that read, one that writes.

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::{ConnectOptions, Result, SqliteConnection};

use super::error::translate;
use super::language::Sqlite;
use super::transaction::{BEGIN, Durable, Transaction, begin};
use crate::outbox::OutboxError;
use crate::outbox::sql::sessions::Sessions;

#[async_trait]
impl Sessions for Sqlite {
    type Writing = Transaction;

    /// The file has one writer at a time.
    fn writers(&self) -> usize {
        1
    }

    async fn reading(&self) -> Result<PoolConnection<sqlx::Sqlite>> {
        self.readers.acquire().await
    }

    async fn begin(&self) -> Result<Transaction> {
        self.file.check()?;
        begin(&self.writer, Durable::AtOnce).await
    }

    async fn begin_lease(&self) -> Result<Transaction> {
        self.file.check()?;
        begin(&self.writer, Durable::WithTheNext).await
    }

    async fn commit(&self, writing: Transaction) -> Result<()> {
        writing.commit().await
    }

    async fn rollback(&self, writing: Transaction) -> Result<()> {
        writing.rollback().await
    }

    async fn begin_insert(&self) -> Result<SqliteConnection, OutboxError> {
        let mut connection = self.options.connect().await.map_err(translate)?;
        sqlx::query(BEGIN)
            .execute(&mut connection)
            .await
            .map_err(translate)?;
        Ok(connection)
    }
}
