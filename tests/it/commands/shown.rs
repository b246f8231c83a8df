//! What is shown on a terminal, and what is never shown.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{error, masked_numbers, outbox, program, said};
use crate::support::Db;

#[tokio::test(flavor = "multi_thread")]
async fn long_causes_are_cut_only_on_a_terminal() {
    let db = outbox().await;
    let long = "格式不正确".repeat(20);
    db.execute(&format!(
        "UPDATE contact_outbox SET fail_cause = '{long}' WHERE id = 2"
    ))
    .await;
    for command in ["failures", "failures --by cause"] {
        let arguments: Vec<&str> = command.split(' ').collect();
        let whole = said(&db, &arguments);
        assert!(whole.contains(&long), "{whole}");
        let shown = on_a_terminal(&db, command, "");
        assert!(!shown.contains(&long) && shown.contains('…'), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_does_not_know_its_width_is_as_wide_as_usual() {
    let db = outbox().await;
    let [unknown, usual] = [0, 80].map(|columns| {
        let shown = on_a_terminal_after(&format!("stty cols {columns};"), &db, "status", "");
        shown.replace("in 5h 29m", "in 5h 30m")
    });
    assert!(
        usual.contains("1 lane is on hold with 2 contacts"),
        "{usual}"
    );
    assert_eq!(unknown, usual);
}

/// Returns the program's output on a terminal where a person types an answer.
fn on_a_terminal(db: &Db, arguments: &str, typed: &str) -> String {
    on_a_terminal_after("", db, arguments, typed)
}

/// The same after a command to the terminal.
fn on_a_terminal_after(before: &str, db: &Db, arguments: &str, typed: &str) -> String {
    let program = env!("CARGO_BIN_EXE_contact-courier");
    let url = &db.url;
    let command = format!("{before} '{program}' {arguments} --set 'database.url={url}'");
    // `script` makes a terminal for the command, and passes its exit code on.
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env_clear()
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script comes with util-linux");
    let mut keys = script.stdin.take().unwrap();
    keys.write_all(typed.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    drop(keys);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    masked_numbers(shown)
}

#[tokio::test(flavor = "multi_thread")]
async fn requeue_asks_on_a_terminal_and_takes_nothing_but_yes_for_yes() {
    let db = outbox().await;
    for typed in ["n\n", "\n", "Yep\n"] {
        let shown = on_a_terminal(&db, "requeue --all", typed);
        assert!(shown.contains("Requeue 2 contacts? [y/N] "), "{shown}");
        assert!(shown.contains("0 contacts requeued"), "{shown}");
        assert_eq!(db.count("FROM contact_requeue").await, 0, "{typed:?}");
    }
    let shown = on_a_terminal(&db, "requeue --all", "YES\n");
    assert!(shown.contains("2 contacts requeued"), "{shown}");
    assert_eq!(db.count("FROM contact_requeue").await, 2);
    assert_eq!(db.of(2, "status").await.as_deref(), Some("pending"));
}

#[tokio::test(flavor = "multi_thread")]
async fn prune_asks_on_a_terminal_and_names_the_age_in_words() {
    let db = outbox().await;
    let contacts = db.count("FROM contact_outbox").await;
    let shown = on_a_terminal(&db, "prune --older-than 3m", "\n");
    for told in [
        "what ended more than 3 minutes ago, before 20",
        "the history of that age goes, too",
        "Delete 4 contacts and 3 batches? Nothing brings them back. [y/N] ",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    assert!(!shown.contains("deleted"), "{shown}");
    assert_eq!(db.count("FROM contact_outbox").await, contacts);
    let shown = on_a_terminal(&db, "prune --older-than 150m", "y\n");
    assert!(
        shown.contains("2 contacts and 2 batches deleted"),
        "{shown}"
    );
    let shown = on_a_terminal(&db, "prune --older-than 3m --yes", "");
    assert!(!shown.contains("[y/N]"), "{shown}");
    assert_eq!(db.count("FROM contact_outbox").await, contacts - 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn resume_names_the_pauses_of_others_and_asks_on_a_terminal() {
    let db = outbox().await;
    said(&db, &["pause", "u-2/t-9", "--reason", "wrong script"]);
    said(&db, &["pause", "--all", "--reason", "the night"]);
    let pauses = || db.count("FROM delivery_pause");
    for scope in ["--all", "--user u-2"] {
        let shown = on_a_terminal(&db, &format!("resume {scope}"), "n\n");
        assert!(
            shown.contains("this would end the pause of lane u-2/t-9 (by "),
            "{shown}"
        );
        assert!(shown.contains(": wrong script; for "), "{shown}");
        assert!(!shown.contains("the night"), "{shown}");
        assert!(shown.contains(" all the same? [y/N] "), "{shown}");
        assert_eq!(pauses().await, 2);
    }
    // The lane's own pause is what is meant.
    let shown = on_a_terminal(&db, "resume u-2/t-9", "");
    assert!(!shown.contains("[y/N]"), "{shown}");
    assert_eq!(pauses().await, 1);
    said(&db, &["pause", "u-2/t-9", "--reason", "wrong script"]);
    let shown = on_a_terminal(&db, "resume --all --yes", "");
    assert!(!shown.contains("[y/N]"), "{shown}");
    for ended in ["lane u-2/t-9 (by ", "all lanes (by "] {
        assert!(
            shown.contains(&format!("ended: the pause of {ended}")),
            "{shown}"
        );
    }
    said(&db, &["pause", "u-2/t-9", "--reason", "wrong script"]);
    let told = said(&db, &["resume", "--user", "u-2", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["pauses_ended"], 1);
    assert_eq!(told["ended"][0]["scope"], "lane u-2/t-9");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_asked_for_on_a_terminal_before_the_question() {
    let db = outbox().await;
    // The terminal shows what is typed, so another shape of the number is.
    let shown = on_a_terminal(&db, "erase --phone -", "130-1212-1212\ny\n");
    assert!(shown.contains("Number: "), "{shown}");
    assert!(shown.contains("1 contact erased"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_seen_although_the_output_goes_into_a_file() {
    let db = outbox().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.txt");
    let pending = db
        .count("FROM contact_outbox WHERE status = 'pending'")
        .await;
    for (command, question) in [
        (
            "requeue --kind rejected",
            "1  rejected\r\nRequeue 1 contact? [y/N] ",
        ),
        (
            "cancel 6",
            "1 contact pending in 1 lane\r\nCancel 1 contact? [y/N] ",
        ),
        (
            "erase --key order-1",
            "1 contact final, to be erased\r\nErase what is personal in 1 contact? Nothing brings it \
             back. [y/N] ",
        ),
    ] {
        let into_file = format!("{command} > '{}'", file.display());
        let shown = on_a_terminal(&db, &into_file, "n\n");
        assert!(shown.contains(question), "{shown}");
        let output = std::fs::read_to_string(&file).unwrap();
        assert!(!output.contains('?'), "{output}");
    }
    assert_eq!(
        db.count("FROM contact_outbox WHERE status = 'pending'")
            .await,
        pending
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rows_hold_does_nothing_to_a_terminal_or_a_spreadsheet() {
    let db = outbox().await;
    // A formula, a terminal's title and colour, a reversed order, and a forged line.
    db.execute(
        "UPDATE contact_outbox SET idempotency_key = '=HYPERLINK(\"http://x\")',
             fail_cause = '@' || char(27) || ']0;x' || char(7) || char(27) || '[31m' || char(8238)
                 || 'evil' || char(10) || 'status  succeeded'
         WHERE id = 2",
    )
    .await;
    for arguments in [
        &["failures"][..],
        &["failures", "--csv"],
        &["failures", "--json"],
        &["failures", "--by", "cause"],
        &["explain", "2"],
        &["explain", "2", "--json"],
        &["requeue", "--kind", "rejected", "--dry-run"],
    ] {
        let text = said(&db, arguments);
        let acts = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.contains(acts), "{arguments:?}: {text:?}");
    }
    let csv = said(&db, &["failures", "--csv"]);
    assert!(
        csv.contains("'=HYPERLINK") && csv.contains("'@\\u001b]0;x"),
        "{csv}"
    );
    let story = said(&db, &["explain", "2"]);
    assert!(story.contains("evil\\u000astatus  succeeded"), "{story}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rows_and_operators_say_forges_no_line() {
    let db = outbox().await;
    let forged = "'13' || char(10) || '01212121213'";
    db.execute(&format!(
        "UPDATE contact_outbox SET phone = {forged} WHERE id IN (2, 3)"
    ))
    .await;
    let lines = |arguments: &[&str]| said(&db, arguments).lines().count();
    assert_eq!(lines(&["failures"]), 4);
    assert_eq!(lines(&["failures", "--csv"]), 4);
    assert_eq!(said(&db, &["explain", "2"]).matches("\nphone").count(), 1);
    let output = program(&db, &["explain", "--phone", "1301212121213"]);
    let list = String::from_utf8(output.stdout).unwrap();
    // A header, two contacts, an empty line, and what to do next.
    assert_eq!(list.lines().count(), 5, "{list}");

    let forged = "no\nall lanes  done";
    db.execute(&format!(
        "UPDATE contact_outbox SET fail_cause = '{forged}' WHERE id = 2"
    ))
    .await;
    said(
        &db,
        &["requeue", "--cause", forged, "--kind", "rejected", "--yes"],
    );
    said(&db, &["pause", "--all", "--reason", forged]);
    assert_eq!(lines(&["history"]), 3);
    db.execute("UPDATE delivery_pause SET reason = 'by x' || char(10) || 'forged'")
        .await;
    for arguments in [
        &["status"][..],
        &["doctor"],
        &["explain", "7"],
        &["pause", "--user", "u-2"],
        &["resume", "--user", "u-2"],
        &["pause", "--all"],
    ] {
        let text = String::from_utf8(program(&db, arguments).stdout).unwrap();
        assert!(!text.contains("\nforged"), "{arguments:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_that_is_too_long_for_apps_is_refused_with_its_length() {
    let db = outbox().await;
    let long = "x".repeat(3_000);
    for command in [&["pause", "--all"][..], &["cancel", "7", "--yes"]] {
        let refused = program(&db, &[command, &["--reason", &long]].concat());
        assert_eq!(
            error(&refused, 2),
            "error: --reason: the reason has 3000 characters: write 500 or less\n"
        );
    }
    assert_eq!(db.count("FROM delivery_pause").await, 0);
    let reason = "not\n  now ".repeat(40);
    said(&db, &["cancel", "7", "--yes", "--reason", &reason]);
    let cause = db.of(7, "fail_cause").await.unwrap();
    assert!(cause.contains(": not now not now"), "{cause}");
    assert!(cause.chars().count() <= 500, "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_the_platform_quotes_is_masked_wherever_it_is_shown() {
    let db = outbox().await;
    said(&db, &["migrate", "--results-index"]);
    for cause in [
        "号码 13012121212 在黑名单",
        "+86 130-1212-1212",
        "１３０１２１２１２１２",
        "130.1212.1212, 与 13012121299 重复",
        "*13012121212*",
        "130·1212_1212",
    ] {
        db.execute(&format!(
            "UPDATE contact_outbox SET fail_cause = '{cause}', idempotency_key = 'shop:13012121212:5'
             WHERE id = 2"
        ))
        .await;
        for arguments in [
            &["failures"][..],
            &["failures", "--csv"],
            &["failures", "--json"],
            &["failures", "--by", "cause"],
            &["explain", "2"],
            &["explain", "2", "--json"],
            &["results", "--since", "5h"],
        ] {
            if arguments[0] == "results" {
                // It shows keys whole: a program finds its contacts by them.
                db.execute("UPDATE contact_outbox SET idempotency_key = NULL WHERE id = 2")
                    .await;
            }
            let text = said(&db, arguments);
            let digits: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
            let whole = ["1301212121", "１３０１２１２１２１", "1301212129"];
            assert!(
                !whole.iter().any(|number| digits.contains(number)),
                "{text}"
            );
        }
    }
    // The table keeps the platform's words, for the app.
    let kept = db.of(2, "fail_cause").await.unwrap();
    assert!(kept.contains("130·1212_1212"), "{kept}");
}
