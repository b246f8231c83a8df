//! Trying to write: the trial says whether the courier could work, and leaves nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use contact_courier::address::Address;
use contact_courier::outbox::{
    Access, MySqlOutbox, Operations, OutboxError, PostgresOutbox, SqliteOutbox, Trial,
};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::disk::Disk;
use crate::support::{Db, Raw, on_every_database, on_every_server};

on_every_database!(what_the_courier_writes_can_be_written_and_nothing_of_it_is_left);

mod rights {
    use super::{a_right_that_is_missing_is_told_and_who_only_looks_is_known, on_every_server};

    on_every_server!(a_right_that_is_missing_is_told_and_who_only_looks_is_known);
}

async fn what_the_courier_writes_can_be_written_and_nothing_of_it_is_left(db: &Db) {
    let contact = db.contact("u/t", "1").await;
    for _ in 0..2 {
        let trial = db.operations.try_writing().await;
        assert!(matches!(trial, Trial::Passed), "{trial:?}");
    }
    for table in [
        "delivery_lane",
        "delivery_batch",
        "courier_instance",
        "rate_budget",
        "operator_action",
    ] {
        assert_eq!(db.count(&format!("FROM {table}")).await, 0, "{table}");
    }
    assert_eq!(db.of(contact, "status").await.as_deref(), Some("pending"));
}

const TABLES: [&str; 6] = [
    "contact_outbox",
    "delivery_lane",
    "delivery_batch",
    "courier_instance",
    "rate_budget",
    "operator_action",
];

async fn a_right_that_is_missing_is_told_and_who_only_looks_is_known(db: &Db) {
    let user = format!("u{}", &Uuid::now_v7().simple().to_string()[20..]);
    db.execute(&format!("CREATE USER {user}")).await;
    let grant = async |right: &str, table: &str| {
        db.execute(&format!("GRANT {right} ON {table} TO {user}"))
            .await;
    };
    for table in TABLES {
        grant("SELECT", table).await;
    }
    // Taking a lease reads when the last pause ended.
    grant("SELECT", "delivery_pause").await;
    let operations = as_user(db, &user).await;
    let trial = operations.try_writing().await;
    assert!(matches!(trial, Trial::OnlyReads), "{trial:?}");

    for table in TABLES {
        let trial = operations.try_writing().await;
        let denied = matches!(
            trial,
            Trial::OnlyReads | Trial::Failed(OutboxError::Denied(_))
        );
        assert!(denied, "{trial:?}");
        grant("INSERT, UPDATE, DELETE", table).await;
    }
    let trial = operations.try_writing().await;
    assert!(matches!(trial, Trial::Passed), "{trial:?}");

    db.execute(&format!("REVOKE INSERT ON delivery_batch FROM {user}"))
        .await;
    let trial = operations.try_writing().await;
    let Trial::Failed(OutboxError::Denied(words)) = trial else {
        panic!("{trial:?}");
    };
    assert!(words.contains("delivery_batch"), "{words}");
}

/// The database as another of its users sees it.
async fn as_user(db: &Db, user: &str) -> Box<dyn Operations> {
    let mut url = url::Url::parse(&db.url).expect("a URL");
    url.set_username(user).expect("a user");
    match db.raw {
        Raw::Sqlite(_) => panic!("SQLite has no users"),
        Raw::Postgres(_) => Box::new(
            PostgresOutbox::connect(url.as_str(), 1)
                .await
                .expect("connects"),
        ),
        Raw::MySql(_) => Box::new(
            MySqlOutbox::connect(url.as_str(), 1)
                .await
                .expect("connects"),
        ),
    }
}

#[tokio::test]
async fn a_session_that_may_only_read_is_told_as_such_on_postgres() {
    let db = Db::postgres().await;
    let name = db.text("current_database()", "").await.expect("a name");
    db.execute(&format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on"
    ))
    .await;
    // As `doctor` connects: access for writing would be refused already.
    let address = Address::from(&db.url);
    let other = PostgresOutbox::connect_to(&address, 1, Access::Read);
    let other = other.await.expect("connects");
    is_read_only(&other.try_writing().await);
}

#[tokio::test]
async fn a_file_that_may_only_be_read_is_told_as_such() {
    let db = Db::sqlite().await;
    let read_only = format!("{}?mode=ro", db.url);
    let other = SqliteOutbox::connect(&read_only, 1).await.expect("opens");
    is_read_only(&other.try_writing().await);
}

#[tokio::test]
async fn a_full_disk_under_a_file_is_told_as_such() {
    let Some(disk) = Disk::new(8_192) else {
        return;
    };
    let db = Db::sqlite_in(disk.path()).await;
    let trial = db.operations.try_writing().await;
    assert!(matches!(trial, Trial::Passed), "{trial:?}");
    disk.fill();
    let trial = db.operations.try_writing().await;
    let full = matches!(trial, Trial::Failed(OutboxError::Full(_)));
    assert!(full, "{trial:?}");
    disk.free();
    let trial = db.operations.try_writing().await;
    assert!(matches!(trial, Trial::Passed), "{trial:?}");
}

fn is_read_only(trial: &Trial) {
    let read_only = matches!(trial, Trial::Failed(OutboxError::ReadOnly(_)));
    assert!(read_only, "{trial:?}");
}

#[tokio::test]
async fn a_new_sqlite_file_and_the_files_beside_it_are_their_owners_alone() {
    let db = Db::sqlite().await;
    db.contact("u/t", "13012121211").await;
    let path = db.url.trim_start_matches("sqlite://");
    for ending in ["", "-wal", "-shm"] {
        let file = format!("{path}{ending}");
        let facts = std::fs::metadata(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let mode = facts.permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
}

/// The longest wait of one write for another program (15 s), and time for a slow machine.
const ONE_WAIT: Duration = Duration::from_secs(28);

#[tokio::test]
async fn a_locked_sqlite_file_is_waited_for_once() {
    let db = Db::sqlite().await;
    db.execute("BEGIN IMMEDIATE").await;
    let trial = timeout(ONE_WAIT, db.operations.try_writing()).await;
    let trial = trial.expect("it ends");
    assert!(matches!(trial, Trial::Failed(_)), "{trial:?}");
}
