//! The outbox on PostgreSQL: connecting to it.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;

use super::error::translate;
use super::language::Postgres;
use super::pooler::Pooler;
use super::{sessions, statements};
use crate::address::Address;
use crate::outbox::servers::Found;
use crate::outbox::{Access, OutboxError, SqlOutbox, fitness, network};

/// The outbox on PostgreSQL.
pub type PostgresOutbox = SqlOutbox<Postgres>;

impl PostgresOutbox {
    /// Connects to write; fails within seconds if the server cannot be reached, or takes no writes, and behind a
    /// pooler that loses prepared statements.
    /// The address may name several servers.
    pub async fn connect(
        address: impl Into<Address>,
        max_connections: u32,
    ) -> Result<Self, OutboxError> {
        Self::connect_to(&address.into(), max_connections, Access::Write).await
    }

    /// The same to read or to write.
    pub async fn connect_to(
        address: &Address,
        max_connections: u32,
        access: Access,
    ) -> Result<Self, OutboxError> {
        let servers = Found::<sqlx::Postgres>::find(sessions::each(address)?, access, ())
            .await?
            .used(max_connections);
        if let Some(renew) = &address.renew {
            servers.follow(Arc::clone(renew), sessions::each);
        }
        let pooler = async { Pooler::find(&servers).await.map_err(translate) };
        // All that follows is asked by prepared statements.
        let is_pooled = match network::meeting(pooler).await? {
            Pooler::LosesStatements(why) => return Err(fitness::loses_statements(&why)),
            Pooler::OfTransactions => true,
            Pooler::Unseen => false,
        };
        Ok(Self::new(Postgres { servers, is_pooled }))
    }

    /// The options of this program's sessions, for tests that look at plans.
    #[doc(hidden)]
    pub fn connect_options(url: &str) -> Result<PgConnectOptions, OutboxError> {
        sessions::options(url, &url.into())
    }

    /// Names and texts of the statements that run all day, for tests that look at plans.
    #[doc(hidden)]
    pub fn hot_statements() -> &'static [(&'static str, &'static str)] {
        &statements::HOT
    }

    /// Closes all connections; what is under way is finished first.
    pub async fn close(&self) {
        self.dialect.servers.close().await;
    }
}
