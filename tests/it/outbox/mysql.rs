//! Peculiarities of MySQL and MariaDB: time zones, sessions that are not strict, row locks.

use std::time::Duration;

use contact_courier::outbox::{
    Change, Cursor, MySqlOutbox, NewContact, Outbox, OutboxError, PageLimit,
};
use sqlx::{Connection, MySqlConnection};

use crate::support::{Db, Kind, close, entry, lane, on_mysql_and_mariadb};

const KEY: &str = "idempotency_key_has_at_most_255_characters";

on_mysql_and_mariadb!(
    an_app_in_another_time_zone_means_the_same_instants,
    a_session_that_is_not_strict_gets_no_mangled_row_in,
    keys_that_are_too_long_do_not_become_one,
    a_strict_session_loses_no_zone_of_an_instant,
    an_open_transaction_of_an_app_does_not_hold_up_its_lane,
    what_is_refused_is_told_without_the_value,
    texts_arrive_as_they_are_whatever_the_character_set_of_the_database,
    what_is_left_of_a_transaction_that_was_undone_changes_nothing,
);

/// A session of an app.
async fn app(db: &Db, settings: &str) -> MySqlConnection {
    let mut session = MySqlConnection::connect(&db.url).await.expect("connects");
    run(&mut session, settings).await.expect("settings");
    session
}

async fn run(session: &mut MySqlConnection, sql: &str) -> Result<u64, String> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
        .execute(session)
        .await
        .map(|done| done.rows_affected())
        .map_err(|error| error.to_string())
}

async fn an_app_in_another_time_zone_means_the_same_instants(db: &Db) {
    let mut app = app(db, "SET time_zone = '+08:00'").await;
    for not_before in ["NULL", "now() - INTERVAL 1 HOUR", "now() + INTERVAL 1 HOUR"] {
        let insert = format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone, not_before)
             VALUES ('u', 't', '1', {not_before})"
        );
        run(&mut app, &insert).await.expect("inserts");
    }
    let page = db
        .outbox
        .read_page(&lane("u/t"), &Cursor::default(), PageLimit::rows(10))
        .await
        .expect("reads");
    let due: Vec<_> = page.rows.iter().map(|row| row.due_for).collect();
    assert_eq!(due.len(), 2, "the third is due in an hour");
    let hour = Duration::from_hours(1)..Duration::from_mins(61);
    assert!(hour.contains(&due[0]), "{due:?}");
    assert!(due[1] < Duration::from_mins(1), "{due:?}");
}

async fn a_session_that_is_not_strict_gets_no_mangled_row_in(db: &Db) {
    let mut app = app(db, "SET sql_mode = ''").await;
    let long = "7".repeat(300);
    for (column, value, rule) in [
        ("user_id", long.as_str(), "user_id_is_1_to_64"),
        ("task_id", long.as_str(), "task_id_is_1_to_64"),
        ("idempotency_key", long.as_str(), KEY),
        ("not_before", "tomorrow", "not_before_is_a_finite_instant"),
        (
            "status",
            "nonsense",
            "status_is_pending_succeeded_or_failed",
        ),
    ] {
        let mut row = [("user_id", "u"), ("task_id", "t"), ("phone", "1")].to_vec();
        row.retain(|(name, _)| *name != column);
        row.push((column, value));
        let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        let insert = format!(
            "INSERT INTO contact_outbox ({}) VALUES ('{}')",
            columns.join(", "),
            values.join("', '")
        );
        let said = run(&mut app, &insert).await.expect_err(value);
        assert!(said.contains(rule), "{said}");
    }
    assert_eq!(db.count("FROM contact_outbox").await, 0);
}

async fn keys_that_are_too_long_do_not_become_one(db: &Db) {
    for mode in ["", "STRICT_TRANS_TABLES"] {
        let mut app = app(db, &format!("SET sql_mode = '{mode}'")).await;
        for length in [256, 257, 512, 513, 2000] {
            let insert = format!(
                "INSERT INTO contact_outbox (user_id, task_id, phone, idempotency_key)
                 VALUES ('u', 't', '1', '{}')",
                "k".repeat(length)
            );
            let said = run(&mut app, &insert).await.expect_err("too long");
            let by_its_width = said.contains("too long for column 'idempotency_key'");
            assert!(said.contains(KEY) || by_its_width, "{length}: {said}");
        }
    }
    // Letters count, not bytes.
    for letter in ["k", "键"] {
        let key = format!("'{}'", letter.repeat(255));
        db.contact_with("u/t", "1", "idempotency_key", &key).await;
    }
    assert_eq!(db.count("FROM contact_outbox").await, 2);
}

