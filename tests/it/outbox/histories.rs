//! The courier's history of migrations beside an app's, and its move out of the table that both had
//! before.

use contact_courier::outbox::OutboxError;
use sqlx::AssertSqlSafe;
use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use url::Url;

use super::schema::migrations;
use super::upgrading::{empty, empty_mysql, later, made_by_the_first};
use crate::support::{Db, Kind, Raw, admin_url, connect, on_every_database};

on_every_database!(
    what_an_app_has_migrated_stays_its_own,
    a_migration_that_an_app_has_not_finished_is_none_of_ours,
);

/// An app that uses the same library in the same database. Its first versions are ours, too.
fn app() -> Migrator {
    let migration = |version: i64| {
        let sql = format!("CREATE TABLE shop_{version} (a integer PRIMARY KEY)");
        let (name, sql) = (format!("shop {version}"), AssertSqlSafe(sql).into_sql_str());
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations([1, 2, 3, 20_260_102_030_405].map(migration).to_vec())
}

async fn migrate_app(db: &Db) -> Result<(), MigrateError> {
    match &db.raw {
        Raw::Sqlite(pool) => app().run(pool).await,
        Raw::Postgres(pool) => app().run(pool).await,
        Raw::MySql(pool) => app().run(pool).await,
    }
}

/// How many migrations the courier has.
fn ours() -> i64 {
    i64::try_from(migrations()).expect("few")
}

/// How many migrations the app has, and how many the courier.
async fn histories(db: &Db) -> (i64, i64) {
    (
        db.count("FROM _sqlx_migrations").await,
        db.count("FROM contact_courier_migrations").await,
    )
}

async fn what_an_app_has_migrated_stays_its_own(db: &Db) {
    for _ in 0..2 {
        migrate_app(db).await.expect("migrates");
        assert_eq!(db.outbox.migrate().await.expect("migrates"), 0);
        db.outbox.check_schema().await.expect("fine");
        assert_eq!(histories(db).await, (4, ours()));
    }
}

#[tokio::test]
async fn an_app_may_be_there_first() {
    for db in empty().await {
        migrate_app(&db).await.expect("migrates");
        let said = db.outbox.check_schema().await.expect_err("no tables");
        assert!(said.to_string().contains("no outbox tables yet"), "{said}");
        assert_eq!(db.outbox.migrate().await.expect("migrates"), migrations());
        what_an_app_has_migrated_stays_its_own(&db).await;
    }
}

#[tokio::test]
async fn the_history_moves_out_of_the_table_that_apps_use_too() {
    for db in empty().await {
        made_by_the_first(&db).await;
        let said = db.outbox.check_schema().await.expect_err("older");
        let older =
            "the database's schema is older than this program: run `contact-courier migrate`";
        assert_eq!(said.to_string(), older);
        assert_eq!(db.outbox.migrate().await.expect("migrates"), later());
        db.outbox.check_schema().await.expect("fine");
        assert_eq!(db.count("FROM contact_courier_migrations").await, ours());
        // An app that comes later starts at its beginning.
        what_an_app_has_migrated_stays_its_own(&db).await;
    }
}

#[tokio::test]
async fn two_couriers_may_move_the_history_at_the_same_moment() {
    for db in empty().await {
        made_by_the_first(&db).await;
        let (one, other) = tokio::join!(db.outbox.migrate(), db.outbox.migrate());
        assert_eq!(one.expect("migrates") + other.expect("migrates"), later());
        assert_eq!(db.count("FROM contact_courier_migrations").await, ours());
        migrate_app(&db).await.expect("migrates");
    }
}

/// An app's row in the shared history, of a version that no courier has.
async fn add_shared(db: &Db, version: i64, finished: bool) {
    let checksum = match &db.raw {
        Raw::Postgres(_) => r"'\x00'",
        Raw::MySql(_) | Raw::Sqlite(_) => "x'00'",
    };
    db.execute(&format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES ({version}, 'theirs', {finished}, {checksum}, 0)"
    ))
    .await;
}

async fn a_migration_that_an_app_has_not_finished_is_none_of_ours(db: &Db) {
    migrate_app(db).await.expect("migrates");
    add_shared(db, 4, false).await;
    assert_eq!(db.outbox.migrate().await.expect("migrates"), 0);
    let unfinished = "FROM _sqlx_migrations WHERE version = 4 AND NOT success";
    assert_eq!(db.count(unfinished).await, 1);
    assert_eq!(histories(db).await, (5, ours()));
}

