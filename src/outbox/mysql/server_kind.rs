//! MySQL and MariaDB as a kind of server.

use std::path::PathBuf;

use async_trait::async_trait;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{MySqlConnection, Row};

use super::cluster::Cluster;
use super::error::translate;
use super::{sessions, statements};
use crate::outbox::server_kind::ServerKind;
use crate::outbox::{OutboxError, network};

#[async_trait]
impl ServerKind for sqlx::MySql {
    type Context = Cluster;

    async fn prepare(session: &mut MySqlConnection, cluster: &Cluster) -> sqlx::Result<()> {
        sessions::prepare(session, cluster).await
    }

    // Whether this user could write all the same is not asked: who made the server read-only wants
    // nobody to, and what is written on a replica is lost.
    async fn refuses_writes(session: &mut MySqlConnection) -> sqlx::Result<Option<String>> {
        let told = sqlx::raw_sql(statements::TAKES_WRITES)
            .fetch_all(session)
            .await?;
        for variable in told {
            let (name, value): (String, String) = (variable.try_get(0)?, variable.try_get(1)?);
            let (status, lost) = statements::OUTSIDE;
            if name == status {
                if value.eq_ignore_ascii_case(lost) {
                    return Ok(Some(format!("has lost its cluster ({name} is {value})")));
                }
            } else if !matches!(value.as_str(), "OFF" | "0") {
                return Ok(Some(format!("is read-only ({name} is {value})")));
            }
        }
        Ok(None)
    }

    fn translate(error: sqlx::Error) -> OutboxError {
        translate(error)
    }

    fn place(options: &MySqlConnectOptions) -> String {
        let socket = options.get_socket().map(PathBuf::as_path);
        network::place(socket, options.get_host(), options.get_port())
    }

    fn database(options: &MySqlConnectOptions) -> Option<&str> {
        options.get_database()
    }

    fn pool_options() -> MySqlPoolOptions {
        MySqlPoolOptions::new()
            .idle_timeout(sessions::LONGEST_IDLE)
            .max_lifetime(sessions::LONGEST_LIFE)
    }
}
