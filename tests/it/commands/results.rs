//! `results`, and following them.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::{error, masked_numbers, program, said};
use crate::support::{Db, Kind};

crate::support::on_every_database!(
    results_are_refused_without_their_index,
    results_are_followed_in_their_order_each_once_and_late_ones_too,
);

async fn results_are_refused_without_their_index(db: &Db) {
    let refused = program(db, &["results", "--since", "1h"]);
    assert!(refused.stdout.is_empty());
    let text = error(&refused, 1);
    assert!(
        text.contains("`contact-courier migrate --results-index`"),
        "{text}"
    );
    for (made, told) in [("true", "was made"), ("false", "is there already")] {
        let json = program(db, &["migrate", "--results-index", "--json"]);
        let answer = String::from_utf8(json.stdout).unwrap();
        assert_eq!(
            answer,
            format!("{{\"applied\":0,\"results_index_made\":{made}}}\n")
        );
        if made == "true" {
            db.execute(match db.kind {
                Kind::MariaDb | Kind::MySql => {
                    "ALTER TABLE contact_outbox DROP INDEX contact_outbox_results"
                }
                Kind::Sqlite | Kind::Postgres => "DROP INDEX contact_outbox_results",
            })
            .await;
        }
        let text = program(db, &["migrate", "--results-index"]);
        let text = String::from_utf8(text.stdout).unwrap();
        assert_eq!(
            text,
            format!("nothing to do: the schema is up to date\nthe index of results {told}\n")
        );
    }
    assert_eq!(said(db, &["results", "--since", "1h"]), "");
    for wrong in [&["results"][..], &["results", "--since", "yesterday"]] {
        assert_eq!(program(db, wrong).status.code(), Some(2), "{wrong:?}");
    }
}

/// The program while it follows results, line by line.
struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn begin(db: &Db, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_contact-courier"))
            .args(arguments)
            .args(["--set", &format!("database.url={}", db.url)])
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line, as soon as it is there.
    fn next(&mut self) -> serde_json::Value {
        let line = self.lines.next().expect("goes on").unwrap();
        serde_json::from_str(&masked_numbers(line)).unwrap()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A contact that ended so many seconds ago.
async fn ended(db: &Db, key: &str, ago: i64) -> i64 {
    let key = format!("'{key}'");
    let row = db
        .contact_with("u-1/t-1", "13012121211", "idempotency_key", &key)
        .await;
    let then = db.now(-ago);
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'failed', fail_kind = 'rejected', fail_cause = 'no',
             finished_at = {then} WHERE id = {row}"
    ))
    .await;
    row
}

async fn results_are_followed_in_their_order_each_once_and_late_ones_too(db: &Db) {
    db.operations.make_results_index().await.unwrap();
    ended(db, "old", 7_200).await;
    let second = ended(db, "second", 30).await;
    let first = ended(db, "first", 60).await;
    let follow = [
        "results",
        "--since",
        "1h",
        "--follow",
        "--every",
        "50ms",
        "--overlap",
        "6s",
    ];
    let mut follower = Follower::begin(db, &follow);
    let told = follower.next();
    assert_eq!(
        (&told["id"], &told["idempotency_key"]),
        (&first.into(), &"first".into())
    );
    assert_eq!(
        (&told["user_id"], &told["task_id"]),
        (&"u-1".into(), &"t-1".into())
    );
    assert_eq!(
        (&told["status"], &told["fail_kind"]),
        (&"failed".into(), &"rejected".into())
    );
    assert_eq!(told["fail_cause"], "no");
    assert_eq!(follower.next()["id"], second);
    // It was committed after a contact that ended later.
    let late = ended(db, "late", 33).await;
    assert_eq!(follower.next()["id"], late);
    let new = ended(db, "new", 0).await;
    let told = follower.next();
    assert_eq!(told["id"], new);
    drop(follower);
    let since = told["finished_at"].as_str().unwrap();
    let again = said(db, &["results", "--since", since, "--overlap", "6s"]);
    assert_eq!(again.lines().count(), 1, "{again}");
    assert!(again.contains("\"new\""), "{again}");
    let all = said(db, &["results", "--since", "3h", "--json"]);
    assert_eq!(all.lines().count(), 5, "{all}");
}
