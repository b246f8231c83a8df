//! `pause` and `resume`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use sqlx::{Postgres, Transaction};

use super::{outbox, program, said};
use crate::support::{Db, Raw};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_is_told_everywhere_until_it_is_resumed() {
    let db = outbox().await;
    let paused = said(&db, &["pause", "u-2/t-9", "--reason", "wrong script"]);
    assert_eq!(
        paused,
        "lane u-2/t-9: paused until it is resumed\n3 contacts pending in it\n"
    );
    let status = said(&db, &["status"]);
    assert!(status.contains("\nu-2/t-9  paused"), "{status}");
    assert!(status.contains("when resumed"), "{status}");
    let told = said(&db, &["explain", "7"]);
    assert!(
        told.starts_with("Pending: it was not sent yet; it is paused by "),
        "{told}"
    );
    assert!(
        told.contains(": wrong script; it ends when somebody resumes;"),
        "{told}"
    );
    let all = said(&db, &["pause", "--all", "--for", "2h", "--json"]);
    assert_eq!(
        all,
        "{\"for_seconds\":7200.0,\"paused\":\"all lanes\",\"pending\":3,\"replaced\":null}\n"
    );
    let status = said(&db, &["status"]);
    assert!(
        status.starts_with("Nothing is sent: paused for "),
        "{status}"
    );
    let resumed = said(&db, &["resume", "u-2/t-9"]);
    let mut lines = resumed.lines();
    assert_eq!(lines.next(), Some("lane u-2/t-9: 1 pause and 1 hold ended"));
    let ended = lines.next().unwrap();
    assert!(
        ended.starts_with("ended: the pause of lane u-2/t-9 (by ")
            && ended.contains(": wrong script; for ")
            && ended.ends_with(" so far, until somebody resumes)"),
        "{ended}"
    );
    let rest = lines.next().unwrap();
    assert!(
        rest.starts_with("still paused with all lanes: by "),
        "{rest}"
    );
    let resumed = said(&db, &["resume", "--all"]);
    let begin =
        "all lanes: 1 pause and 0 holds ended; tried at once\nended: the pause of all lanes (by ";
    assert!(resumed.starts_with(begin), "{resumed}");
    assert!(
        resumed.ends_with(" so far, for 1h 59m more)\n"),
        "{resumed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_say_nothing_or_too_much_are_wrong_usage() {
    let db = outbox().await;
    for wrong in [
        &["pause"][..],
        &["resume"],
        &["pause", "u-2"],
        &["pause", "--all", "--user", "u-2"],
        &["pause", "--all", "--for", "0s"],
        &["pause", "--all", "--for", "500ms"],
        &["pause", "--all", "--for", "9999999999y"],
        &["history", "--limit", "0"],
        &["explain", "--phone", ""],
        &["explain", "--key", ""],
        &["erase", "--phone", "+", "--dry-run"],
        &["erase", "--key", "", "--dry-run"],
        &["failures", "--user", "u-2/t-9"],
        &["cancel", "--user", "u-2/t-9", "--yes"],
    ] {
        assert_eq!(program(&db, wrong).status.code(), Some(2), "{wrong:?}");
    }
}

/// Pauses all lanes while the table is locked. Returns the lock, the program and its lines behind
/// the one that reports the pause.
async fn paused_beside_a_locked_table(
    db: &Db,
) -> (
    Transaction<'static, Postgres>,
    Child,
    impl Iterator<Item = std::io::Result<String>>,
) {
    let Raw::Postgres(pool) = &db.raw else {
        unreachable!("a PostgreSQL database")
    };
    let mut locked = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE contact_outbox IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *locked)
        .await
        .unwrap();
    let mut pause = Command::new(env!("CARGO_BIN_EXE_contact-courier"))
        .args(["pause", "--all", "--set"])
        .arg(format!("database.url={}", db.url))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(pause.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert_eq!(first, "all lanes: paused until it is resumed");
    (locked, pause, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_told_before_its_contacts_are_counted() {
    let db = Db::postgres().await;
    let (locked, mut pause, mut lines) = paused_beside_a_locked_table(&db).await;
    locked.rollback().await.unwrap();
    let last = lines.next().unwrap().unwrap();
    assert!(last.ends_with("pending in it"), "{last}");
    assert!(pause.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_whose_contacts_cannot_be_counted_is_told_all_the_same() {
    let db = Db::postgres().await;
    let (mut locked, mut pause, mut lines) = paused_beside_a_locked_table(&db).await;
    sqlx::query("ALTER TABLE contact_outbox RENAME TO elsewhere")
        .execute(&mut *locked)
        .await
        .unwrap();
    locked.commit().await.unwrap();
    let last = lines.next().unwrap().unwrap();
    assert_eq!(last, "the contacts pending in it could not be counted");
    assert!(pause.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_may_be_named_as_other_commands_have_it() {
    let db = outbox().await;
    let paused = said(&db, &["pause", "--lane", "u-2/t-9"]);
    assert!(paused.starts_with("lane u-2/t-9: paused until"), "{paused}");
    let resumed = said(&db, &["resume", "--lane", "u-2/t-9"]);
    assert!(resumed.starts_with("lane u-2/t-9: 1 pause"), "{resumed}");
    for wrong in [
        &["pause", "u-2/t-9", "--lane", "u-2/t-9"][..],
        &["pause", "--lane", "u-2/t-9", "--all"],
        &["pause", "--lane", "u-2"],
    ] {
        assert_eq!(program(&db, wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pause_replaces_and_a_lane_that_nobody_knows_are_told() {
    let db = outbox().await;
    said(&db, &["pause", "--all", "--for", "2h"]);
    let again = said(&db, &["pause", "--all", "--for", "2h", "--json"]);
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["replaced"]["scope"], "all lanes");
    let left = again["replaced"]["ends_in_seconds"].as_f64().unwrap();
    assert!((7_100.0..=7_200.0).contains(&left), "{again}");
    said(&db, &["resume", "--all"]);
    assert_eq!(
        said(&db, &["resume", "no-such/lane"]),
        "lane no-such/lane: no pause or hold of its own, and no contact of this lane is known\n"
    );
    assert_eq!(
        said(&db, &["resume", "--user", "nobody"]),
        "user nobody: no pause or hold of its own, and no contact of this user is known\n"
    );
    // Its lane has contacts, and no courier has come to it.
    db.contact("new/lane", "13012121211").await;
    assert_eq!(
        said(&db, &["resume", "new/lane"]),
        "lane new/lane: no pause or hold of its own; tried at once\n"
    );
}
