//! Taking personal data out of final contacts.

use std::sync::Arc;
use std::time::Duration;

use contact_courier::contact::ContactId;
use contact_courier::courier::lifecycle::Lifecycle;
use contact_courier::courier::redaction::Redaction;
use contact_courier::outbox::{Action, Change, Erasable, Erased, FailureFilter};

use super::operations::failed;
use crate::support::{Db, Kind, close, entry, on_every_database};

on_every_database!(
    no_column_of_an_erased_contact_holds_the_number,
    how_it_ended_stays,
    a_contact_that_may_still_be_sent_is_left,
    an_erased_contact_cannot_be_sent_again,
    a_key_without_the_number_stays_and_forbids_a_second_insert,
    a_number_is_found_in_every_shape_in_the_whole_table,
    an_erasure_is_noted_without_the_number,
    two_that_erase_at_once_do_not_mind,
    a_long_text_is_no_obstacle,
    what_a_lane_waits_for_quotes_nobody_who_was_erased,
    an_encrypted_number_is_found_by_its_ciphertext_and_by_a_mask_that_is_whole,
    a_batch_is_asked_only_about_those_who_were_in_it,
    what_ended_long_ago_is_redacted_and_nothing_else,
    a_round_goes_on_where_the_last_one_was,
);

const NUMBER: &str = "13012121211";

/// Two days, in seconds.
const LONG: i64 = 2 * 86_400;

async fn erase(db: &Db, ids: &[i64]) -> Erased {
    let ids: Vec<ContactId> = ids.iter().copied().map(ContactId).collect();
    db.operations.erase(&ids, None).await.expect("erases")
}

async fn standing(db: &Db, id: i64) -> Option<Erasable> {
    let found = db.operations.erasable(&[ContactId(id)]).await;
    found.expect("answers").first().map(|(_, state)| *state)
}

/// The columns of a table.
async fn columns(db: &Db, table: &str) -> Vec<String> {
    let from = match db.kind {
        Kind::Sqlite => format!("FROM pragma_table_info('{table}')"),
        Kind::Postgres => format!(
            "FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = '{table}'"
        ),
        _ => format!(
            "FROM information_schema.columns
             WHERE table_schema = database() AND table_name = '{table}'"
        ),
    };
    let all = match db.kind {
        Kind::Sqlite => "group_concat(name)",
        Kind::Postgres => "string_agg(column_name, ',')",
        _ => "group_concat(column_name)",
    };
    let all = db.text(all, &from).await.expect("columns");
    all.split(',').map(str::to_owned).collect()
}

/// Returns the digits of a text, whatever stands between them and however wide they are.
fn digits(text: &str) -> String {
    let narrow = |c: char| match u32::from(c) {
        wide @ 0xff10..=0xff19 => char::from_digit(wide - 0xff10, 10),
        _ => c.is_ascii_digit().then_some(c),
    };
    text.chars().filter_map(narrow).collect()
}

/// Inserts contacts that hold the number in every way of writing and every column, have failed
/// twice, and were in a batch.
async fn full_of_the_number(db: &Db) -> Vec<i64> {
    let shapes = [
        NUMBER,
        "130 1212 1211",
        "130-1212-1211",
        "１３０１２１２１２１１",
        "+8613012121211",
    ];
    let mut rows = Vec::new();
    for (nth, shape) in shapes.iter().enumerate() {
        let row = failed(db, "u/t", "rejected", "no", 60).await;
        let said = format!("the number {shape} of 张三 is on the list");
        db.execute(&format!(
            "UPDATE contact_outbox SET phone = '{shape}', name = '张三', email = '{NUMBER}@b.example',
                company = '{said}', sex = 1, source_id = 130121212, industry_id = 130121212,
                grade_id = 130121212, components = '[{{\"id\":1,\"value\":\"{shape}\"}}]',
                custom_vars = '[{{\"name\":\"n\",\"text\":\"{shape}\"}}]', extra = '{said}',
                sub_user_id = 'sub {shape}', control_select_robot = '{said}',
                phone_mask = '{shape}', idempotency_key = 'shop:{shape}:{nth}', fail_cause = '{said}'
             WHERE id = {row}"
        ))
        .await;
        rows.push(row);
    }
    // Their earlier end, and the journal's words about their batches.
    let ids: Vec<ContactId> = rows.iter().copied().map(ContactId).collect();
    db.operations
        .requeue(&ids, &|_| true, None)
        .await
        .expect("requeues");
    let me = db.courier().await;
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&rows);
    let mut end = close(batch.batch, &rows);
    end.answer = format!("refused: {NUMBER}, 张三");
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.record(&lease, &[Change::Close(end)]).await;
    rows
}

