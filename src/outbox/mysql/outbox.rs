//! The outbox on MySQL or MariaDB: connecting to it.

use std::sync::Arc;

use sqlx::MySqlConnection;
use sqlx::mysql::MySqlConnectOptions;

use super::cluster::Cluster;
use super::error::translate;
use super::language::MySql;
use super::{facts, sessions, statements};
use crate::address::Address;
use crate::outbox::servers::Found;
use crate::outbox::{Access, OutboxError, SqlOutbox, network};

/// The outbox on MySQL or MariaDB.
pub type MySqlOutbox = SqlOutbox<MySql>;

impl MySqlOutbox {
    /// Connects to write; fails within seconds if the server cannot be reached, or takes no writes.
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
        let cluster = Cluster::default();
        let found =
            Found::<sqlx::MySql>::find(sessions::each(address)?, access, cluster.clone()).await?;
        let facts = network::meeting(facts::meet(found.options(), &cluster)).await?;
        let statements = facts.statements(max_connections);
        let adapt =
            move |options: MySqlConnectOptions| options.statement_cache_capacity(statements);
        let servers = found.adapted(adapt).used(max_connections);
        if let Some(renew) = &address.renew {
            servers.follow(Arc::clone(renew), move |address| {
                let each = sessions::each(address)?;
                Ok(each.into_iter().map(adapt).collect())
            });
        }
        Ok(Self::new(MySql {
            servers,
            packet: facts.packet,
            cluster,
        }))
    }

    /// Whether the server keeps what it has confirmed through the loss of power: a setting of its
    /// own, which no session can change.
    pub async fn is_durable(&self) -> Result<bool, OutboxError> {
        let asked = async {
            let mut session = self.dialect.servers.acquire().await?;
            sqlx::query_scalar(statements::DURABLE)
                .fetch_one(&mut *session)
                .await
        };
        network::meeting(async { asked.await.map_err(translate) }).await
    }

    /// Names and texts of the statements that run all day, for tests that look at plans.
    #[doc(hidden)]
    pub fn hot_statements() -> &'static [(&'static str, &'static str)] {
        &statements::HOT
    }

    /// A session like the program's own, for tests that look behind it.
    #[doc(hidden)]
    pub async fn session(&self) -> Result<MySqlConnection, OutboxError> {
        sessions::open(&self.dialect.servers.options(), &self.dialect.cluster).await
    }

    /// Closes all connections; what is under way is finished first.
    pub async fn close(&self) {
        self.dialect.servers.close().await;
    }
}
