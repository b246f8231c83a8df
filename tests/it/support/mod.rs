//! The parts that the tests share: databases of their own, with a second connection for raw SQL.

mod obstacle;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use contact_courier::batch::BatchId;
use contact_courier::contact::{ContactId, Lane, RequestOptions};
use contact_courier::outbox::{
    Action, Change, Chore, Close, Final, Instance, JournalEntry, LaneFound, LaneQuery, Lease,
    LeasedLane, MySqlOutbox, Operations, Outbox, OutboxError, PostgresOutbox, Recorded, RowOutcome,
    SqliteOutbox, Standing, Write,
};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{
    AssertSqlSafe, Connection, MySqlConnection, MySqlPool, PgConnection, PgPool, SqlitePool,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

pub(crate) mod app;
pub(crate) mod disk;
pub(crate) mod group;
pub(crate) mod seed;
pub(crate) mod server;
pub(crate) mod world;

/// The databases that the program knows, as a user names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
    MySql,
}

/// A database of one test: the outbox under test, and another connection to look behind it.
pub(crate) struct Db {
    pub(crate) kind: Kind,
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) operations: Arc<dyn Operations>,
    pub(crate) url: String,
    pub(crate) raw: Raw,
    _dir: Option<TempDir>,
}

pub(crate) enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
    MySql(MySqlPool),
}

/// Expands cases, written once as `async fn case(db: &Db)`, into a test on every database.
macro_rules! on_every_database {
    ($($case:ident),* $(,)?) => {
        crate::support::on_databases!(sqlite Sqlite: $($case),*);
        crate::support::on_every_server!($($case),*);
    };
}
pub(crate) use on_every_database;

/// The same without SQLite, for cases that take several programs at once.
macro_rules! on_every_server {
    ($($case:ident),* $(,)?) => {
        crate::support::on_databases!(postgres Postgres: $($case),*);
        crate::support::on_mysql_and_mariadb!($($case),*);
    };
}
pub(crate) use on_every_server;

/// The same on the two servers that speak the protocol of MySQL.
macro_rules! on_mysql_and_mariadb {
    ($($case:ident),* $(,)?) => {
        crate::support::on_databases!(mariadb MariaDb: $($case),*);
        crate::support::on_databases!(mysql MySql: $($case),*);
    };
}
pub(crate) use on_mysql_and_mariadb;

/// A module of tests for each database, so that each test's name says where it ran.
macro_rules! on_databases {
    ($module:ident $kind:ident: $($case:ident),*) => {
        mod $module {
            $(#[tokio::test] async fn $case() {
                if let Some(db) = crate::support::Db::on(crate::support::Kind::$kind).await {
                    super::$case(&db).await;
                }
            })*
        }
    };
}
pub(crate) use on_databases;

impl Db {
    /// Returns a migrated database; `None`, with a printed line, if its server is left out of this
    /// run.
    pub(crate) async fn on(kind: Kind) -> Option<Self> {
        if kind == Kind::Sqlite {
            return Some(Self::sqlite().await);
        }
        admin_url(kind)?;
        if kind == Kind::Postgres {
            return Some(Self::postgres().await);
        }
        let db = Self::bare(kind).await;
        db.outbox.migrate().await.expect("migrates");
        Some(db)
    }