async fn no_column_of_an_erased_contact_holds_the_number(db: &Db) {
    let rows = full_of_the_number(db).await;
    let erased = erase(db, &rows).await;
    assert_eq!((erased.erased, erased.keys), (5, 5), "{erased:?}");
    for table in ["contact_outbox", "contact_requeue", "delivery_batch"] {
        let mut columns = columns(db, table).await;
        columns.retain(|column| !column.contains("id") || column == "sub_user_id");
        columns.extend(
            ["idempotency_key".to_owned()]
                .into_iter()
                .filter(|_| table == "contact_outbox"),
        );
        assert!(columns.len() > 3, "{columns:?}");
        let there = db.count(&format!("FROM {table}")).await;
        assert!(there > 0, "{table} is empty");
        for column in columns {
            for nth in 0..there {
                let from = format!("FROM {table} ORDER BY id LIMIT 1 OFFSET {nth}");
                let Some(text) = db.text(&column, &from).await else {
                    continue;
                };
                assert!(!digits(&text).contains(NUMBER), "{table}.{column}: {text}");
                assert!(!text.contains("张三"), "{table}.{column}: {text}");
            }
        }
    }
    for row in &rows {
        let phone = db.of(*row, "phone").await.expect("a mask");
        assert!(
            phone.contains("***") && phone.chars().count() <= 10,
            "{phone}"
        );
    }
    let twice = erase(db, &rows).await;
    assert_eq!(twice, Erased::default());
}

async fn how_it_ended_stays(db: &Db) {
    let row = failed(db, "u/t", "rejected", "号码 13012121211 在黑名单", 60).await;
    let kept = [
        "user_id",
        "task_id",
        "status",
        "fail_kind",
        "attempts",
        "batch_id",
        "created_at",
        "finished_at",
        "sort",
    ];
    let mut before = Vec::new();
    for column in kept {
        before.push(db.of(row, column).await);
    }
    assert_eq!(erase(db, &[row]).await.erased, 1);
    for (column, before) in kept.iter().zip(before) {
        assert_eq!(db.of(row, column).await, before, "{column}");
    }
    let cause = db.of(row, "fail_cause").await;
    assert_eq!(cause.as_deref(), Some("号码 130***1211 在黑名单"));
    let story = db.operations.story(ContactId(row)).await;
    let contact = story.expect("answers").expect("a story").contact;
    let redacted = contact.redacted_at.expect("an instant");
    assert!(redacted.seconds_ago < 30.0, "{redacted:?}");
    assert_eq!(contact.phone.to_string(), "130***1211");
}

async fn a_contact_that_may_still_be_sent_is_left(db: &Db) {
    let pending = db.contact("u/t", NUMBER).await;
    assert_eq!(standing(db, pending).await, Some(Erasable::Pending));
    assert_eq!(standing(db, 999_999).await, None);
    let me = db.courier().await;
    let lease = db.lease("u/t", me).await.lease;
    db.record(&lease, &[Change::Open(entry(&[pending]))]).await;
    let erased = erase(db, &[pending]).await;
    assert_eq!((erased.erased, erased.pending), (0, 1), "{erased:?}");
    // An app has ended it while its batch is on its way.
    let now = db.now(0);
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'succeeded', finished_at = {now} WHERE id = {pending}"
    ))
    .await;
    assert_eq!(standing(db, pending).await, Some(Erasable::InOpenBatch));
    let erased = erase(db, &[pending]).await;
    assert_eq!((erased.erased, erased.in_open_batch), (0, 1), "{erased:?}");
    assert_eq!(db.of(pending, "phone").await.as_deref(), Some(NUMBER));
    db.execute(&format!(
        "UPDATE delivery_batch SET state = 'closed', closed_at = {now}"
    ))
    .await;
    assert_eq!(standing(db, pending).await, Some(Erasable::Yes));
    assert_eq!(erase(db, &[pending]).await.erased, 1);
    assert_eq!(standing(db, pending).await, Some(Erasable::Already));
}