/// MySQL reads the zone, MariaDB refuses it.
async fn a_strict_session_loses_no_zone_of_an_instant(db: &Db) {
    let mut app = app(
        db,
        "SET time_zone = '+00:00', sql_mode = 'STRICT_TRANS_TABLES'",
    )
    .await;
    for column in ["not_before", "created_at"] {
        let insert = format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone, {column})
             VALUES ('u', 't', '1', '2030-01-01 08:00:00+08:00')"
        );
        match run(&mut app, &insert).await {
            Ok(_) => {
                let right = format!("FROM contact_outbox WHERE {column} = '2030-01-01 00:00:00'");
                assert_eq!(db.count(&right).await, 1);
            }
            Err(said) => assert!(said.contains("Incorrect datetime value"), "{said}"),
        }
    }
}

async fn an_open_transaction_of_an_app_does_not_hold_up_its_lane(db: &Db) {
    let me = db.courier().await;
    let (a, b) = (db.contact("u/t", "1").await, db.contact("u/t", "2").await);
    let mut app = app(db, "BEGIN").await;
    let insert = "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES ('u', 't', '3')";
    run(&mut app, insert).await.expect("inserts");
    let lock = format!("SELECT id FROM contact_outbox WHERE id = {b} FOR UPDATE");
    run(&mut app, &lock).await.expect("locks");

    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[a]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.record(&lease, &[Change::Close(close(batch.batch, &[a]))])
        .await;
    assert_eq!(db.of(a, "status").await.as_deref(), Some("succeeded"));
    run(&mut app, "COMMIT").await.expect("commits");
    assert_eq!(db.count("FROM contact_outbox").await, 3);
}

async fn what_is_refused_is_told_without_the_value(db: &Db) {
    let good = NewContact {
        user_id: "u".into(),
        task_id: "t".into(),
        phone: "13912345678".into(),
        ..NewContact::default()
    };
    for (bad, word) in [
        (
            NewContact {
                idempotency_key: Some("13912345678".repeat(30)),
                ..good.clone()
            },
            KEY,
        ),
        (
            NewContact {
                idempotency_key: Some("13912345678".repeat(90)),
                ..good.clone()
            },
            "column idempotency_key",
        ),
        (
            NewContact {
                sort: Some(13_912_345_678),
                ..good.clone()
            },
            "column sort",
        ),
        (
            NewContact {
                not_before: Some("13912345678".into()),
                ..good.clone()
            },
            "column not_before",
        ),
    ] {
        let mut insertion = db.outbox.begin_insert().await.expect("begins");
        let error = insertion.add(&[bad]).await.expect_err(word);
        assert!(matches!(error, OutboxError::Refused(_)), "{error:?}");
        let said = error.to_string();
        assert!(said.contains(word) && !said.contains("139"), "{said}");
    }
}

async fn texts_arrive_as_they_are_whatever_the_character_set_of_the_database(db: &Db) {
    // Longer than a TEXT of either server.
    let name = "张三 \\ \" ' \u{1f600} \n ü\u{0}".repeat(7_000);
    let contact = NewContact {
        user_id: "u".into(),
        task_id: "t".into(),
        phone: "1".into(),
        name: Some(name.clone()),
        idempotency_key: Some("schlüssel".into()),
        ..NewContact::default()
    };
    for (new, known) in [(1, 0), (0, 1)] {
        let mut insertion = db.outbox.begin_insert().await.expect("begins");
        let inserted = insertion.add(std::slice::from_ref(&contact)).await;
        let inserted = inserted.expect("adds");
        assert_eq!((inserted.new, inserted.known), (new, known));
        insertion.commit().await.expect("commits");
    }
    let outbox = MySqlOutbox::connect(&db.url, 1).await.expect("connects");
    let page = outbox
        .with_longest_contact(1 << 20)
        .read_page(&lane("u/t"), &Cursor::default(), PageLimit::rows(10))
        .await
        .expect("reads");
    assert!(page.rows[0].name.as_ref() == Some(&name));
}

/// A node of a cluster may undo a transaction and not say so. The server then carries the following
/// statements out by themselves: they must change nothing.
async fn what_is_left_of_a_transaction_that_was_undone_changes_nothing(db: &Db) {
    let row = db.contact("u/t", "13012121211").await;
    let statements = MySqlOutbox::hot_statements();
    let (_, settle) = statements
        .iter()
        .find(|(name, _)| *name == "settle_successes")
        .expect("a statement");
    let outbox = MySqlOutbox::connect(&db.url, 1).await.expect("connects");
    let mut session = outbox.session().await.expect("connects");
    let alone = u64::from(db.kind == Kind::MySql);
    // MySQL has no such clusters, and no means to detect them.
    for (before, changed) in [("BEGIN", 1), ("DO 0", alone)] {
        run(&mut session, before).await.expect("begins");
        let settled = sqlx::query(*settle)
            .bind(format!("[{row}]"))
            .bind(1)
            .bind("b")
            .execute(&mut session)
            .await
            .expect("settles");
        assert_eq!(settled.rows_affected(), changed, "{before}");
        run(&mut session, "ROLLBACK").await.expect("ends");
    }
}
