//! The commands for operators through the real program: their output, and how they end. The
//! expected outputs stand in `tests/it/snapshots/`.

mod numbers;
mod pausing;
mod results;
mod shown;

use std::process::{Command, Output, Stdio};

use crate::support::{Db, Kind, on_every_database};
use contact_courier::simulator::{Config, Simulator};
use insta::assert_snapshot;

// The snapshots are the same for all databases.
on_every_database!(
    status_tells_what_waits_what_is_held_and_who_works,
    failures_are_listed_as_a_table_as_csv_and_as_json_lines,
    explain_tells_the_whole_story_of_each_contact,
    explain_finds_a_contact_by_its_key_and_by_its_number,
    explain_lists_the_contacts_that_share_a_number,
    failures_are_counted_by_cause_lane_or_kind,
    cancel_counts_first_and_leaves_what_may_be_on_its_way,
    what_pause_resume_prune_and_history_say_is_as_it_was,
    requeue_counts_first_and_leaves_out_what_is_unsafe,
);

/// Runs the program on a database, with none of our variables in its environment.
fn program(db: &Db, arguments: &[&str]) -> Output {
    let database = format!("database.url={}", db.url);
    Command::new(env!("CARGO_BIN_EXE_contact-courier"))
        .args(arguments)
        .args(["--set", &database])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Returns the standard output of a run that has succeeded.
fn said(db: &Db, arguments: &[&str]) -> String {
    let output = program(db, arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(errors, "", "standard error");
    masked_numbers(String::from_utf8(output.stdout).unwrap())
}

/// The one line on standard error of a run that ended with `code`.
fn error(output: &Output, code: i32) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// Checks that no output holds a whole number.
fn masked_numbers(text: String) -> String {
    assert!(!text.contains("1301212"), "{text}");
    text
}

/// Hides the values that differ from run to run: instants and seconds that are not whole. Gives the
/// batches and the courier, whose ids are UUIDs on PostgreSQL, short names.
fn steady(run: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[instant]");
    settings.add_filter(r#"(seconds(?:_ago)?"):\d+\.\d+"#, "$1:[seconds]");
    // How long ago the test itself has done something; all else is hours old.
    settings.add_filter(r"\(\d{1,2}s ago\)", "(0s ago)");
    // An SQLite file is on no server.
    settings.add_filter(r#"(?m)^Server .*\n|"server":"[^"]*","#, "");
    settings.add_filter(BATCH, "batch-");
    settings.add_filter(COURIER, "courier-");
    settings.add_filter(r"127\.0\.0\.1:\d+", "[address]");
    settings.add_filter(r"SQLite 3\.\d+\.\d+", "SQLite [version]");
    settings.bind(run);
}

const HOURS: i64 = 3_600;

/// Begins the ids of batches.
const BATCH: &str = "00000000-0000-0000-0000-00000000b00";
/// Begins the ids of couriers.
const COURIER: &str = "00000000-0000-0000-0000-00000000c00";

/// One lane with contacts that ended in every way, one on hold. Everything happened a whole number
/// of hours ago, so that a test that takes a while prints the same.
async fn fill(db: &Db) {
    let ago = |hours: i64| db.now(-hours * HOURS);
    let (h2, h3, h4, later) = (ago(2), ago(3), ago(4), ago(-48));
    let [both, first, third, fifth] = ["1, 2", "1", "3", "5"].map(|ids| match db.kind {
        Kind::Postgres => format!("'{{{ids}}}'"),
        _ => format!("'[{ids}]'"),
    });
    let rows = format!(
        "INSERT INTO contact_outbox (id, user_id, task_id, phone, idempotency_key, created_at,
             status, fail_kind, fail_cause, attempts, batch_id, finished_at, number_add_suffix,
             not_before)
         VALUES (1, 'u-1', 't-1', '13012121211', 'order-1', {h4}, 'succeeded', NULL, NULL, 2,
                 'batch-2', {h3}, NULL, NULL),
             (2, 'u-1', 't-1', '13012121212', NULL, {h4}, 'failed', 'rejected', '格式不正确。', 1,
                 'batch-1', {h3}, NULL, NULL),
             (3, 'u-1', 't-1', '13012121213', NULL, {h4}, 'failed', 'unconfirmed',
                 'it may have been delivered; a second send is not safe', 1, 'batch-3', {h2}, TRUE,
                 NULL),
             (4, 'u-1', 't-1', '13012121214', NULL, {h4}, 'failed', 'invalid',
                 'extra needs ignore_crm=false', 0, NULL, {h2}, NULL, NULL),
             (5, 'u-2', 't-9', '13012121215', NULL, {h3}, 'pending', NULL, NULL, 0, NULL, NULL,
                 NULL, NULL),
             (6, 'u-2', 't-9', '13012121216', NULL, {h3}, 'pending', NULL, NULL, 0, NULL, NULL,
                 NULL, {later}),
             (7, 'u-2', 't-9', '13012121217', NULL, {h3}, 'pending', NULL, NULL, 0, NULL, NULL,
                 NULL, NULL);
         INSERT INTO delivery_batch (id, parent_id, user_id, task_id, lease_token, contact_ids,
             options, state, attempts, maybe_delivered, outcome, answer, created_at, sent_at,
             closed_at)
         VALUES ('batch-1', NULL, 'u-1', 't-1', 1, {both}, '{{}}', 'closed', 1, FALSE, 'unaccounted',
                 '2 sent, 0 counted, 1 listed as failed', {h4}, {h4}, {h3}),
             ('batch-2', 'batch-1', 'u-1', 't-1', 1, {first}, '{{}}', 'closed', 2, TRUE, 'imported',
                 '1 sent, 0 counted, 1 listed as failed', {h3}, {h3}, {h3}),
             ('batch-3', NULL, 'u-1', 't-1', 1, {third}, '{{}}', 'closed', 1, TRUE, 'unconfirmed',
                 'no answer', {h3}, {h3}, {h2}),
             ('batch-4', NULL, 'u-2', 't-9', 1, {fifth}, '{{}}', 'waiting', 3, FALSE, 'task_running',
                 '任务正在拨打中,请先暂停任务', {h3}, {h2}, NULL);
         INSERT INTO delivery_lane (user_id, task_id, lease_token, failures, held_until,
             hold_reason, hold_message, held_since)
         VALUES ('u-1', 't-1', 1, 0, NULL, NULL, NULL, NULL),
             ('u-2', 't-9', 1, 3, {}, 'task_running', '任务正在拨打中,请先暂停任务', {h2});
         INSERT INTO courier_instance (id, host, pid, lease_ms, started_at, heartbeat_at)
         VALUES ('courier-1', 'one', 7, 86400000, {h4}, {h3});",
        // Long enough for the hours not to change while the test runs.
        db.now(5 * HOURS + 1_800)
    );
    let rows = rows.replace("'batch-", &format!("'{BATCH}"));
    db.execute(&rows.replace("'courier-", &format!("'{COURIER}")))
        .await;
}

/// The same in an SQLite file.
async fn outbox() -> Db {
    let db = Db::sqlite().await;
    fill(&db).await;
    db
}

async fn status_tells_what_waits_what_is_held_and_who_works(db: &Db) {
    fill(db).await;
    steady(|| {
        let text = said(db, &["status"]);
        // The next try comes nearer while the test runs.
        let text = text.replace("in 5h 29m", "in 5h 30m");
        assert_snapshot!("status", text);
        assert_snapshot!("status_json", said(db, &["status", "--json"]));
    });
}

async fn failures_are_listed_as_a_table_as_csv_and_as_json_lines(db: &Db) {
    fill(db).await;
    steady(|| {
        assert_snapshot!("failures", said(db, &["failures"]));
        assert_snapshot!("failures_csv", said(db, &["failures", "--csv"]));
        assert_snapshot!("failures_json", said(db, &["failures", "--json"]));
    });
    let ids = |filter: &[&str]| {
        let lines = said(db, &[&["failures", "--csv"], filter].concat());
        let rows = lines.lines().skip(1);
        rows.map(|line| line.split(',').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(&["--kind", "invalid", "--kind", "rejected"]),
        ["4", "2"]
    );
    assert_eq!(ids(&["--lane", "u-1/t-1", "--cause", "SECOND send"]), ["3"]);
    assert_eq!(ids(&["--since", "150m"]), ["4", "3"]);
    assert_eq!(ids(&["--until", "150m"]), ["2"]);
    assert_eq!(ids(&["--limit", "1"]), ["4"]);
    assert_eq!(ids(&["--user", "u-2"]), [""; 0]);
    assert_eq!(said(db, &["failures", "--user", "u-2"]), "nothing failed\n");
}

async fn explain_tells_the_whole_story_of_each_contact(db: &Db) {
    fill(db).await;
    steady(|| {
        for id in ["1", "2", "3", "4", "5", "6", "7"] {
            let text = said(db, &["explain", id]).replace("5h 29m", "5h 30m");
            assert_snapshot!(format!("explain_{id}"), text);
        }
        let json = said(db, &["explain", "1", "--json"]);
        assert_snapshot!("explain_1_json", json);
    });
    let nobody = program(db, &["explain", "8"]);
    assert_eq!(
        error(&nobody, 1),
        "error: there is no contact 8: it was deleted, or never inserted\n"
    );
}

/// Runs `explain` for a number: its result, and its progress meanwhile.
fn of_number(db: &Db, more: &[&str]) -> Output {
    let output = program(db, &[&["explain", "--phone"], more].concat());
    for text in [&output.stdout, &output.stderr] {
        masked_numbers(String::from_utf8(text.clone()).unwrap());
    }
    output
}

async fn explain_finds_a_contact_by_its_key_and_by_its_number(db: &Db) {
    fill(db).await;
    assert_eq!(
        said(db, &["explain", "--key", "order-1"]),
        said(db, &["explain", "1"])
    );
    let nobody = program(db, &["explain", "--key", "order-2"]);
    assert_eq!(
        error(&nobody, 1),
        "error: there is no contact with the idempotency_key \"order-2\": it was deleted, or never \
         inserted\n"
    );
    let one = of_number(db, &["13012121212"]);
    let whole = "numbers have no index: reading the whole table, the newest contacts first, for \
                 2m 30s at most\n";
    assert_eq!(String::from_utf8(one.stderr).unwrap(), whole);
    assert_eq!(
        String::from_utf8(one.stdout).unwrap(),
        said(db, &["explain", "2"])
    );
    let nobody = of_number(db, &["13012121212", "--lane", "u-2/t-9"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(nobody.stderr).unwrap(),
        format!(
            "{whole}error: no contact of lane u-2/t-9 has the number 130***1212: the whole table was \
             read\n"
        )
    );
}

async fn explain_lists_the_contacts_that_share_a_number(db: &Db) {
    fill(db).await;
    db.execute("UPDATE contact_outbox SET phone = '13012121212' WHERE id IN (4, 5)")
        .await;
    let several = of_number(db, &["13012121212"]);
    steady(|| {
        assert_snapshot!("explain_phone", String::from_utf8(several.stdout).unwrap());
    });
    let json = of_number(db, &["13012121212", "--json", "--lane", "u-1/t-1"]);
    let json = String::from_utf8(json.stdout).unwrap();
    let ids: Vec<_> = json
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["contact"]["id"].clone()
        })
        .collect();
    assert_eq!(ids, [4, 2]);
    for wrong in [
        &["explain"][..],
        &["explain", "1", "--key", "order-1"],
        &["explain", "1", "--lane", "u-1/t-1"],
        &["explain", "--phone", "1", "--lane", "u"],
    ] {
        assert_eq!(program(db, wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_also_beside_json_that_more_contacts_have_the_number() {
    let db = outbox().await;
    db.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 21)
         INSERT INTO contact_outbox (user_id, task_id, phone)
         SELECT 'u-9', 't-9', '13012121299' FROM n",
    )
    .await;
    let json = of_number(&db, &["13012121299", "--json"]);
    assert_eq!(String::from_utf8(json.stdout).unwrap().lines().count(), 20);
    let said = String::from_utf8(json.stderr).unwrap();
    let rest = "there are more than 20: --lane USER/TASK looks for those of one lane\n";
    assert!(said.ends_with(rest), "{said}");
}

async fn failures_are_counted_by_cause_lane_or_kind(db: &Db) {
    fill(db).await;
    db.execute("UPDATE contact_outbox SET fail_kind = 'rejected' WHERE id = 4")
        .await;
    steady(|| {
        for by in ["cause", "lane", "kind"] {
            let counted = said(db, &["failures", "--by", by]);
            assert_snapshot!(format!("failures_by_{by}"), counted);
        }
        let json = said(db, &["failures", "--by", "lane", "--json"]);
        assert_snapshot!("failures_by_lane_json", json);
    });
    let csv = said(
        db,
        &["failures", "--by", "kind", "--csv", "--since", "150m"],
    );
    let csv: Vec<_> = csv
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>())
        .collect();
    assert_eq!(csv[0], ["contacts", "last_seconds_ago", "fail_kind"]);
    assert_eq!((csv[1][0], csv[1][2]), ("1", "rejected"));
    assert_eq!((csv[2][0], csv[2][2]), ("1", "unconfirmed"));
    let none = said(db, &["failures", "--by", "cause", "--user", "u-2"]);
    assert_eq!(none, "nothing failed\n");
    let more = said(db, &["failures", "--by", "cause", "--limit", "1"]);
    assert_eq!(more.lines().count(), 4, "{more}");
    let rest = "\n2 more groups with 2 contacts: --limit N shows so many\n";
    assert!(more.ends_with(rest), "{more}");
}

async fn cancel_counts_first_and_leaves_what_may_be_on_its_way(db: &Db) {
    fill(db).await;
    let sending = format!("UPDATE delivery_batch SET state = 'sending' WHERE id = '{BATCH}4'");
    db.execute(&sending).await;
    let lane = ["cancel", "--lane", "u-2/t-9"];
    let said = |more: &[&str]| said(db, &[&lane[..], more].concat());
    steady(|| assert_snapshot!("cancel_dry_run", said(&["--dry-run"])));
    assert_eq!(db.count("FROM operator_action").await, 0);
    steady(|| assert_snapshot!("cancel", said(&["--yes", "--reason", "wrong list"])));
    let statuses = [db.of(5, "status").await, db.of(6, "fail_kind").await];
    assert_eq!(statuses, [Some("pending".into()), Some("cancelled".into())]);
    let cause = db.of(7, "fail_cause").await.unwrap();
    assert!(
        cause.starts_with("cancelled by ") && cause.ends_with(": wrong list"),
        "{cause}"
    );
    let noted = "FROM operator_action WHERE action = 'cancel' AND selection = 'lane u-2/t-9'
        AND affected = 2 AND ended_at IS NOT NULL AND os_user <> '' AND host <> ''";
    assert_eq!(db.count(noted).await, 1);
    steady(|| {
        let taken_back = ["requeue", "--kind", "cancelled", "--yes"];
        assert_eq!(
            self::said(db, &taken_back),
            "         2  cancelled\n2 contacts requeued\n"
        );
    });
    let json = self::said(
        db,
        &[
            "cancel", "7", "2", "99", "--key", "order-1", "--yes", "--json",
        ],
    );
    assert_eq!(
        json,
        "{\"cancelled\":1,\"dry_run\":false,\"left_locked\":0,\"left_on_their_way\":0,\"missed\":[{\"id\":2,\"status\":\"failed\"},{\"id\":99,\"status\":null},{\"key\":\"order-1\",\"place\":1,\"status\":\"succeeded\"}],\"pending\":1,\"unmatched\":3}\n"
    );
    let nothing = self::said(db, &["cancel", "2", "--yes"]);
    assert_eq!(
        nothing,
        "nothing to cancel: no pending contact matches\n1 of the names named no pending \
         contact: 2 (failed)\n"
    );
    let keys = ["--key", "order-1", "--key", "none", "--key", "none"];
    let nothing = self::said(db, &[&["cancel", "--yes"], &keys[..]].concat());
    assert_eq!(
        nothing,
        "nothing to cancel: no pending contact matches\n2 of the names named no pending \
         contact: \"order-1\" (succeeded), \"none\" (not there)\n"
    );
    for (wrong, words) in [
        (&["cancel"][..], "error: say which: ids"),
        (&["cancel", "5", "--user", "u-2", "--yes"], "not both"),
        (&["cancel", "5"], "nobody can be asked here"),
        (&["cancel", "--lane", "u-2", "--yes"], "is no lane"),
    ] {
        let told = error(&program(db, wrong), 2);
        assert!(told.contains(words), "{told}");
    }
}

/// The cells of a table with a bar in between, so that the widths of names do not matter.
fn squeezed(text: &str) -> String {
    let line = |line: &str| {
        let cells = line.split("  ").map(str::trim);
        let cells: Vec<&str> = cells.filter(|cell| !cell.is_empty()).collect();
        cells.join(" | ") + "\n"
    };
    text.lines().map(line).collect()
}

async fn what_pause_resume_prune_and_history_say_is_as_it_was(db: &Db) {
    fill(db).await;
    let mut told = Vec::new();
    for arguments in [
        &[
            "pause",
            "u-2/t-9",
            "--reason",
            "wrong script",
            "--for",
            "2h",
        ][..],
        &["pause", "u-2/t-9", "--reason", "wrong list"],
        &["pause", "u-9/t-1"],
        &["status"],
        &["pause", "--all"],
        &["resume", "u-2/t-9"],
        &["resume", "--all"],
        &["resume", "--user", "u-2"],
        &["prune", "--older-than", "150m", "--dry-run"],
        &["prune", "--older-than", "150m"],
        &["history"],
    ] {
        let said = squeezed(&said(db, arguments));
        told.push(format!(
            "$ contact-courier {}\n{said}\n",
            arguments.join(" ")
        ));
    }
    steady(|| {
        let mut settings = insta::Settings::clone_current();
        for (differs, steady) in [
            (r"by \S+ on [^\s:;)]+", "by [user] on [host]"),
            (
                r"(?m)^\d+s ago \| [^|]+ \|",
                "[time] ago | [user] on [host] |",
            ),
            (r"for \d+s so far", "for [time] so far"),
            (r"for 1h 59m more", "for 2h 0m more"),
            (r"\| \d+s \|", "| [time] |"),
        ] {
            settings.add_filter(differs, steady);
        }
        let told = told.concat();
        settings.bind(|| assert_snapshot!("pause_resume_prune_history", told));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_who_did_what_and_holds_no_number() {
    let db = outbox().await;
    let nobody = said(&db, &["history"]);
    assert_eq!(nobody, "nobody has done anything so far\n");
    said(&db, &["requeue", "2", "4", "--yes"]);
    said(
        &db,
        &[
            "requeue",
            "--cause",
            "13012121213",
            "--kind",
            "unconfirmed",
            "--dry-run",
        ],
    );
    said(
        &db,
        &[
            "cancel",
            "--lane",
            "u-1/t-1",
            "--yes",
            "--reason",
            "13012121213 asked",
        ],
    );
    // A cancelled contact goes out again only if its kind is named.
    let nothing = said(&db, &["requeue", "--cause", "asked", "--dry-run"]);
    let left_out = "no failed contact matches\n2 contacts left out, for operators cancelled them (--kind cancelled takes them)\n";
    assert!(nothing.contains(left_out), "{nothing}");
    let cancelled = ["--kind", "cancelled", "--cause", "asked"];
    said(&db, &[&["requeue", "--yes"], &cancelled[..]].concat());
    said(&db, &["pause", "--user", "u-2", "--for", "2h"]);
    said(&db, &["prune", "--older-than", "90d"]);
    let lines = said(&db, &["history", "--json", "--limit", "5"]);
    let told: Vec<String> = lines
        .lines()
        .map(|line| {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(action["ended_at"].is_string(), "{line}");
            assert!(!action["os_user"].as_str().unwrap().is_empty(), "{line}");
            let text = |key: &str| action[key].as_str().unwrap().to_owned();
            let rows = action["affected"].to_string();
            format!("{} {rows} {}", text("action"), text("selection"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "prune 0 what ended longer ago than 90d",
            "pause null user u-2, for 2h",
            "requeue 2 failed: kind cancelled, cause asked",
            "cancel 2 lane u-1/t-1",
            "requeue 2 2 contacts by id",
        ]
    );
    let table = said(&db, &["history", "--limit", "1"]);
    assert!(table.starts_with("when "), "{table}");
    assert!(table.contains(" prune "), "{table}");
    let causes = db.count("FROM contact_requeue WHERE fail_cause LIKE '%13012121213%'");
    assert_eq!(causes.await, 0);
}

async fn requeue_counts_first_and_leaves_out_what_is_unsafe(db: &Db) {
    fill(db).await;
    steady(|| {
        assert_snapshot!(
            "requeue_dry_run",
            said(db, &["requeue", "--all", "--dry-run"])
        );
    });
    assert_eq!(db.count("FROM contact_requeue").await, 0);
    steady(|| assert_snapshot!("requeue", said(db, &["requeue", "--all", "--yes"])));
    assert_eq!(db.of(3, "status").await.as_deref(), Some("failed"));
    assert_eq!(db.of(2, "status").await.as_deref(), Some("pending"));
    let named = said(db, &["requeue", "1", "3", "--yes", "--json"]);
    assert_eq!(
        named,
        "{\"cancelled_left_out\":0,\"dry_run\":false,\"failed\":{\"unconfirmed\":1},\"missed\":[{\"id\":1,\"status\":\"succeeded\"}],\"redacted\":0,\"requeued\":0,\"to_requeue\":0,\"unmatched\":1,\"unsafe\":1}\n"
    );
    steady(|| {
        let all_the_same = ["requeue", "1", "3", "--yes", "--even-unsafe"];
        assert_snapshot!("requeue_even_unsafe", said(db, &all_the_same));
        assert_snapshot!("explain_requeued", said(db, &["explain", "3"]));
    });
    assert_eq!(db.of(1, "status").await.as_deref(), Some("succeeded"));
    assert_eq!(db.of(3, "status").await.as_deref(), Some("pending"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requeue_does_not_guess_what_is_meant() {
    let db = outbox().await;
    for (arguments, told) in [
        (&["requeue", "--yes"][..], "say which: ids, a filter"),
        (&["requeue", "--all", "2", "--yes"], "one of the three"),
        (&["requeue", "--all"], "give --yes, or --dry-run"),
        (
            &["requeue", "--lane", "u", "--yes"],
            "--lane \"u\" is no lane",
        ),
        (
            &["failures", "--since", "1s", "--until", "2s"],
            "nothing can be in between",
        ),
        (&["failures", "--limit", "0"], "--limit 0"),
    ] {
        let text = error(&program(&db, arguments), 2);
        assert!(text.contains(told), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prune_says_what_it_would_delete_and_deletes_it() {
    let db = outbox().await;
    let old = ["prune", "--older-than", "150m"];
    let dry = said(&db, &[&old[..], &["--dry-run"]].concat());
    let begin = "2 contacts and 2 batches would be deleted (--dry-run)\nwhat ended more than 2 hours \
                 and 30 minutes ago, before 20";
    assert!(dry.starts_with(begin), "{dry}");
    let end = "Z; the history of that age goes, too\n";
    assert!(dry.ends_with(end), "{dry}");
    assert_eq!(said(&db, &old), "2 contacts and 2 batches deleted\n");
    assert_eq!(
        said(&db, &[&old[..], &["--json"]].concat()),
        "{\"batches\":0,\"contacts\":0,\"dry_run\":false}\n"
    );
    assert_eq!(db.count("FROM contact_outbox").await, 5);
    assert_eq!(db.count("FROM delivery_batch").await, 2);
    let hasty = program(&db, &["prune", "--older-than", "1s"]);
    assert_eq!(hasty.status.code(), Some(2));
    let hasty = program(&db, &["prune", "--older-than", "3m"]);
    let told = error(&hasty, 2);
    assert!(
        told.contains("nobody can be asked here whether 3 minutes is meant: give --yes"),
        "{told}"
    );
    assert_eq!(db.count("FROM operator_action").await, 2);
    said(&db, &["prune", "--older-than", "3m", "--yes"]);
    assert_eq!(db.count("FROM operator_action").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pruned_is_gone_from_the_bytes_of_a_sqlite_file() {
    let db = outbox().await;
    let file = db.url.strip_prefix("sqlite://").unwrap();
    let holds = async |number: &str| {
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let bytes = std::fs::read(file).unwrap();
        bytes
            .windows(number.len())
            .any(|at| at == number.as_bytes())
    };
    assert!(holds("13012121212").await);
    said(&db, &["prune", "--older-than", "150m"]);
    assert!(!holds("13012121212").await);
    assert!(holds("13012121213").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn erase_counts_first_and_leaves_what_may_be_sent() {
    let db = outbox().await;
    db.execute(
        "UPDATE contact_outbox SET phone = '+86 130-1212-1211', name = '张三' WHERE id IN (2, 3)",
    )
    .await;
    db.execute("UPDATE contact_outbox SET idempotency_key = 'shop:13012121211' WHERE id = 3")
        .await;
    let pending = db.contact("u-1/t-1", "13012121211").await;
    let erase = |more: &[&str]| {
        let output = program(&db, &[&["erase", "--phone", "13012121211"], more].concat());
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{errors}");
        assert_eq!(
            errors,
            "numbers have no index: reading the whole table, the newest contacts first\n"
        );
        masked_numbers(String::from_utf8(output.stdout).unwrap())
            .replace(&pending.to_string(), "[id]")
    };
    steady(|| assert_snapshot!("erase_dry_run", erase(&["--dry-run"])));
    assert_eq!(
        db.count("FROM contact_outbox WHERE redacted_at IS NOT NULL")
            .await,
        0
    );
    steady(|| assert_snapshot!("erase", erase(&["--yes"])));
    steady(|| assert_snapshot!("erase_json", erase(&["--yes", "--json"])));
    assert_eq!(db.of(2, "phone").await.as_deref(), Some("+86***1211"));
    assert_eq!(db.of(2, "name").await, None);
    let explained = said(&db, &["explain", "2"]);
    assert!(
        explained.contains("What is personal was taken out of it"),
        "{explained}"
    );
    let requeued = said(&db, &["requeue", "2", "--yes"]);
    assert!(
        requeued.contains("there is no number to send"),
        "{requeued}"
    );
    let history = said(&db, &["history", "--limit", "1"]);
    assert!(history.contains("contacts with one number"), "{history}");
    let by_key = said(&db, &["erase", "--key", "nobody", "--yes"]);
    assert_eq!(by_key, "nothing to erase: no contact has this key\n");
    let nobody = program(&db, &["erase", "--yes"]);
    assert_eq!(nobody.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_has_a_line_for_everything_and_ends_with_1_if_something_failed() {
    let db = outbox().await;
    let platform = Simulator::start(Config {
        token: "good".into(),
        ..Config::default()
    })
    .await
    .unwrap();
    let base_url = format!("platform.base_url={}", platform.base_url());
    let ask = |token: &str, more: &[&str]| {
        let token = format!("platform.token={token}");
        let asked = ["doctor", "--set", &base_url, "--set", &token];
        program(&db, &[&asked[..], more].concat())
    };
    let well = ask("good", &[]);
    assert_eq!(well.status.code(), Some(0));
    let refused = ask("bad", &["--set", "delivery.batch_size=1"]);
    assert_eq!(error(&refused, 1), "error: 1 check failed\n");
    let json = ask("bad", &["--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["failed"], &json["warnings"]), (&1.into(), &2.into()));
    platform.stop().await;
    let away = ask("good", &[]);
    assert_eq!(away.status.code(), Some(1));
    steady(|| {
        for (name, output) in [("well", well), ("refused", refused)] {
            let text = String::from_utf8(output.stdout).unwrap();
            assert_snapshot!(format!("doctor_{name}"), text);
        }
    });
    let text = String::from_utf8(away.stdout).unwrap();
    assert!(text.contains("\nFAILED   platform    http://"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_that_is_not_used_is_told() {
    let db = Db::sqlite().await;
    let told = |command: &[&str], more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_contact-courier"))
            .args(command)
            .args(["--set", &format!("database.url={}", db.url)])
            .args(["--set", "platform.base_url=https://platform.example"])
            .args(["--set", "admin.listen="])
            .args(more)
            .env_clear()
            .env("HTTPS_PROXY", "http://me:hush@127.0.0.1:9")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!said.contains("hush"), "{said}");
        said.contains("the environment names a proxy, which is not used")
    };
    // Without a token, doctor asks no platform; nor does a courier without contacts.
    let run = ["run", "--once", "--set", "platform.token=t0ken"];
    for command in [&["doctor"][..], &run] {
        assert!(told(command, &[]), "{command:?}");
        let used = ["--set", "platform.proxy=environment"];
        assert!(!told(command, &used), "{command:?}");
    }
}

#[test]
fn a_database_that_is_not_there_is_not_made_by_looking_at_it() {
    for command in [
        &["status"][..],
        &["failures"],
        &["explain", "1"],
        &["explain", "--key", "order-1"],
        &["explain", "--phone", "13012121211"],
        &["failures", "--by", "cause"],
        &["results", "--since", "1h"],
        &["requeue", "--all", "--dry-run"],
        &["prune", "--older-than", "90d"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("none.db");
        let elsewhere = format!("database.url=sqlite://{}", file.display());
        let output = Command::new(env!("CARGO_BIN_EXE_contact-courier"))
            .args(command)
            .args(["--set", &elsewhere])
            .env_clear()
            .output()
            .unwrap();
        let text = error(&output, 1);
        let begin = "error: there is no database sqlite://";
        assert!(text.starts_with(begin), "{text}");
        assert!(!file.exists());
    }
}

#[test]
fn the_help_of_every_command_is_as_it_was() {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_contact-courier"))
            .args(arguments)
            .env_clear()
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let whole = help(&["--help"]);
    assert_snapshot!("help", whole);
    let commands = whole.split_once("Commands:\n").unwrap().1;
    let commands: Vec<&str> = commands
        .lines()
        .map_while(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split(' ').next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() >= 14, "{commands:?}");
    for command in &commands {
        assert_snapshot!(format!("help_{command}"), help(&[command, "--help"]));
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = help(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    let page = help(&["man"]);
    assert!(page.contains(".TH contact-courier 1"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    help(&["man", "--dir", folder.path().to_str().unwrap()]);
    for command in &commands {
        let page = folder.path().join(format!("contact-courier-{command}.1"));
        assert!(page.exists(), "{command}");
    }
}
