//! Databases that an earlier program made, and the demands of servers and clusters on every table.

use std::time::Duration;

use contact_courier::contact::ContactId;
use contact_courier::outbox::FailKind;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};
use tokio::time::timeout;

use super::operations::failed;
use super::schema::migrations;
use crate::server::Server;
use crate::support::app::App;
use crate::support::{Db, Kind, Raw, admin_url, mysql_database, on_every_database};
use crate::world::until;

/// Turns a database into one that the first program made, with the texts that its migrations had.
pub(super) async fn made_by_the_first(db: &Db) {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let earlier = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/outbox/earlier");
    let (folder, operating) = match &db.raw {
        Raw::Sqlite(_) => ("sqlite", own),
        Raw::Postgres(_) => ("postgres", own),
        Raw::MySql(_) => ("mysql", earlier),
    };
    let texts = [
        (1, "outbox", format!("{own}/{folder}/0001_outbox.sql")),
        (
            2,
            "operating",
            format!("{operating}/{folder}/0002_operating.sql"),
        ),
    ];
    let migrations = texts.map(|(version, name, file)| {
        let sql = std::fs::read_to_string(&file).expect("a migration");
        let sql = AssertSqlSafe(sql).into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    });
    let migrator = Migrator::with_migrations(migrations.to_vec());
    match &db.raw {
        Raw::Sqlite(pool) => migrator.run(pool).await,
        Raw::Postgres(pool) => migrator.run(pool).await,
        Raw::MySql(pool) => migrator.run(pool).await,
    }
    .expect("migrates");
}

/// Returns how many migrations the first program did not have.
pub(super) fn later() -> usize {
    migrations() - 2
}

/// An empty database of each kind.
pub(super) async fn empty() -> Vec<Db> {
    let mut all = vec![Db::bare(Kind::Sqlite).await];
    for kind in [Kind::Postgres, Kind::MariaDb, Kind::MySql] {
        if admin_url(kind).is_some() {
            all.push(Db::bare(kind).await);
        }
    }
    all
}

/// The same for the databases on which DDL commits as it goes.
pub(super) async fn empty_mysql() -> Vec<Db> {
    let mut all = empty().await;
    all.retain(|db| matches!(db.raw, Raw::MySql(_)));
    all
}

on_every_database!(every_table_has_a_primary_key);

async fn every_table_has_a_primary_key(db: &Db) {
    let keyless = match &db.raw {
        // A key of several columns numbers the rows from one.
        Raw::Sqlite(_) => {
            "FROM sqlite_schema AS t WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
             AND NOT EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE pk = 1)"
        }
        Raw::Postgres(_) => {
            "FROM pg_class AS t WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace
             AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = t.oid AND indisprimary)"
        }
        Raw::MySql(_) => {
            "FROM information_schema.tables AS t WHERE t.table_schema = DATABASE()
             AND NOT EXISTS (SELECT 1 FROM information_schema.statistics AS s
                 WHERE s.table_schema = DATABASE() AND s.table_name = t.table_name
                   AND s.index_name = 'PRIMARY')"
        }
    };
    assert_eq!(db.count(keyless).await, 0);
}

/// Writes requeues as the first program did; two of the rows are equal in all columns.
async fn requeue_as_the_first(db: &Db) {
    for (contact, cause) in [
        (7, "'no'"),
        (3, "NULL"),
        (3, "NULL"),
        (5, "'no'"),
        (3, "'no'"),
    ] {
        let at = "'2026-01-02 03:04:05.678'";
        db.execute(&format!(
            "INSERT INTO contact_requeue
                 (contact_id, requeued_at, fail_kind, fail_cause, attempts, finished_at)
             VALUES ({contact}, {at}, 'rejected', {cause}, 1, {at})"
        ))
        .await;
    }
}

/// As many rows of each kind as [`requeue_as_the_first`] made, each with a key of its own.
async fn assert_nothing_is_lost(db: &Db) {
    for (contact, rows) in [(3, 3), (5, 1), (7, 1)] {
        let of = format!("FROM contact_requeue WHERE contact_id = {contact}");
        assert_eq!(db.count(&of).await, rows);
    }
    let keys = db.text("count(DISTINCT id)", "FROM contact_requeue").await;
    assert_eq!(keys.as_deref(), Some("5"));
    let without = "FROM contact_requeue WHERE contact_id = 3 AND fail_cause IS NULL";
    assert_eq!(db.count(without).await, 2);
    every_table_has_a_primary_key(db).await;
    let row = failed(db, "u/t", "rejected", "no", 60).await;
    let requeued = db
        .operations
        .requeue(&[ContactId(row)], &|_| true, None)
        .await;
    assert_eq!(requeued.expect("requeues"), 1);
    assert_eq!(db.count("FROM contact_requeue").await, 6);
}

