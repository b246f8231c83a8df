//! Sessions of servers in which the courier writes.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{Database, Result, Transaction};

/// A session that writes.
#[derive(Debug)]
pub(in crate::outbox) enum WritingSession<Db: Database> {
    /// Each statement is a transaction by itself.
    One(PoolConnection<Db>),
    /// All statements are one transaction.
    All(Transaction<'static, Db>),
}

impl<Db: Database> WritingSession<Db> {
    pub(in crate::outbox) async fn commit(self) -> Result<()> {
        match self {
            Self::One(_) => Ok(()),
            Self::All(tx) => tx.commit().await,
        }
    }

    /// Undoes the transaction.
    pub(in crate::outbox) async fn rollback(self) -> Result<()> {
        match self {
            Self::One(_) => Ok(()),
            Self::All(tx) => tx.rollback().await,
        }
    }
}

impl<Db: Database> Deref for WritingSession<Db> {
    type Target = Db::Connection;

    fn deref(&self) -> &Db::Connection {
        match self {
            Self::One(session) => session,
            Self::All(tx) => tx,
        }
    }
}

impl<Db: Database> DerefMut for WritingSession<Db> {
    fn deref_mut(&mut self) -> &mut Db::Connection {
        match self {
            Self::One(session) => session,
            Self::All(tx) => tx,
        }
    }
}