    /// A database without our tables, on a server that is tested.
    pub(crate) async fn bare(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => Self::bare_sqlite().await,
            Kind::Postgres => Self::postgres_at(postgres_database(None).await).await,
            Kind::MariaDb | Kind::MySql => {
                let admin = admin_url(kind).expect("a server that is tested");
                Self::mysql_at(kind, mysql_database(&admin).await).await
            }
        }
    }

    /// A migrated SQLite file.
    pub(crate) async fn sqlite() -> Self {
        let db = Self::bare_sqlite().await;
        db.outbox.migrate().await.expect("migrates");
        db
    }

    async fn bare_sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let db = Self::bare_sqlite_in(dir.path()).await;
        Self {
            _dir: Some(dir),
            ..db
        }
    }

    /// A migrated SQLite file in a folder that outlives it.
    pub(crate) async fn sqlite_in(folder: &Path) -> Self {
        let db = Self::bare_sqlite_in(folder).await;
        db.outbox.migrate().await.expect("migrates");
        db
    }

    async fn bare_sqlite_in(folder: &Path) -> Self {
        let file = folder.join("outbox.db");
        Self::sqlite_at(format!("sqlite://{}", file.display())).await
    }

    /// An SQLite file that is migrated, or will be.
    pub(crate) async fn sqlite_at(url: String) -> Self {
        let outbox = SqliteOutbox::connect(&url, 4).await.expect("opens");
        let options: SqliteConnectOptions = url.parse().expect("a SQLite URL");
        let raw = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(options);
        Self {
            kind: Kind::Sqlite,
            operations: Arc::new(outbox.clone()),
            outbox: Arc::new(outbox),
            url,
            raw: Raw::Sqlite(raw),
            _dir: None,
        }
    }

    /// A migrated PostgreSQL database.
    pub(crate) async fn postgres() -> Self {
        Self::postgres_at(postgres_database(Some(postgres_template().await)).await).await
    }

    /// A PostgreSQL database that is migrated, or will be.
    pub(crate) async fn postgres_at(url: String) -> Self {
        let outbox = PostgresOutbox::connect(&url, 4).await.expect("connects");
        let options: PgConnectOptions = url.parse().expect("a PostgreSQL URL");
        let raw = PgPoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(options);
        Self {
            kind: Kind::Postgres,
            operations: Arc::new(outbox.clone()),
            outbox: Arc::new(outbox),
            url,
            raw: Raw::Postgres(raw),
            _dir: None,
        }
    }

    /// A MySQL or MariaDB database that is migrated, or will be.
    pub(crate) async fn mysql_at(kind: Kind, url: String) -> Self {
        let outbox = MySqlOutbox::connect(&url, 4).await.expect("connects");
        let options: MySqlConnectOptions = url.parse().expect("a MySQL URL");
        let raw = MySqlPoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(options);
        Self {
            kind,
            operations: Arc::new(outbox.clone()),
            outbox: Arc::new(outbox),
            url,
            raw: Raw::MySql(raw),
            _dir: None,
        }
    }

    /// Another outbox on the same database, as another courier has it.
    pub(crate) async fn another(&self) -> Arc<dyn Outbox> {
        connect(self.kind, &self.url).await.expect("connects")
    }

    /// Runs statements as an app might; the error is what the app would read.
    pub(crate) async fn try_execute(&self, sql: &str) -> Result<u64, String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.raw {
            Raw::Sqlite(pool) => sqlx::raw_sql(sql)
                .execute(pool)
                .await
                .map(|d| d.rows_affected()),
            Raw::Postgres(pool) => sqlx::raw_sql(sql)
                .execute(pool)
                .await
                .map(|d| d.rows_affected()),
            Raw::MySql(pool) => sqlx::raw_sql(sql)
                .execute(pool)
                .await
                .map(|d| d.rows_affected()),
        }
        .map_err(|error| error.to_string())
    }

    pub(crate) async fn execute(&self, sql: &str) -> u64 {
        match self.try_execute(sql).await {
            Ok(affected) => affected,
            Err(error) => panic!("{error}: {sql}"),
        }
    }

    /// Returns the one value of a query, as text.
    pub(crate) async fn text(&self, expression: &str, rest: &str) -> Option<String> {
        let sql = AssertSqlSafe(format!("SELECT {} {rest}", self.as_text(expression)));
        match &self.raw {
            Raw::Sqlite(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
            Raw::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
            Raw::MySql(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        }
        .unwrap_or_else(|error| panic!("{error}: {expression} {rest}"))
    }

    /// An expression, as text.
    pub(crate) fn as_text(&self, expression: &str) -> String {
        let text = match self.raw {
            Raw::Sqlite(_) | Raw::Postgres(_) => "TEXT",
            Raw::MySql(_) => "CHAR",
        };
        format!("CAST({expression} AS {text})")
    }

    pub(crate) async fn count(&self, rest: &str) -> i64 {
        let count = self.text("count(*)", rest).await;
        count.expect("a count").parse().expect("a number")
    }

    /// Now, shifted by seconds, in the database's own words.
    pub(crate) fn now(&self, seconds: i64) -> String {
        match self.raw {
            Raw::Sqlite(_) => {
                format!("strftime('%Y-%m-%d %H:%M:%f', 'now', '{seconds} seconds')")
            }
            Raw::Postgres(_) => format!("(now() + interval '{seconds} seconds')"),
            Raw::MySql(_) => format!("(now(6) + INTERVAL {seconds} SECOND)"),
        }
    }

    /// The database's clock goes back: all instants that couriers go by lie so many seconds further
    /// ahead. Below zero it goes forward.
    pub(crate) async fn clock_goes_back(&self, seconds: i64) {
        let later = |column: &str| match self.raw {
            Raw::Sqlite(_) => {
                format!("strftime('%Y-%m-%d %H:%M:%f', {column}, '{seconds} seconds')")
            }
            Raw::Postgres(_) => format!("{column} + interval '{seconds} seconds'"),
            Raw::MySql(_) => format!("{column} + INTERVAL {seconds} SECOND"),
        };
        for (table, column) in [
            ("courier_instance", "heartbeat_at"),
            ("delivery_lane", "held_until"),
        ] {
            let later = later(column);
            let step = format!("UPDATE {table} SET {column} = {later} WHERE {column} IS NOT NULL");
            // A courier may lock the same rows in another order.
            while let Err(error) = self.try_execute(&step).await {
                assert!(error.to_lowercase().contains("deadlock"), "{error}: {step}");
            }
        }
        let micros = seconds * 1_000_000;
        self.execute(&format!(
            "UPDATE rate_budget SET given_until = given_until + {micros}"
        ))
        .await;
    }

    /// Inserts a contact with only the required columns and returns its id.
    pub(crate) async fn contact(&self, lane: &str, phone: &str) -> i64 {
        self.contact_with(lane, phone, "sort", "0").await
    }

    /// The same with one more column, whose value is an SQL expression.
    pub(crate) async fn contact_with(
        &self,
        lane: &str,
        phone: &str,
        column: &str,
        value: &str,
    ) -> i64 {
        let (user, task) = lane.split_once('/').expect("user/task");
        self.execute(&format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone, {column})
             VALUES ('{user}', '{task}', '{phone}', {value})"
        ))
        .await;
        let id = self.text("max(id)", "FROM contact_outbox").await;
        id.expect("a row").parse().expect("an id")
    }

    /// Inserts `n` contacts into each of the lanes `u/t00000` … in one statement.
    pub(crate) async fn fill(&self, lanes: u32, n: u32, extra: (&str, &str)) {
        let (column, value) = extra;
        let numbers = |n: u32| match self.raw {
            Raw::Sqlite(_) | Raw::MySql(_) => format!(
                "(WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i + 1 < {n}) SELECT i FROM s)"
            ),
            Raw::Postgres(_) => format!("(SELECT generate_series(0, {n} - 1) AS i)"),
        };
        let task = match self.raw {
            Raw::Sqlite(_) => "'t' || printf('%05d', l.i)",
            Raw::Postgres(_) => "'t' || lpad(l.i::text, 5, '0')",
            // The driver's sessions join texts by `||`, as the other databases do.
            Raw::MySql(_) => "'t' || lpad(l.i, 5, '0')",
        };
        self.execute(&format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone, {column})
             SELECT 'u', {task}, '139' || (10000000 + c.i), {value}
             FROM {} AS l CROSS JOIN {} AS c",
            numbers(lanes),
            numbers(n)
        ))
        .await;
    }

    /// A column of a row, as text.
    pub(crate) async fn of(&self, contact: i64, column: &str) -> Option<String> {
        self.text(column, &format!("FROM contact_outbox WHERE id = {contact}"))
            .await
    }

    /// A column of a batch, as text.
    pub(crate) async fn of_batch(&self, batch: BatchId, column: &str) -> Option<String> {
        self.text(column, &format!("FROM delivery_batch WHERE id = '{batch}'"))
            .await
    }

    /// Registers a courier that beats.
    pub(crate) async fn courier(&self) -> Uuid {
        let id = Uuid::now_v7();
        self.outbox.beat(&instance(id)).await.expect("beats");
        id
    }

    /// Makes an instance silent for longer than its lease.
    pub(crate) async fn silence(&self, instance: Uuid) {
        let long_ago = self.now(-60);
        self.execute(&format!(
            "UPDATE courier_instance SET heartbeat_at = {long_ago} WHERE id = '{instance}'"
        ))
        .await;
    }

    /// Leases a lane that must be free.
    pub(crate) async fn lease(&self, name: &str, instance: Uuid) -> LeasedLane {
        self.try_lease(name, instance).await.expect("a free lane")
    }

    pub(crate) async fn try_lease(&self, name: &str, instance: Uuid) -> Option<LeasedLane> {
        self.outbox
            .lease(&lane(name), instance)
            .await
            .expect("leasing")
    }

    pub(crate) async fn record(&self, lease: &Arc<Lease>, changes: &[Change]) -> Vec<Recorded> {
        let writes: Vec<Write> = changes
            .iter()
            .map(|change| Write {
                lease: Arc::clone(lease),
                change: change.clone(),
            })
            .collect();
        self.outbox.record(&writes).await.expect("recording")
    }

    /// The lanes that a courier finds, with defaults that fit most tests.
    pub(crate) async fn find(&self, instance: Uuid) -> Vec<LaneFound> {
        self.find_by(&query(instance)).await
    }

    /// The lanes that a query finds.
    pub(crate) async fn find_by(&self, query: &LaneQuery) -> Vec<LaneFound> {
        let page = self.outbox.find_lanes(query).await.expect("finding");
        page.lanes
    }

    /// The names of the lanes that a courier finds.
    pub(crate) async fn names(&self, instance: Uuid) -> Vec<String> {
        let found = self.find(instance).await;
        found.iter().map(|found| found.lane.to_string()).collect()
    }
}