async fn an_erased_contact_cannot_be_sent_again(db: &Db) {
    let (gone, other) = (
        failed(db, "u/t", "rejected", "no", 60).await,
        failed(db, "u/t", "rejected", "no", 60).await,
    );
    erase(db, &[gone]).await;
    let ids = [gone, other].map(ContactId);
    let named = db.operations.failures_named(&ids).await.expect("answers");
    let redacted: Vec<bool> = named.iter().map(|failed| failed.redacted).collect();
    assert_eq!(redacted, [true, false]);
    let all = FailureFilter::default();
    let counts = db.operations.count_failures(&all).await.expect("counts");
    let redacted = counts.iter().filter(|count| count.redacted);
    assert_eq!(redacted.map(|count| count.contacts).sum::<u64>(), 1);
    assert_eq!(
        db.operations
            .requeue(&ids, &|_| true, None)
            .await
            .expect("answers"),
        1
    );
    assert_eq!(db.of(gone, "status").await.as_deref(), Some("failed"));
    let forced = db
        .try_execute(&format!(
            "UPDATE contact_outbox SET status = 'pending', fail_kind = NULL, finished_at = NULL
             WHERE id = {gone}"
        ))
        .await;
    let said = forced.expect_err("the rule forbids it");
    assert!(said.contains("redacted_rows_are_final"), "{said}");
}

async fn a_key_without_the_number_stays_and_forbids_a_second_insert(db: &Db) {
    let row = failed(db, "u/t", "rejected", "no", 60).await;
    let key = "order-20260101130121";
    db.execute(&format!(
        "UPDATE contact_outbox SET idempotency_key = '{key}' WHERE id = {row}"
    ))
    .await;
    assert_eq!(erase(db, &[row]).await.keys, 0);
    assert_eq!(
        db.operations.find_key(key).await.expect("answers"),
        Some(ContactId(row))
    );
    let again = db
        .try_execute(&format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone, idempotency_key)
             VALUES ('u', 't', '{NUMBER}', '{key}')"
        ))
        .await;
    assert!(again.is_err());
}

async fn a_number_is_found_in_every_shape_in_the_whole_table(db: &Db) {
    let mut wanted = vec![db.contact("u/t", NUMBER).await];
    db.fill(25, 1_000, ("sort", "0")).await;
    for shape in [
        "130 1212 1211",
        " +86-130-1212-1211",
        "008613012121211",
        "１３０１２１２１２１１",
        "13012121211_k7",
    ] {
        wanted.push(db.contact("u/other", shape).await);
    }
    db.contact("u/t", "13012121212").await;
    db.contact("u/t", "130***1211").await;
    wanted.reverse();
    for number in [NUMBER, "+86 130 1212 1211"] {
        let (mut found, mut before, mut steps) = (Vec::new(), None, 0);
        loop {
            let step = db.operations.find_number(number, before).await;
            let step = step.expect("looks");
            found.extend(step.found.iter().map(|id| id.0));
            before = step.next;
            if before.is_none() {
                break;
            }
            steps += 1;
        }
        assert_eq!((&found, steps), (&wanted, 2), "{number}");
    }
}

async fn an_erasure_is_noted_without_the_number(db: &Db) {
    let row = failed(db, "u/t", "rejected", "no", 60).await;
    let action = Action {
        id: uuid::Uuid::now_v7(),
        name: "erase",
        host: "db-1".into(),
        os_user: "ann".into(),
        selection: "contacts with one number".into(),
    };
    let erased = db.operations.erase(&[ContactId(row)], Some(&action)).await;
    assert_eq!(erased.expect("erases").erased, 1);
    let history = db.operations.history(5).await.expect("answers");
    let noted = history.first().expect("an action");
    assert_eq!((noted.action.as_str(), noted.affected), ("erase", Some(1)));
}

