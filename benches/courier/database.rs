//! A database of one measurement, with a door of its own for raw SQL.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use contact_courier::outbox::{MySqlOutbox, Outbox, PostgresOutbox, SqliteOutbox};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{
    AssertSqlSafe, Connection, MySql, MySqlConnection, MySqlPool, PgConnection, PgPool, Postgres,
    SqlitePool, Transaction,
};
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

use crate::servers::{Engine, Servers};

/// A migrated database; [`Database::remove`] removes it.
pub(crate) struct Database {
    pub(crate) engine: Engine,
    /// As `database.url` wants it.
    pub(crate) url: String,
    name: String,
    admin: String,
    raw: Raw,
    _dir: Option<TempDir>,
}

enum Raw {
    Postgres(PgPool),
    MySql(MySqlPool),
    Sqlite(SqlitePool),
}

/// A transaction that keeps its locks.
pub(crate) enum Held {
    Postgres {
        _transaction: Transaction<'static, Postgres>,
    },
    MySql {
        _transaction: Transaction<'static, MySql>,
    },
}

impl Database {
    /// Makes a new, empty, migrated database.
    pub(crate) async fn create(servers: &Servers, engine: Engine) -> Result<Self> {
        let database = Self::bare(servers, engine, "").await?;
        database.outbox(2).await?.migrate().await?;
        Ok(database)
    }

    /// Copies a PostgreSQL database that nobody is connected to.
    pub(crate) async fn copy(servers: &Servers, template: &Self) -> Result<Self> {
        if let Raw::Postgres(pool) = &template.raw {
            pool.close().await;
        }
        let how = format!("TEMPLATE {} STRATEGY FILE_COPY", template.name);
        let copy = Self::bare(servers, template.engine, &how).await?;
        copy.execute("CHECKPOINT").await?;
        Ok(copy)
    }

    async fn bare(servers: &Servers, engine: Engine, how: &str) -> Result<Self> {
        let name = format!("bench_{}", Uuid::now_v7().simple());
        let admin = servers.address(engine)?.to_owned();
        let mut dir = None;
        let (url, raw) = match engine {
            Engine::Postgres => {
                administer(engine, &admin, &format!("CREATE DATABASE {name} {how}")).await?;
                let url = url_of(&admin, &name)?;
                let pool = PgPoolOptions::new().max_connections(2).connect_lazy(&url)?;
                (url, Raw::Postgres(pool))
            }
            Engine::MariaDb | Engine::MySql => {
                let create = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
                administer(engine, &admin, &create).await?;
                let url = url_of(&admin, &name)?;
                let pool = MySqlPoolOptions::new()
                    .max_connections(2)
                    .connect_lazy(&url)?;
                (url, Raw::MySql(pool))
            }
            Engine::Sqlite => {
                let made = tempfile::tempdir().context("a temporary directory")?;
                let file = made.path().join("outbox.db");
                let options = SqliteConnectOptions::new().filename(&file);
                let pool = SqlitePoolOptions::new()
                    .max_connections(2)
                    .connect_lazy_with(options);
                dir = Some(made);
                (format!("sqlite://{}", file.display()), Raw::Sqlite(pool))
            }
        };
        Ok(Self {
            engine,
            url,
            name,
            admin,
            raw,
            _dir: dir,
        })
    }

    /// Connects through the program's own door.
    pub(crate) async fn outbox(&self, connections: u32) -> Result<Arc<dyn Outbox>> {
        Ok(match self.engine {
            Engine::Postgres => Arc::new(PostgresOutbox::connect(&self.url, connections).await?),
            Engine::MariaDb | Engine::MySql => {
                Arc::new(MySqlOutbox::connect(&self.url, connections).await?)
            }
            Engine::Sqlite => Arc::new(SqliteOutbox::connect(&self.url, connections).await?),
        })
    }

    /// Runs statements.
    pub(crate) async fn execute(&self, sql: impl Into<String>) -> Result<u64> {
        let sql = AssertSqlSafe(sql.into());
        let done = match &self.raw {
            Raw::Postgres(pool) => sqlx::raw_sql(sql).execute(pool).await?.rows_affected(),
            Raw::MySql(pool) => sqlx::raw_sql(sql).execute(pool).await?.rows_affected(),
            Raw::Sqlite(pool) => sqlx::raw_sql(sql).execute(pool).await?.rows_affected(),
        };
        Ok(done)
    }

