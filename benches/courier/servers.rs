//! The private database servers: their addresses, and the CPU time of their processes.

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
    /// A private server.
    MySql,
    /// A file; its CPU is the courier's.
    Sqlite,
}

impl Engine {
    pub(crate) const ALL: [Self; 4] = [Self::Postgres, Self::Sqlite, Self::MariaDb, Self::MySql];

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
            Self::MySql => "MySQL",
            Self::Sqlite => "SQLite",
        }
    }
}

/// The administrator's addresses.
pub(crate) struct Servers {
    pub(crate) postgres: String,
    pub(crate) mariadb: String,
    /// The address, or why there is none.
    mysql: Result<String, String>,
}

impl Servers {
    /// Reads the addresses that `scripts/test-databases.sh --measuring` has set; `None`: it has not
    /// been called.
    pub(crate) fn told() -> Option<Self> {
        Some(Self {
            postgres: variable("COURIER_BENCH_POSTGRES_URL")?,
            mariadb: variable("COURIER_BENCH_MARIADB_URL")?,
            mysql: variable("COURIER_BENCH_MYSQL_URL").ok_or_else(|| {
                let why = variable("COURIER_TEST_WITHOUT_MYSQL");
                why.unwrap_or_else(|| "nobody said why".into())
            }),
        })
    }

    /// The administrator's address of a server.
    pub(crate) fn address(&self, engine: Engine) -> Result<&str> {
        match (engine, &self.mysql) {
            (Engine::Postgres, _) => Ok(&self.postgres),
            (Engine::MariaDb, _) => Ok(&self.mariadb),
            (Engine::MySql, Ok(url)) => Ok(url),
            (Engine::MySql, Err(why)) => bail!("there is no MySQL to measure: {why}"),
            (Engine::Sqlite, _) => Ok(""),
        }
    }

    /// Why a server that is not there cannot be measured.
    pub(crate) fn missing(&self, engine: Engine) -> Option<String> {
        self.address(engine).err().map(|error| error.to_string())
    }

    /// Returns the settings that decide whether confirmed writes survive the loss of power.
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
        let mariadb = innodb_durability(&self.mariadb).await?;
        let mysql = match &self.mysql {
            Ok(url) => format!("MySQL {}, ", innodb_durability(url).await?),
            Err(_) => String::new(),
        };
        Ok(format!(
            "PostgreSQL {version} ({settings}), {mariadb}, {mysql}SQLite (WAL, synchronous=FULL)"
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
            Engine::MariaDb | Engine::MySql => {
                let mut connection = MySqlConnection::connect(self.address(engine)?).await?;
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

async fn innodb_durability(url: &str) -> Result<String> {
    let mut session = MySqlConnection::connect(url).await?;
    // The values are words on one server and numbers on the other.
    let (version, flush, doublewrite): (String, String, String) = sqlx::query_as(
        "SELECT version(), CAST(@@innodb_flush_log_at_trx_commit AS CHAR),
                CAST(@@innodb_doublewrite AS CHAR)",
    )
    .fetch_one(&mut session)
    .await?;
    Ok(format!(
        "{version} (innodb_flush_log_at_trx_commit={flush} innodb_doublewrite={doublewrite})"
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the private databases are is told by the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Starts the servers, and with them this program once more in its place.
pub(crate) fn run_again_with_servers() -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/test-databases.sh");
    let error = Command::new(&script)
        .args(["--measuring", "--servers", "postgres mariadb mysql?"])
        .arg(std::env::current_exe().context("this program's own path")?)
        .args(std::env::args_os().skip(1))
        .exec();
    bail!("cannot run {}: {error}", script.display())
}