/// The outbox at an address.
pub(crate) async fn connect(kind: Kind, url: &str) -> Result<Arc<dyn Outbox>, OutboxError> {
    Ok(match kind {
        Kind::Sqlite => Arc::new(SqliteOutbox::connect(url, 2).await?),
        Kind::Postgres => Arc::new(PostgresOutbox::connect(url, 2).await?),
        Kind::MariaDb | Kind::MySql => Arc::new(MySqlOutbox::connect(url, 2).await?),
    })
}

pub(crate) fn query(instance: Uuid) -> LaneQuery {
    LaneQuery {
        instance,
        after: None,
        limit: 100,
        linger: Duration::ZERO,
        batch_size: 100,
        horizon: Duration::ZERO,
    }
}

pub(crate) fn instance(id: Uuid) -> Instance {
    Instance {
        id,
        host: "test".into(),
        pid: 1,
        lease: Duration::from_secs(30),
        standing: Standing {
            chores: vec![Chore::Prune, Chore::Redact],
            ..Standing::default()
        },
    }
}

/// `"user/task"` as a lane.
pub(crate) fn lane(name: &str) -> Lane {
    let (user, task) = name.split_once('/').expect("user/task");
    Lane::new(user, task).expect("a lane")
}

/// An action of an operator's on a part of the contacts.
pub(crate) fn action(name: &'static str, selection: impl Into<String>) -> Action {
    Action {
        id: Uuid::now_v7(),
        name,
        host: "db1".into(),
        os_user: "anna".into(),
        selection: selection.into(),
    }
}