#[tokio::test]
async fn of_a_history_that_was_shared_only_what_is_ours_is_taken() {
    for db in empty().await {
        made_by_the_first(&db).await;
        add_shared(&db, 20_260_102_030_405, true).await;
        add_shared(&db, 20_260_102_030_406, false).await;
        assert_eq!(db.outbox.migrate().await.expect("migrates"), later());
        db.outbox.check_schema().await.expect("fine");
        assert_eq!(histories(&db).await, (2, ours()));
        let theirs = "FROM _sqlx_migrations WHERE description = 'theirs'";
        assert_eq!(db.count(theirs).await, 2);
    }
}

#[tokio::test]
async fn a_move_that_was_cut_short_is_finished() {
    // DDL commits as it goes: these are the remains of a server that died after each of the steps.
    for left in [
        vec!["CREATE TABLE contact_courier_migrations LIKE _sqlx_migrations"],
        vec![
            "CREATE TABLE contact_courier_migrations LIKE _sqlx_migrations",
            "INSERT INTO contact_courier_migrations SELECT * FROM _sqlx_migrations WHERE version = 1",
        ],
        vec![
            "CREATE TABLE contact_courier_migrations LIKE _sqlx_migrations",
            "INSERT INTO contact_courier_migrations SELECT * FROM _sqlx_migrations",
        ],
        vec![
            "CREATE TABLE contact_courier_migrations LIKE _sqlx_migrations",
            "INSERT INTO contact_courier_migrations SELECT * FROM _sqlx_migrations",
            "DELETE FROM _sqlx_migrations WHERE version = 1",
        ],
    ] {
        for db in empty_mysql().await {
            finish(&db, &left).await;
        }
    }
}

/// Moves a history of which some steps are done already.
async fn finish(db: &Db, left: &[&str]) {
    made_by_the_first(db).await;
    for step in left {
        db.execute(step).await;
    }
    db.outbox.check_schema().await.expect_err("not yet");
    assert_eq!(db.outbox.migrate().await.expect("migrates"), later());
    db.outbox.check_schema().await.expect("fine");
    assert_eq!(histories(db).await, (0, ours()));
}

#[tokio::test]
async fn what_the_first_program_had_begun_is_begun_again() {
    for db in empty_mysql().await {
        made_by_the_first(&db).await;
        db.execute("DROP TABLE contact_requeue").await;
        db.execute("UPDATE _sqlx_migrations SET success = false WHERE version = 2")
            .await;
        assert_eq!(db.outbox.migrate().await.expect("migrates"), later() + 1);
        db.outbox.check_schema().await.expect("fine");
        assert_eq!(histories(&db).await, (0, ours()));
        assert_eq!(db.count("FROM contact_requeue").await, 0);
    }
}

#[tokio::test]
async fn tables_that_nothing_is_told_of_are_left_alone() {
    for db in empty().await {
        made_by_the_first(&db).await;
        db.execute("DELETE FROM _sqlx_migrations").await;
        let before = db.count("FROM contact_outbox").await;
        let error = db.outbox.migrate().await.expect_err("whose?");
        assert!(matches!(error, OutboxError::Schema(_)), "{error:?}");
        let said = error.to_string();
        assert!(
            said.starts_with("there is a table contact_outbox, but"),
            "{said}"
        );
        assert_eq!(db.count("FROM contact_outbox").await, before);
        db.try_execute("SELECT 1 FROM contact_courier_migrations")
            .await
            .expect_err("no history is made up");
    }
}

/// Makes a user for a database who may make tables and has no right to those of others.
async fn stranger(db: &Db, grants: &[&str]) -> String {
    let name = format!("s{}", &uuid::Uuid::now_v7().simple().to_string()[20..]);
    db.execute(&format!("CREATE USER {name}")).await;
    for grant in grants {
        db.execute(&grant.replace("USER", &name)).await;
    }
    let mut url = Url::parse(&db.url).expect("a URL");
    url.set_username(&name).expect("a host");
    url.into()
}

/// The rights of a schema's owner on MySQL and MariaDB, on a table or the whole database.
const OWNS: [&str; 10] = [
    "contact_outbox",
    "contact_requeue",
    "courier_instance",
    "contact_courier_migrations",
    "delivery_batch",
    "delivery_lane",
    "rate_budget",
    "delivery_pause",
    "delivery_resume",
    "operator_action",
];

#[tokio::test]
async fn an_apps_history_need_not_be_readable() {
    let rights = "CREATE, ALTER, INDEX, SELECT, INSERT, UPDATE, DELETE";
    let grants = OWNS.map(|table| format!("GRANT {rights} ON {table} TO USER"));
    for db in empty().await {
        let url = match &db.raw {
            Raw::Sqlite(_) => continue,
            Raw::Postgres(_) => stranger(&db, &["GRANT CREATE ON SCHEMA public TO USER"]).await,
            Raw::MySql(_) => stranger(&db, &grants.each_ref().map(String::as_str)).await,
        };
        migrate_app(&db).await.expect("migrates");
        let courier = connect(db.kind, &url).await.expect("connects");
        assert_eq!(courier.migrate().await.expect("migrates"), migrations());
        courier.check_schema().await.expect("fine");
        assert_eq!(histories(&db).await, (4, ours()));
    }
}

