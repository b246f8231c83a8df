//! An app in the middle of a transaction that keeps rows or tables locked.

use sqlx::migrate::Migrate;
use sqlx::{Connection, MySqlConnection, PgConnection, SqliteConnection};

use crate::support::{Db, Raw};

pub(crate) enum App {
    MySql(MySqlConnection),
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl App {
    /// Locks the contacts with these ids: one by one, because MySQL locks every row that it looks
    /// at.
    pub(crate) async fn locks(db: &Db, ids: &[String]) -> Self {
        let mut app = Self::connect(db).await;
        app.run("BEGIN").await;
        for id in ids {
            app.run(&format!(
                "SELECT id FROM contact_outbox WHERE id = {id} FOR UPDATE"
            ))
            .await;
        }
        app
    }

    /// Reads the contacts in a transaction that stays, as a backup does.
    pub(crate) async fn reads_the_contacts(db: &Db) -> Self {
        let mut app = Self::connect(db).await;
        app.run("BEGIN").await;
        app.run("SELECT count(*) FROM contact_outbox").await;
        app
    }

    /// Has the lock of migrations, as a program that migrates.
    pub(crate) async fn migrates(db: &Db) -> Self {
        let mut app = Self::connect(db).await;
        match &mut app {
            Self::Postgres(session) => session.lock().await.expect("locks"),
            _ => {
                app.run("SELECT GET_LOCK(CONCAT('contact-courier/', LEFT(DATABASE(), 40)), 0)")
                    .await;
            }
        }
        app
    }

    /// Locks the row of a lane.
    pub(crate) async fn locks_the_lane(db: &Db, user: &str, task: &str) -> Self {
        let mut app = Self::connect(db).await;
        app.run("BEGIN").await;
        app.run(&format!(
            "SELECT lease_token FROM delivery_lane
             WHERE user_id = '{user}' AND task_id = '{task}' FOR UPDATE"
        ))
        .await;
        app
    }

    /// Reads the results of a user's contacts, and keeps others from adding to them, as InnoDB does
    /// for a locking read at its default isolation: it locks ranges of an index, and no pending
    /// contact.
    pub(crate) async fn locks_the_results(db: &Db, user: &str) -> Self {
        let mut app = Self::connect(db).await;
        let read = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; BEGIN;
                    SELECT id FROM contact_outbox FORCE INDEX (contact_outbox_pending)
                    WHERE status = 'succeeded'";
        app.run(&format!("{read} AND user_id = '{user}' LOCK IN SHARE MODE"))
            .await;
        app
    }

    /// Locks the table in which couriers register; SQLite locks all of them.
    pub(crate) async fn locks_the_instances(db: &Db) -> Self {
        Self::locks_the_table(db, "courier_instance").await
    }

    /// Locks a table, for readers too; SQLite locks all of them, for writers.
    pub(crate) async fn locks_the_table(db: &Db, table: &str) -> Self {
        Self::keeps(db, table, ["WRITE", "ACCESS EXCLUSIVE"]).await
    }

    /// Keeps others from writing to a table; on SQLite, to any table.
    pub(crate) async fn freezes_the_table(db: &Db, table: &str) -> Self {
        Self::keeps(db, table, ["READ", "SHARE"]).await
    }

    /// Locks a table in the mode of this name on MySQL, or on PostgreSQL.
    async fn keeps(db: &Db, table: &str, [mysql, postgres]: [&str; 2]) -> Self {
        let mut app = Self::connect(db).await;
        let statement = match &app {
            Self::MySql(_) => format!("LOCK TABLES {table} {mysql}"),
            Self::Postgres(_) => format!("BEGIN; LOCK TABLE {table} IN {postgres} MODE"),
            Self::Sqlite(_) => "BEGIN IMMEDIATE".to_owned(),
        };
        app.run(&statement).await;
        app
    }

    async fn connect(db: &Db) -> Self {
        match &db.raw {
            Raw::Sqlite(_) => SqliteConnection::connect(&db.url).await.map(Self::Sqlite),
            Raw::MySql(_) => MySqlConnection::connect(&db.url).await.map(Self::MySql),
            Raw::Postgres(_) => PgConnection::connect(&db.url).await.map(Self::Postgres),
        }
        .expect("connects")
    }

    async fn run(&mut self, sql: &str) {
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
        match self {
            Self::MySql(app) => sql.execute(app).await.map(drop),
            Self::Postgres(app) => sql.execute(app).await.map(drop),
            Self::Sqlite(app) => sql.execute(app).await.map(drop),
        }
        .expect("runs");
    }

    /// Ends its session, and with it its locks.
    pub(crate) async fn ends(self) {
        let ended = match self {
            Self::MySql(app) => app.close().await,
            Self::Postgres(app) => app.close().await,
            Self::Sqlite(app) => app.close().await,
        };
        // A server that has closed an encrypted connection does not receive the last message.
        ended.ok();
    }
}