async fn two_that_erase_at_once_do_not_mind(db: &Db) {
    let mut rows = Vec::new();
    for _ in 0..10 {
        rows.push(failed(db, "u/t", "rejected", "no", 60).await);
    }
    let (one, other) = tokio::join!(erase(db, &rows), erase(db, &rows));
    let erased = one.erased + other.erased + one.locked.min(other.locked);
    assert!(erased >= 10, "{one:?} {other:?}");
    erase(db, &rows).await;
    let left = "FROM contact_outbox WHERE redacted_at IS NULL";
    assert_eq!(db.count(left).await, 0);
}

async fn a_long_text_is_no_obstacle(db: &Db) {
    let row = failed(db, "u/t", "invalid", "too long", 60).await;
    let long = "7".repeat(5_000);
    let sub = "s".repeat(3_000);
    db.execute(&format!(
        "UPDATE contact_outbox SET phone = '{long}', name = '{long}', sub_user_id = '{sub}',
             phone_mask = '{long}' WHERE id = {row}"
    ))
    .await;
    assert_eq!(erase(db, &[row]).await.erased, 1);
    assert_eq!(db.of(row, "phone").await.as_deref(), Some("777***7777"));
    let ends = format!("{0}***{0}", "s".repeat(10));
    assert_eq!(db.of(row, "sub_user_id").await, Some(ends));
}

async fn what_a_lane_waits_for_quotes_nobody_who_was_erased(db: &Db) {
    let row = failed(db, "u/t", "rejected", "no", 60).await;
    let other = failed(db, "u/other", "rejected", "no", 60).await;
    db.execute("UPDATE contact_outbox SET name = '张三'").await;
    let me = db.courier().await;
    for lane in ["u/t", "u/other"] {
        db.lease(lane, me).await;
    }
    db.execute(
        "UPDATE delivery_lane SET hold_reason = 'all_refused', hold_message = '张三 is refused'",
    )
    .await;
    assert_eq!(erase(db, &[row]).await.erased, 1);
    let of = |task: &str| format!("FROM delivery_lane WHERE user_id = 'u' AND task_id = '{task}'");
    let said = db.text("hold_message", &of("t")).await;
    assert_eq!(said.as_deref(), Some("*** is refused"));
    let said = db.text("hold_message", &of("other")).await;
    assert_eq!(said.as_deref(), Some("张三 is refused"));
    assert_eq!(standing(db, other).await, Some(Erasable::Yes));
}

async fn an_encrypted_number_is_found_by_its_ciphertext_and_by_a_mask_that_is_whole(db: &Db) {
    let mut rows = Vec::new();
    for mask in [NUMBER, "130***1211"] {
        let row = db.contact("u/t", "c1f3d5e7a9b1c3d5").await;
        db.execute(&format!(
            "UPDATE contact_outbox SET encryption = true, phone_mask = '{mask}' WHERE id = {row}"
        ))
        .await;
        rows.push(ContactId(row));
    }
    // A row may leave it to the settings whether its number is encrypted.
    for encryption in ["NULL", "false"] {
        let row = db.contact("u/t", "e1f3d5e7a9b1c3d5").await;
        db.execute(&format!(
            "UPDATE contact_outbox SET encryption = {encryption}, phone_mask = '{NUMBER}',
                 status = 'failed', fail_kind = 'expired', finished_at = {} WHERE id = {row}",
            db.now(0)
        ))
        .await;
        rows.push(ContactId(row));
    }
    rows.reverse();
    for (number, wanted) in [
        ("c1f3d5e7a9b1c3d5", &rows[2..]),
        (NUMBER, &[rows[1], rows[3]]),
        ("130***1211", &[]),
    ] {
        let step = db.operations.find_number(number, None).await;
        assert_eq!(step.expect("looks").found, wanted, "{number}");
    }
    erase(db, &[rows[1].0, rows[0].0]).await;
    for (row, left) in [(rows[1], "130***1211"), (rows[0], "e1f***c3d5")] {
        let left = format!(
            "FROM contact_outbox WHERE id = {} AND phone = '{left}'",
            row.0
        );
        assert_eq!(db.count(&left).await, 1, "{left}");
    }
}