    /// Runs a statement in a transaction that keeps its locks until the value is dropped.
    pub(crate) async fn hold(&self, sql: &str) -> Result<Held> {
        let sql = AssertSqlSafe(sql.to_owned());
        Ok(match &self.raw {
            Raw::Postgres(pool) => {
                let mut held = pool.begin().await?;
                sqlx::raw_sql(sql).execute(&mut *held).await?;
                Held::Postgres { _transaction: held }
            }
            Raw::MySql(pool) => {
                let mut held = pool.begin().await?;
                sqlx::raw_sql(sql).execute(&mut *held).await?;
                Held::MySql { _transaction: held }
            }
            Raw::Sqlite(_) => bail!("SQLite locks no rows"),
        })
    }

    /// Returns the number that an expression gives; null is 0.
    pub(crate) async fn number(&self, expression: &str, rest: &str) -> Result<f64> {
        let double = match self.raw {
            Raw::Postgres(_) => "double precision",
            Raw::MySql(_) => "double",
            Raw::Sqlite(_) => "real",
        };
        let sql =
            format!("SELECT coalesce(CAST({expression} AS {double}), CAST(0 AS {double})) {rest}");
        let sql = AssertSqlSafe(sql);
        Ok(match &self.raw {
            Raw::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await?,
            Raw::MySql(pool) => sqlx::query_scalar(sql).fetch_one(pool).await?,
            Raw::Sqlite(pool) => sqlx::query_scalar(sql).fetch_one(pool).await?,
        })
    }

    /// An instant of the database as seconds since 1970.
    pub(crate) fn epoch(&self, instant: &str) -> String {
        match self.engine {
            Engine::Postgres => format!("extract(epoch FROM {instant})"),
            Engine::MariaDb | Engine::MySql => format!("unix_timestamp({instant})"),
            Engine::Sqlite => format!("unixepoch({instant}, 'subsec')"),
        }
    }

    /// The instant that is so many seconds from now, as an expression.
    pub(crate) fn in_seconds(&self, seconds: f64) -> String {
        match self.engine {
            Engine::Postgres => format!("clock_timestamp() + interval '{seconds:.3} s'"),
            Engine::MariaDb | Engine::MySql => {
                format!("utc_timestamp(6) + INTERVAL {seconds:.3} SECOND")
            }
            Engine::Sqlite => {
                format!("strftime('%Y-%m-%d %H:%M:%f', 'now', '{seconds:.3} seconds')")
            }
        }
    }

    /// The database's clock, in seconds since 1970.
    pub(crate) async fn clock(&self) -> Result<f64> {
        let now = match self.engine {
            Engine::Postgres => "clock_timestamp()",
            Engine::MariaDb | Engine::MySql => "sysdate(6)",
            Engine::Sqlite => "'now'",
        };
        self.number(&self.epoch(now), "").await
    }

    /// How many bytes of write-ahead log the server has written so far (PostgreSQL).
    pub(crate) async fn wal(&self) -> Result<f64> {
        match self.engine {
            Engine::Postgres => self.number("pg_current_wal_insert_lsn() - '0/0'", "").await,
            Engine::MariaDb | Engine::MySql | Engine::Sqlite => Ok(0.0),
        }
    }

    /// Lets the server finish all work that the inserts have left for later.
    pub(crate) async fn settle_down(&self) -> Result<()> {
        let statements: &[&str] = match self.engine {
            Engine::Postgres => &["VACUUM ANALYZE", "CHECKPOINT"],
            Engine::MariaDb | Engine::MySql => &["ANALYZE TABLE contact_outbox"],
            Engine::Sqlite => &["PRAGMA wal_checkpoint(TRUNCATE)"],
        };
        for statement in statements {
            self.execute(*statement).await?;
        }
        Ok(())
    }

    /// Removes the database, whoever is still connected.
    pub(crate) async fn remove(self) -> Result<()> {
        match &self.raw {
            Raw::Postgres(pool) => {
                pool.close().await;
                let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
                administer(self.engine, &self.admin, &drop).await
            }
            Raw::MySql(pool) => {
                pool.close().await;
                administer(
                    self.engine,
                    &self.admin,
                    &format!("DROP DATABASE {}", self.name),
                )
                .await
            }
            Raw::Sqlite(pool) => {
                pool.close().await;
                Ok(())
            }
        }
    }
}

async fn administer(engine: Engine, admin: &str, sql: &str) -> Result<()> {
    let sql = AssertSqlSafe(sql.to_owned());
    if engine == Engine::Postgres {
        let mut connection = PgConnection::connect(admin).await?;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
    } else {
        let mut connection = MySqlConnection::connect(admin).await?;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
    }
    Ok(())
}

fn url_of(admin: &str, database: &str) -> Result<String> {
    let mut url = Url::parse(admin)?;
    url.set_path(database);
    Ok(url.into())
}
