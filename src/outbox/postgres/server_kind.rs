//! PostgreSQL as a kind of server.

use std::path::PathBuf;

use async_trait::async_trait;
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgConnection, Row};

use super::error::{self, translate};
use super::{sessions, statements};
use crate::outbox::server_kind::ServerKind;
use crate::outbox::{OutboxError, network};

#[async_trait]
impl ServerKind for sqlx::Postgres {
    type Context = ();

    async fn prepare(session: &mut PgConnection, (): &()) -> sqlx::Result<()> {
        sessions::prepare(session).await
    }

    async fn refuses_writes(session: &mut PgConnection) -> sqlx::Result<Option<String>> {
        let told = sqlx::raw_sql(statements::TAKES_WRITES)
            .fetch_one(session)
            .await?;
        let why = if told.try_get("is_standby")? {
            Some("is a standby")
        } else if told.try_get("is_read_only")? {
            Some("is read-only (default_transaction_read_only is on)")
        } else {
            None
        };
        Ok(why.map(str::to_owned))
    }

    fn translate(error: sqlx::Error) -> OutboxError {
        translate(error)
    }

    fn allows_no_more(error: &sqlx::Error) -> bool {
        error::allows_no_more(error)
    }

    fn place(options: &PgConnectOptions) -> String {
        let socket = options.get_socket().map(PathBuf::as_path);
        network::place(socket, options.get_host(), options.get_port())
    }

    fn database(options: &PgConnectOptions) -> Option<&str> {
        options.get_database()
    }
}
