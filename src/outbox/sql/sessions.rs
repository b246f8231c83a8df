//! The sessions of a database, and the transactions in them.

use std::ops::DerefMut;

use async_trait::async_trait;
use sqlx::Result;
use sqlx::pool::PoolConnection;
use tokio::time::Instant;

use super::language::{Language, Session};
use crate::outbox::OutboxError;
use crate::outbox::error::SqlError;
use crate::outbox::kept::Held;

/// How a kind of database gives sessions.
#[async_trait]
pub(in crate::outbox) trait Sessions: Language {
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
    /// A session for a question that is asked all the time.
    async fn at_hand(&self) -> Result<Held<Self::Db>> {
        Ok(Held::new(self.reading().await?))
    }
    /// Begins a transaction that writes.
    async fn begin(&self) -> Result<Self::Writing>;
    /// Begins a transaction that writes and waits at most a second for each lock of a row, where the
    /// database can. Its caller tries again rather than keep others waiting.
    async fn begin_briefly(&self) -> Result<Self::Writing> {
        self.begin().await
    }
    /// Begins the transaction of a lease, which waits as briefly. Where the database can, its end does not
    /// wait for the disk. Nothing is sent before a later transaction has journalled it, and that
    /// transaction brings the lease to the disk, too.
    async fn begin_lease(&self) -> Result<Self::Writing> {
        self.begin_briefly().await
    }
    /// Begins a single statement that writes, if need be by a transaction.
    async fn begin_one(&self) -> Result<Self::Writing> {
        self.begin().await
    }
    /// Begins the claim of a rate, which is a single statement where the database can write a row and
    /// return it at once.
    async fn begin_claim(&self) -> Result<Self::Writing> {
        self.begin_one().await
    }
    async fn commit(&self, writing: Self::Writing) -> Result<()>;
    async fn rollback(&self, writing: Self::Writing) -> Result<()>;
    /// Begins a transaction in which somebody may take time, on a connection of its own.
    async fn begin_insert(&self) -> Result<Session<Self>, OutboxError>;
    /// Has happen now what triggers keep for the end of the transaction: they may put rows back, or
    /// refuse them.
    async fn fire_deferred(_session: &mut Session<Self>) -> Result<()> {
        Ok(())
    }
    /// Fails if the database has undone the transaction and not said so.
    async fn stands(_session: &mut Session<Self>) -> Result<()> {
        Ok(())
    }
    /// Passes on how a write went. If rows stay as they were, fails as [`Sessions::stands`] does where
    /// that is the reason.
    async fn explained<T: Send>(
        session: &mut Session<Self>,
        written: std::result::Result<T, SqlError>,
    ) -> std::result::Result<T, SqlError> {
        if let Err(SqlError::Unwritten { .. }) = &written {
            Self::stands(session).await?;
        }
        written
    }
}