async fn a_batch_is_asked_only_about_those_who_were_in_it(db: &Db) {
    let mut rows = Vec::new();
    for name in ["Ann Miller", "refused", "**"] {
        let row = failed(db, "u/t", "rejected", "no", 60).await;
        db.execute(&format!(
            "UPDATE contact_outbox SET name = '{name}' WHERE id = {row}"
        ))
        .await;
        rows.push(row);
    }
    let ids = [ContactId(rows[0])];
    db.operations
        .requeue(&ids, &|_| true, None)
        .await
        .expect("requeues");
    let me = db.courier().await;
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&rows[..1]);
    let mut end = close(batch.batch, &rows[..1]);
    end.answer = "refused: 130***1211, Ann Miller".into();
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.record(&lease, &[Change::Close(end)]).await;
    assert_eq!(erase(db, &rows).await.erased, 3);
    let of_the_batch = format!("FROM delivery_batch WHERE id = '{}'", batch.batch);
    let answer = db.text("answer", &of_the_batch).await.expect("an answer");
    assert_eq!(answer, "refused: 130***1211, ***");
}

fn redaction(db: &Db, instance: uuid::Uuid) -> Redaction {
    let operations = Arc::clone(&db.operations);
    Redaction::new(operations, instance, Duration::from_hours(24))
}

async fn what_ended_long_ago_is_redacted_and_nothing_else(db: &Db) {
    let old = failed(db, "u/t", "rejected", "no", LONG).await;
    let young = failed(db, "u/t", "rejected", "no", 60).await;
    let pending = db.contact("u/t", NUMBER).await;
    let then = db.now(-LONG);
    db.execute(&format!("UPDATE contact_outbox SET created_at = {then}"))
        .await;
    db.execute("DELETE FROM courier_instance").await;
    let (first, second) = (db.courier().await, db.courier().await);
    let past = db.now(-1000);
    db.execute(&format!(
        "UPDATE courier_instance SET started_at = {past} WHERE id = '{first}'"
    ))
    .await;
    let life = Lifecycle::new();
    // Of several couriers, the one that has run the longest redacts.
    assert_eq!(
        redaction(db, second).round(&life).await.expect("a round"),
        0
    );
    assert_eq!(db.of(old, "phone").await.as_deref(), Some(NUMBER));
    assert_eq!(redaction(db, first).round(&life).await.expect("a round"), 1);
    assert_eq!(db.of(old, "phone").await.as_deref(), Some("130***1211"));
    for left in [young, pending] {
        assert_eq!(db.of(left, "phone").await.as_deref(), Some(NUMBER));
        assert_eq!(db.of(left, "redacted_at").await, None);
    }
}

async fn a_round_goes_on_where_the_last_one_was(db: &Db) {
    let then = db.now(-LONG);
    db.fill(11, 1_000, ("created_at", &then)).await;
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'succeeded', finished_at = {then}"
    ))
    .await;
    db.execute("DELETE FROM courier_instance").await;
    let me = db.courier().await;
    let life = Lifecycle::new();
    let mut redaction = redaction(db, me);
    assert_eq!(redaction.round(&life).await.expect("a round"), 3);
    let left = "FROM contact_outbox WHERE redacted_at IS NULL";
    assert_eq!(db.count(left).await, 0);
    // Nothing is left to do, and only the end of the table is read.
    assert_eq!(redaction.round(&life).await.expect("a round"), 1);
    let row = failed(db, "u/t", "rejected", "no", LONG).await;
    assert_eq!(redaction.round(&life).await.expect("a round"), 1);
    assert_eq!(db.of(row, "phone").await.as_deref(), Some("130***1211"));
}

#[tokio::test]
async fn the_sqlite_file_does_not_keep_what_was_erased() {
    let db = Db::sqlite().await;
    let row = failed(&db, "u/t", "rejected", "no", 60).await;
    db.execute(&format!(
        "UPDATE contact_outbox SET phone = '{NUMBER}', company = 'of {NUMBER}' WHERE id = {row}"
    ))
    .await;
    let file = db.url.trim_start_matches("sqlite://").to_owned();
    let holds_the_number = async || {
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let bytes = std::fs::read(&file).expect("the file");
        bytes.windows(11).any(|bytes| bytes == NUMBER.as_bytes())
    };
    assert!(holds_the_number().await);
    assert_eq!(erase(&db, &[row]).await.erased, 1);
    assert!(!holds_the_number().await);
}
