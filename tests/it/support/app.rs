//! An app in the middle of a transaction that keeps something locked.

use sqlx::{Connection, MySqlConnection, PgConnection, SqliteConnection};

use crate::support::{Db, Raw};

pub(crate) enum App {
    MySql(MySqlConnection),
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl App {
    /// Locks the contacts with these ids: one by one, for MySQL locks every row that it looks at.
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

    /// Locks the table in which couriers register; SQLite locks all of them.
    pub(crate) async fn locks_the_instances(db: &Db) -> Self {
        let mut app = Self::connect(db).await;
        let statements: &[&str] = match &app {
            Self::MySql(_) => &["LOCK TABLES courier_instance WRITE"],
            Self::Postgres(_) => &["BEGIN", "LOCK TABLE courier_instance"],
            Self::Sqlite(_) => &["BEGIN IMMEDIATE"],
        };
        for sql in statements {
            app.run(sql).await;
        }
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
        // A server that has closed an encrypted connection does not hear the last words.
        ended.ok();
    }
}
