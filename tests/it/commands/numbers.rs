//! Numbers and keys that operators give: which of them are shown, which are masked, and how they are told
//! apart then.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::{error, masked_numbers, outbox, program, said};
use crate::support::Db;

#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_lanes_dates_and_tickets_apart() {
    let db = outbox().await;
    let reason = "ticket INC0012345, until 2026-11-28 09:00, 13012121213 asked";
    let shown = "ticket INC0012345, until 2026-11-28 09:00, 130***1213 asked";
    said(&db, &["pause", "1001234567/20251127", "--reason", reason]);
    said(&db, &["resume", "--user", "1001234567"]);
    db.execute(
        "UPDATE contact_outbox SET task_id = '20251127', fail_cause = 'as 1001234567/20251127'
         WHERE id = 2",
    )
    .await;
    let filter = ["--task", "20251127", "--cause", "1001234567/20251127"];
    said(&db, &[&["requeue", "--yes"], &filter[..]].concat());
    said(
        &db,
        &["cancel", "--lane", "u-2/t-9", "--yes", "--reason", reason],
    );
    let lines = said(&db, &["history", "--json"]);
    let told: Vec<String> = lines
        .lines()
        .map(|line| {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            action["selection"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(
        told,
        [
            "lane u-2/t-9".to_owned(),
            "failed: task 20251127, cause 100***4567/2***27".to_owned(),
            "user 1001234567".to_owned(),
            format!("lane 1001234567/20251127: {shown}"),
        ]
    );
    let cause = db.of(7, "fail_cause").await.unwrap();
    assert!(cause.ends_with(shown), "{cause}");
    for arguments in [&["explain", "7"][..], &["failures", "--kind", "cancelled"]] {
        let told = said(&db, arguments);
        assert!(told.contains(shown), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_in_the_place_of_an_id_is_masked_and_told_what_to_use() {
    let db = outbox().await;
    let told = error(&program(&db, &["explain", "13012121211"]), 1);
    assert_eq!(
        told,
        "error: there is no contact 130***1211: it was deleted, or never inserted; is this a number? \
         use `explain --phone`\n"
    );
    for command in ["cancel", "requeue"] {
        let told = said(&db, &[command, "13012121211", "--yes"]);
        let hint = ": 130***1211 (not there; is this a number? use `explain --phone`)\n";
        assert!(told.contains(hint), "{told}");
    }
    let told = said(&db, &["requeue", "1", "2", "99", "--json", "--dry-run"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["unmatched"], 2);
    assert_eq!(
        told["missed"],
        serde_json::json!([{"id": 1, "status": "succeeded"}, {"id": 99, "status": null}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_without_a_pending_contact_is_told_apart_from_the_others() {
    let db = outbox().await;
    let keys = [
        "--key",
        "order-202511270001",
        "--key",
        "order-202511270002",
        "--key",
        "13012121211",
        "--key",
        "13012991211",
    ];
    let told = said(&db, &[&["cancel", "--yes"], &keys[..]].concat());
    assert!(
        told.contains(
            "\"order-202511270001\" (not there), \"order-202511270002\" (not there), --key number 3 \
             \"130***1211\" (not there), --key number 4 \"130***1211\" (not there)"
        ),
        "{told}"
    );
    let told = said(&db, &[&["cancel", "--yes", "--json"], &keys[..]].concat());
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        told["missed"],
        serde_json::json!([
            {"key": "order-202511270001", "place": 1, "status": null},
            {"key": "order-202511270002", "place": 2, "status": null},
            {"key": "130***1211", "place": 3, "status": null},
            {"key": "130***1211", "place": 4, "status": null},
        ])
    );
    let nobody = program(&db, &["explain", "--key", "order-202511270001"]);
    let told = error(&nobody, 1);
    assert!(told.contains("\"order-202511270001\""), "{told}");
}

/// Runs the program with a text on its standard input.
fn given(db: &Db, arguments: &[&str], input: &str) -> Output {
    let database = format!("database.url={}", db.url);
    let mut program = Command::new(env!("CARGO_BIN_EXE_contact-courier"))
        .args(arguments)
        .args(["--set", &database])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = program.stdin.take().unwrap();
    to.write_all(input.as_bytes()).unwrap();
    drop(to);
    program.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_can_be_read_from_standard_input() {
    let db = outbox().await;
    let explain = given(&db, &["explain", "--phone", "-"], "130-1212-1212\n");
    let story = masked_numbers(String::from_utf8(explain.stdout).unwrap());
    assert!(story.contains("contact      2\n"), "{story}");
    let erase = ["erase", "--phone", "-", "--yes"];
    for (input, told) in [
        (
            "",
            "error: --phone -: there is no number on standard input; write it in one line\n",
        ),
        (
            "13012121212\n13012121213\n",
            "error: there is more than one line on standard input: write the number alone\n",
        ),
        (
            "-\n",
            "error: --phone -: there is no number on standard input; write it in one line\n",
        ),
    ] {
        assert_eq!(error(&given(&db, &erase, input), 2), told, "{input:?}");
    }
    let erased = given(&db, &erase, "13012121212\n");
    assert!(erased.status.success(), "{erased:?}");
    assert_eq!(db.of(2, "phone").await.as_deref(), Some("130***1212"));
    assert_eq!(
        db.count("FROM contact_outbox WHERE redacted_at IS NOT NULL")
            .await,
        1
    );
}
