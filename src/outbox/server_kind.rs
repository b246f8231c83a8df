//! A kind of server.

use std::fmt::Debug;

use async_trait::async_trait;
use sqlx::pool::PoolOptions;
use sqlx::{Connection, Database, Error};

use super::error::OutboxError;

/// How a connection of this kind is made.
pub(super) type Options<D> = <<D as Database>::Connection as Connection>::Options;

/// What each kind of server has of its own.
#[async_trait]
pub(super) trait ServerKind: Database {
    /// What its sessions share.
    type Context: Debug + Send + Sync;

    /// What every session begins with.
    async fn prepare(session: &mut Self::Connection, context: &Self::Context) -> sqlx::Result<()>;

    /// Why the server takes no writes; `None`: it does.
    async fn refuses_writes(session: &mut Self::Connection) -> sqlx::Result<Option<String>>;

    /// What an error means.
    fn translate(error: Error) -> OutboxError;

    /// Whether the error says that the server allows no more connections, of this user or of all.
    fn allows_no_more(error: &Error) -> bool;

    /// Where the server is, for people: `host:port`, or the path of its socket.
    fn place(options: &Options<Self>) -> String;

    /// The name of the database on it.
    fn database(options: &Options<Self>) -> Option<&str>;

    /// What the pool of connections has beyond what every pool of ours has.
    fn pool_options() -> PoolOptions<Self> {
        PoolOptions::new()
    }
}