/// A new batch of some rows, to be sent for the first time.
pub(crate) fn entry(contacts: &[i64]) -> JournalEntry {
    JournalEntry {
        batch: BatchId::generate(),
        parent: None,
        contacts: contacts.iter().copied().map(ContactId).collect(),
        options: RequestOptions {
            skip_error: true,
            sub_user_id: Some("sub".into()),
            ..RequestOptions::default()
        },
        attempts: 1,
        maybe_delivered: false,
    }
}

/// The end of a batch whose rows all were taken.
pub(crate) fn close(batch: BatchId, contacts: &[i64]) -> Close {
    Close {
        batch,
        attempts: 1,
        outcome: "delivered",
        answer: "ok".into(),
        rows: contacts
            .iter()
            .map(|id| RowOutcome {
                contact: ContactId(*id),
                end: Final::Succeeded,
            })
            .collect(),
        children: Vec::new(),
    }
}

/// The administrator's URL of the private PostgreSQL.
pub(crate) fn postgres_admin_url() -> String {
    told("COURIER_TEST_POSTGRES_URL")
}

/// Returns the administrator's URL of a private server; `None`, with a printed line, if the server
/// is left out of this run: `scripts/test-databases.sh` says why, here and in its last lines.
#[expect(clippy::print_stderr, reason = "the test harness keeps it")]
pub(crate) fn admin_url(kind: Kind) -> Option<String> {
    let name = match kind {
        Kind::Sqlite => unreachable!("no server"),
        Kind::Postgres => "POSTGRES",
        Kind::MariaDb => "MARIADB",
        Kind::MySql => "MYSQL",
    };
    if let Some(why) = variable(&format!("COURIER_TEST_WITHOUT_{name}")) {
        eprintln!("NOT RUN: {name}: {why}");
        return None;
    }
    Some(told(&format!("COURIER_TEST_{name}_URL")))
}

