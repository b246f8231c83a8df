//! The private database servers: where they are, and what their processes have used.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use sqlx::{Connection, MySqlConnection, PgConnection};

use crate::usage;

/// A database that the program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// A private server.
    Postgres,
    /// A private server.
    MariaDb,
    /// A file; its CPU is the courier's.
    Sqlite,
}

impl Engine {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
            Self::Sqlite => "SQLite",
        }
    }
}

/// The administrator's addresses.
pub(crate) struct Servers {
    pub(crate) postgres: String,
    pub(crate) mariadb: String,
}

impl Servers {
    /// As `scripts/test-databases.sh --measuring` tells; `None`: it has not been called.
    pub(crate) fn told() -> Option<Self> {
        Some(Self {
            postgres: variable("COURIER_BENCH_POSTGRES_URL")?,
            mariadb: variable("COURIER_BENCH_MYSQL_URL")?,
        })
    }

    /// The settings that decide whether what is confirmed survives the loss of power.
    pub(crate) async fn durability(&self) -> Result<String> {
        let mut postgres = PgConnection::connect(&self.postgres).await?;
        let version: String = sqlx::query_scalar("SHOW server_version")
            .fetch_one(&mut postgres)
            .await?;
        let settings: String = sqlx::query_scalar(
            "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
             WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')",
        )
        .fetch_one(&mut postgres)
        .await?;
        let mut mariadb = MySqlConnection::connect(&self.mariadb).await?;
        let (name, flush, doublewrite): (String, i64, i64) = sqlx::query_as(
            "SELECT version(), CAST(@@innodb_flush_log_at_trx_commit AS SIGNED),
                    CAST(@@innodb_doublewrite AS SIGNED)",
        )
        .fetch_one(&mut mariadb)
        .await?;
        Ok(format!(
            "PostgreSQL {version} ({settings}), {name} (innodb_flush_log_at_trx_commit={flush} \
             innodb_doublewrite={doublewrite}), SQLite (WAL, synchronous=FULL)"
        ))
    }

    /// CPU seconds that the server's processes have used so far.
    pub(crate) async fn cpu(&self, engine: Engine) -> Result<f64> {
        match engine {
            Engine::Postgres => {
                let mut connection = PgConnection::connect(&self.postgres).await?;
                let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
                    .fetch_one(&mut connection)
                    .await?;
                usage::family_cpu(usage::parent(u32::try_from(backend)?)?)
            }
            Engine::MariaDb => {
                let mut connection = MySqlConnection::connect(&self.mariadb).await?;
                let file: String = sqlx::query_scalar("SELECT @@pid_file")
                    .fetch_one(&mut connection)
                    .await?;
                let pid = std::fs::read_to_string(file)?;
                usage::family_cpu(pid.trim().parse()?)
            }
            Engine::Sqlite => Ok(0.0),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the private databases are is told by the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Starts the servers and, with them, this program once more in its place.
pub(crate) fn run_again_with_servers() -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/test-databases.sh");
    let error = Command::new(&script)
        .arg("--measuring")
        .arg(std::env::current_exe().context("this program's own path")?)
        .args(std::env::args_os().skip(1))
        .exec();
    bail!("cannot run {}: {error}", script.display())
}
