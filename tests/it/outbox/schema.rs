//! Migrations, and the errors when they are missing.

use contact_courier::outbox::{MySqlOutbox, Outbox, OutboxError, PostgresOutbox, SqliteOutbox};

use crate::support::{Db, Kind, Raw, connect, on_every_database, query};

on_every_database!(
    a_migrated_database_is_fine_and_migrating_again_does_nothing,
    a_database_newer_than_the_program_is_refused,
    a_database_with_another_text_of_a_migration_is_refused,
    a_database_that_lacks_a_migration_names_the_command,
    what_the_sessions_promise_is_in_force,
    an_empty_database_says_to_migrate,
    two_couriers_may_migrate_at_the_same_moment,
);

mod on_a_server {
    crate::support::on_every_server!(a_database_that_does_not_exist_is_no_passing_trouble);

    use super::*;
}

mod where_ddl_commits {
    crate::support::on_mysql_and_mariadb!(a_migration_that_was_cut_short_is_run_again);

    use super::*;
}

async fn a_migrated_database_is_fine_and_migrating_again_does_nothing(db: &Db) {
    db.outbox.check_schema().await.expect("fine");
    assert_eq!(db.outbox.migrate().await.expect("migrates"), 0);
}

async fn a_database_newer_than_the_program_is_refused(db: &Db) {
    let insert = "INSERT INTO contact_courier_migrations (version, description, success, checksum, execution_time)";
    let zero = zero_byte(db);
    db.execute(&format!(
        "{insert} VALUES (9999, 'from the future', true, {zero}, 0)"
    ))
    .await;
    for error in [
        db.outbox.check_schema().await.expect_err("newer"),
        db.outbox.migrate().await.expect_err("newer"),
    ] {
        assert!(matches!(error, OutboxError::Schema(_)), "{error:?}");
        assert!(
            error.to_string().contains("older than the database"),
            "{error}"
        );
    }
}

async fn a_database_with_another_text_of_a_migration_is_refused(db: &Db) {
    let zero = zero_byte(db);
    db.execute(&format!(
        "UPDATE contact_courier_migrations SET checksum = {zero} WHERE version = 1"
    ))
    .await;
    for error in [
        db.outbox.check_schema().await.expect_err("another one"),
        db.outbox.migrate().await.expect_err("another one"),
    ] {
        assert!(matches!(error, OutboxError::Schema(_)), "{error:?}");
        let said = error.to_string();
        assert!(
            said.starts_with("migration 1 of the database is another one"),
            "{said}"
        );
    }
}

/// A byte of zeros, as SQL writes it.
fn zero_byte(db: &Db) -> &'static str {
    match &db.raw {
        Raw::Postgres(_) => r"'\x00'",
        Raw::MySql(_) | Raw::Sqlite(_) => "x'00'",
    }
}

async fn a_database_that_lacks_a_migration_names_the_command(db: &Db) {
    db.execute("DELETE FROM contact_courier_migrations").await;
    let error = db.outbox.check_schema().await.expect_err("unmigrated");
    assert!(
        error.to_string().contains("contact-courier migrate"),
        "{error}"
    );
}

async fn what_the_sessions_promise_is_in_force(db: &Db) {
    // Durability cannot be tested without cutting the power; the settings that it rests on can.
    match &db.raw {
        Raw::Sqlite(_) => {
            assert_eq!(
                db.text("journal_mode", "FROM pragma_journal_mode")
                    .await
                    .as_deref(),
                Some("wal")
            );
        }
        Raw::MySql(_) => {
            let outbox = MySqlOutbox::connect(&db.url, 1).await.expect("connects");
            let mut session = outbox.session().await.expect("connects");
            let ask = match db.kind {
                Kind::MySql => {
                    "SELECT @@transaction_isolation, @@time_zone, @@innodb_lock_wait_timeout"
                }
                _ => "SELECT @@tx_isolation, @@time_zone, @@innodb_lock_wait_timeout",
            };
            let settings: (String, String, u64) = sqlx::query_as(ask)
                .fetch_one(&mut session)
                .await
                .expect("settings");
            assert_eq!(settings, ("READ-COMMITTED".into(), "+00:00".into(), 8));
        }
        Raw::Postgres(_) => {
            let options = PostgresOutbox::connect_options(&db.url).expect("options");
            assert!(
                options
                    .get_options()
                    .expect("some")
                    .contains("synchronous_commit=on")
            );
        }
    }
}

/// Returns how many migrations there are: the same number for each database.
pub(super) fn migrations() -> usize {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
    std::fs::read_dir(folder).expect("a folder").count()
}

async fn unmigrated(outbox: &dyn Outbox) {
    for error in [
        outbox.check_schema().await.expect_err("unmigrated"),
        outbox
            .find_lanes(&query(uuid::Uuid::nil()))
            .await
            .expect_err("unmigrated"),
    ] {
        assert!(matches!(error, OutboxError::Schema(_)), "{error:?}");
        assert!(
            error.to_string().contains("contact-courier migrate"),
            "{error}"
        );
    }
    assert_eq!(outbox.migrate().await.expect("migrates"), migrations());
    outbox.check_schema().await.expect("fine");
}

async fn an_empty_database_says_to_migrate(db: &Db) {
    unmigrated(&*Db::bare(db.kind).await.outbox).await;
}

async fn a_migration_that_was_cut_short_is_run_again(db: &Db) {
    // DDL commits as it goes: these are the remains of a connection that broke in the middle.
    for sql in [
        "DROP TABLE delivery_batch",
        "DROP TABLE courier_instance",
        "ALTER TABLE contact_requeue DROP COLUMN id",
        "ALTER TABLE contact_outbox DROP CONSTRAINT idempotency_key_has_at_most_255_characters",
        "UPDATE contact_courier_migrations SET success = false",
    ] {
        db.execute(sql).await;
    }
    unmigrated(&*db.outbox).await;
}

async fn two_couriers_may_migrate_at_the_same_moment(db: &Db) {
    let bare = Db::bare(db.kind).await;
    let (a, b) = (bare.another().await, bare.another().await);
    let (a, b) = tokio::join!(a.migrate(), b.migrate());
    assert_eq!(a.expect("migrates") + b.expect("migrates"), migrations());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_in_one_line_without_the_password() {
    let postgres = PostgresOutbox::connect("postgres://me:geheim@127.0.0.1:1/db", 2).await;
    let mysql = MySqlOutbox::connect("mysql://me:geheim@127.0.0.1:1/db", 2).await;
    for error in [postgres.map(drop), mysql.map(drop)] {
        let error = error.expect_err("nobody listens");
        assert!(error.is_transient(), "{error:?}");
        let said = format!("{error} {error:?}");
        assert!(!said.contains("geheim") && !said.contains('\n'), "{said}");
    }
}

async fn a_database_that_does_not_exist_is_no_passing_trouble(db: &Db) {
    let mut url = url::Url::parse(&db.url).expect("a URL");
    url.set_path("no_such_database");
    let outbox = connect(db.kind, url.as_str()).await;
    let error = outbox.map(drop).expect_err("none");
    assert!(!error.is_transient(), "{error:?}");
    assert!(error.to_string().contains("no_such_database"), "{error}");
}

#[tokio::test]
async fn an_outbox_in_memory_is_refused() {
    let error = SqliteOutbox::connect("sqlite::memory:", 2)
        .await
        .expect_err("no");
    assert!(error.to_string().contains("name a file"), "{error}");
}