pub(crate) fn told(name: &str) -> String {
    variable(name).unwrap_or_else(|| {
        panic!("no {name}: run `make test`, which starts private database servers")
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the test databases are, and what is asked of a run, the environment tells"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Makes a PostgreSQL database, empty or copied from a template, and returns its URL.
pub(crate) async fn postgres_database(template: Option<&str>) -> String {
    let name = format!("courier_{}", Uuid::now_v7().simple());
    let copied = template.map_or_else(String::new, |name| format!("TEMPLATE {name}"));
    let mut admin = PgConnection::connect(&postgres_admin_url())
        .await
        .expect("the private PostgreSQL answers");
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name} {copied}")))
        .execute(&mut admin)
        .await
        .expect("a database of its own");
    url_of(&postgres_admin_url(), &name)
}

/// Makes an empty MySQL database on a server, and returns its URL. Its character set is not the
/// tables': an app's database may have any.
pub(crate) async fn mysql_database(admin_url: &str) -> String {
    let name = format!("courier_{}", Uuid::now_v7().simple());
    let mut admin = MySqlConnection::connect(admin_url)
        .await
        .expect("the private server answers");
    let create = format!("CREATE DATABASE {name} CHARACTER SET latin1");
    sqlx::raw_sql(AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .expect("a database of its own");
    url_of(admin_url, &name)
}

fn url_of(admin: &str, database: &str) -> String {
    let mut url = url::Url::parse(admin).expect("a URL");
    url.set_path(database);
    url.into()
}

/// The name of a migrated database to copy, made once by each test program.
async fn postgres_template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            let url = postgres_database(None).await;
            let outbox = PostgresOutbox::connect(&url, 1).await.expect("connects");
            outbox.migrate().await.expect("migrates");
            // A database with open connections cannot be copied.
            outbox.close().await;
            let url = url::Url::parse(&url).expect("a URL");
            url.path().trim_start_matches('/').to_owned()
        })
        .await
}