#[tokio::test]
async fn who_may_not_take_ours_out_of_an_apps_history_is_told_what_to_do() {
    for db in empty().await {
        made_by_the_first(&db).await;
        let url = match &db.raw {
            Raw::Sqlite(_) => continue,
            Raw::Postgres(_) => {
                let grants = [
                    "GRANT CREATE ON SCHEMA public TO USER",
                    "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO USER",
                ];
                stranger(&db, &grants).await
            }
            Raw::MySql(_) => {
                let grants = [
                    "GRANT CREATE, ALTER, INDEX, SELECT, INSERT ON * TO USER",
                    "GRANT CREATE, UPDATE, DELETE ON contact_courier_migrations TO USER",
                ];
                stranger(&db, &grants).await
            }
        };
        let courier = connect(db.kind, &url).await.expect("connects");
        let said = courier.migrate().await.expect_err("denied").to_string();
        assert!(said.contains("denied") && !said.contains('\n'), "{said}");
        assert!(said.contains("who may DELETE there"), "{said}");
        assert_eq!(db.outbox.migrate().await.expect("migrates"), later());
        db.outbox.check_schema().await.expect("fine");
    }
}

mod on_a_server {
    crate::support::on_every_server!(who_may_not_read_the_history_is_told_what_to_do);

    use super::*;
}

async fn who_may_not_read_the_history_is_told_what_to_do(db: &Db) {
    let url = match &db.raw {
        Raw::MySql(_) => stranger(db, &["GRANT SELECT ON contact_outbox TO USER"]).await,
        _ => stranger(db, &[]).await,
    };
    let courier = connect(db.kind, &url).await.expect("connects");
    let said = courier
        .check_schema()
        .await
        .expect_err("denied")
        .to_string();
    assert!(said.contains("denied") && !said.contains('\n'), "{said}");
    let todo = "then grant SELECT on contact_courier_migrations";
    assert!(said.ends_with(todo), "{said}");
}

/// An empty table of the courier's would shut out an app with a user of its own.
#[tokio::test]
async fn on_postgres_an_app_with_a_user_of_its_own_may_come_later() {
    if admin_url(Kind::Postgres).is_none() {
        return;
    }
    let db = Db::bare(Kind::Postgres).await;
    made_by_the_first(&db).await;
    db.outbox.migrate().await.expect("migrates");
    db.try_execute("SELECT 1 FROM _sqlx_migrations")
        .await
        .expect_err("gone");
    let url = stranger(&db, &["GRANT CREATE ON SCHEMA public TO USER"]).await;
    let theirs = Db::postgres_at(url).await;
    migrate_app(&theirs).await.expect("migrates");
    assert_eq!(histories(&db).await, (4, ours()));
}

#[tokio::test]
async fn on_postgres_a_history_that_something_depends_on_stays() {
    if admin_url(Kind::Postgres).is_none() {
        return;
    }
    let db = Db::bare(Kind::Postgres).await;
    made_by_the_first(&db).await;
    db.execute("CREATE VIEW theirs AS SELECT version FROM _sqlx_migrations")
        .await;
    assert_eq!(db.outbox.migrate().await.expect("migrates"), later());
    assert_eq!(histories(&db).await, (0, ours()));
}

/// A history in another schema belongs to another courier, or an app.
#[tokio::test]
async fn on_postgres_only_the_history_of_the_courier_s_own_schema_counts() {
    if admin_url(Kind::Postgres).is_none() {
        return;
    }
    let others = Db::bare(Kind::Postgres).await;
    made_by_the_first(&others).await;
    add_shared(&others, 20_260_102_030_405, true).await;
    others.execute("CREATE SCHEMA \"the courier's\"").await;
    let mut url = Url::parse(&others.url).expect("a URL");
    url.query_pairs_mut()
        .append_pair("options[search_path]", "\"the courier's\",public");
    let db = Db::postgres_at(url.into()).await;
    assert_eq!(db.outbox.migrate().await.expect("migrates"), migrations());
    db.outbox.check_schema().await.expect("fine");
    assert_eq!(others.count("FROM public._sqlx_migrations").await, 3);
    let own = "FROM \"the courier's\".contact_courier_migrations";
    assert_eq!(others.count(own).await, ours());

    // The other courier's history moves by itself, within its own schema.
    assert_eq!(others.outbox.migrate().await.expect("migrates"), later());
    assert_eq!(others.count("FROM public._sqlx_migrations").await, 1);
}