#[tokio::test]
async fn what_was_requeued_before_gets_keys_and_nothing_is_lost() {
    for db in empty().await {
        made_by_the_first(&db).await;
        requeue_as_the_first(&db).await;
        assert_eq!(db.outbox.migrate().await.expect("migrates"), later());
        db.outbox.check_schema().await.expect("fine");
        assert_nothing_is_lost(&db).await;
        assert_eq!(db.outbox.migrate().await.expect("migrates"), 0);
        assert_kinds(&db).await;
    }
}

#[tokio::test]
async fn a_migration_behind_a_backup_holds_up_no_app_for_long() {
    for db in empty().await {
        let waiting = match db.raw {
            // A writer waits for no reader there.
            Raw::Sqlite(_) => continue,
            Raw::Postgres(_) => "FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'",
            // Its list of processes stumbles over the bytes of other statements.
            Raw::MySql(_) if db.kind == Kind::MySql => {
                "FROM performance_schema.threads WHERE processlist_db = DATABASE()
                 AND processlist_state LIKE '%metadata lock%'"
            }
            Raw::MySql(_) => {
                "FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE '%metadata lock%'"
            }
        };
        made_by_the_first(&db).await;
        let backup = App::reads_the_contacts(&db).await;
        let outbox = db.another().await;
        let migrating = tokio::spawn(async move { outbox.migrate().await });
        until("the migration waits for the backup", async || {
            db.count(waiting).await > 0
        })
        .await;
        let inserted = timeout(Duration::from_secs(30), db.contact("u/t", "13012121211"));
        inserted.await.expect("the app goes on");
        assert!(!migrating.is_finished());
        backup.ends().await;
        let applied = migrating.await.expect("no panic").expect("migrates");
        assert_eq!(applied, later());
        db.outbox.check_schema().await.expect("fine");
    }
}

#[tokio::test]
async fn a_migration_whose_wait_is_broken_off_goes_on_waiting() {
    for db in empty_mysql().await {
        let (id, waiting) = if db.kind == Kind::MySql {
            let threads = "FROM performance_schema.threads WHERE processlist_db = DATABASE()
                 AND processlist_state = 'User lock'";
            ("max(processlist_id)", threads)
        } else {
            let processes = "FROM information_schema.processlist WHERE db = DATABASE()
                 AND state = 'User lock'";
            ("max(id)", processes)
        };
        let first = App::migrates(&db).await;
        let outbox = db.another().await;
        let migrating = tokio::spawn(async move { outbox.migrate().await });
        for _ in 0..3 {
            let mut waits = None;
            until("the migration waits for the first", async || {
                waits = db.text(id, waiting).await;
                waits.is_some()
            })
            .await;
            let waits = waits.expect("a session");
            // It may have ended by itself.
            db.try_execute(&format!("KILL QUERY {waits}")).await.ok();
        }
        assert!(!migrating.is_finished());
        first.ends().await;
        let applied = migrating.await.expect("no panic").expect("migrates");
        assert!(applied > 0);
    }
}

/// Checks that the table takes all kinds of failures, however old it is, and no others.
async fn assert_kinds(db: &Db) {
    for kind in FailKind::ALL {
        failed(db, "u/kinds", kind.as_str(), "no", 60).await;
    }
    let row = db.contact("u/t", "1").await;
    let now = db.now(0);
    let another = format!(
        "UPDATE contact_outbox SET status = 'failed', fail_kind = 'lost', finished_at = {now}
         WHERE id = {row}"
    );
    let said = db.try_execute(&another).await.expect_err("is refused");
    let rule = "fail_kind_is_one_of_the_documented_kinds";
    assert!(said.contains(rule), "{said}");
    if let Raw::Sqlite(_) = db.raw {
        let fine = db
            .text("integrity_check", "FROM pragma_integrity_check")
            .await;
        assert_eq!(fine.as_deref(), Some("ok"));
    }
}

#[tokio::test]
async fn keys_whose_making_was_cut_short_are_made_once() {
    for db in empty_mysql().await {
        made_by_the_first(&db).await;
        requeue_as_the_first(&db).await;
        assert_eq!(db.outbox.migrate().await.expect("migrates"), later());
        // The server died before it had noted that the keys are there, or before it had made them.
        for left in ["DO 0", "ALTER TABLE contact_requeue DROP COLUMN id"] {
            db.execute(left).await;
            db.execute("UPDATE contact_courier_migrations SET success = false WHERE version = 3")
                .await;
            assert_eq!(db.outbox.migrate().await.expect("migrates"), 1);
        }
        db.outbox.check_schema().await.expect("fine");
        assert_nothing_is_lost(&db).await;
    }
}

#[tokio::test]
async fn a_key_that_somebody_has_made_meanwhile_is_left_as_it_is() {
    for db in empty().await {
        if db.kind == Kind::Sqlite {
            continue;
        }
        made_by_the_first(&db).await;
        let key = match &db.raw {
            Raw::Postgres(_) => "bigserial",
            _ => "serial",
        };
        db.execute(&format!(
            "ALTER TABLE contact_requeue ADD COLUMN their_own {key} PRIMARY KEY"
        ))
        .await;
        requeue_as_the_first(&db).await;
        assert_eq!(db.outbox.migrate().await.expect("migrates"), later());
        let row = failed(&db, "u/t", "rejected", "no", 60).await;
        let requeued = db
            .operations
            .requeue(&[ContactId(row)], &|_| true, None)
            .await;
        assert_eq!(requeued.expect("requeues"), 1);
        assert_eq!(db.count("FROM contact_requeue").await, 6);
    }
}

#[tokio::test]
async fn a_server_that_refuses_tables_without_a_key_has_nothing_to_refuse() {
    for (kind, name, setting) in [
        (Kind::MariaDb, "mariadb", "innodb_force_primary_key"),
        (Kind::MySql, "mysql", "sql_require_primary_key"),
    ] {
        if admin_url(kind).is_some() {
            refuse_tables_without_a_key(kind, name, setting).await;
        }
    }
}

async fn refuse_tables_without_a_key(kind: Kind, name: &'static str, setting: &str) {
    let server = Server::new(name).await;
    let old = Db::mysql_at(kind, mysql_database(&server.url).await).await;
    made_by_the_first(&old).await;
    requeue_as_the_first(&old).await;
    old.execute(&format!("SET GLOBAL {setting} = ON")).await;
    let new = Db::mysql_at(kind, mysql_database(&server.url).await).await;
    let refused = new.try_execute("CREATE TABLE keyless (a int)").await;
    assert!(refused.expect_err("no key").contains("primary key"));

    new.outbox.migrate().await.expect("migrates");
    every_table_has_a_primary_key(&new).await;
    let migrated = old.another().await.migrate().await;
    assert_eq!(migrated.expect("migrates"), later());
    assert_nothing_is_lost(&old).await;
}

#[tokio::test]
async fn contacts_that_are_there_keep_their_keys() {
    for db in empty().await {
        made_by_the_first(&db).await;
        let longest = format!("'{}'", "k".repeat(255));
        for key in ["NULL", "'k'", &longest] {
            db.contact_with("u/t", "1", "idempotency_key", key).await;
        }
        let now = db.now(0);
        db.execute(&format!(
            "UPDATE contact_outbox SET status = 'succeeded', finished_at = {now} WHERE id = 2"
        ))
        .await;
        db.outbox.migrate().await.expect("migrates");
        for key in ["'k'", &longest] {
            let there = format!("FROM contact_outbox WHERE idempotency_key = {key}");
            assert_eq!(db.count(&there).await, 1);
            let again = format!(
                "INSERT INTO contact_outbox (user_id, task_id, phone, idempotency_key)
                 VALUES ('u', 't', '1', {key})"
            );
            assert!(db.try_execute(&again).await.is_err(), "{key}");
        }
        let me = db.courier().await;
        assert_eq!(db.names(me).await, ["u/t"]);
    }
}

#[tokio::test]
async fn a_publication_of_all_tables_lets_every_row_be_changed_and_deleted() {
    if admin_url(Kind::Postgres).is_none() {
        return;
    }
    let db = Db::bare(Kind::Postgres).await;
    db.execute("CREATE PUBLICATION everything FOR ALL TABLES")
        .await;
    db.execute("CREATE TABLE keyless (a int); INSERT INTO keyless VALUES (1)")
        .await;
    let refused = db.try_execute("DELETE FROM keyless").await;
    assert!(refused.expect_err("no key").contains("replica identity"));
    db.outbox.migrate().await.expect("migrates");
    let row = failed(&db, "u/t", "rejected", "no", 60).await;
    let requeued = db
        .operations
        .requeue(&[ContactId(row)], &|_| true, None)
        .await;
    assert_eq!(requeued.expect("requeues"), 1);
    for table in [
        "contact_outbox",
        "contact_requeue",
        "courier_instance",
        "delivery_batch",
        "delivery_lane",
        "rate_budget",
    ] {
        db.execute(&format!("DELETE FROM {table}")).await;
    }
}
