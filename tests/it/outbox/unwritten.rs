//! A database that does not write and reports no error: nothing counts as written.

use std::sync::Arc;
use std::time::Duration;

use contact_courier::contact::ContactId;
use contact_courier::outbox::{
    Change, FailKind, Final, Hold, Lease, NewContact, OutboxError, Postpone, Recorded, RowOutcome,
    Write,
};

use crate::support::{Db, Raw, action, close, entry, instance, lane, on_every_database};

on_every_database!(
    rows_that_stay_pending_are_not_taken_for_settled,
    refused_rows_that_stay_pending_are_not_taken_for_settled,
    only_rows_that_are_there_and_pending_count,
    a_batch_that_stays_as_it_is_is_not_taken_for_written,
    a_hold_that_is_not_put_up_is_not_taken_for_written,
    a_trial_finds_out_what_cannot_be_written_and_writes_nothing,
    a_lane_whose_batches_cannot_be_taken_over_says_so,
    a_requeue_that_changes_nothing_is_an_error,
);

/// Hands in the changes and returns their results.
async fn record(
    db: &Db,
    lease: &Arc<Lease>,
    changes: &[Change],
) -> Result<Vec<Recorded>, OutboxError> {
    let write = |change: &Change| Write {
        lease: Arc::clone(lease),
        change: change.clone(),
    };
    let writes: Vec<Write> = changes.iter().map(write).collect();
    db.outbox.record(&writes).await
}

/// Checks that the changes are refused as not written.
async fn unwritten(db: &Db, lease: &Arc<Lease>, changes: &[Change], table: &str, rows: usize) {
    let error = record(db, lease, changes).await.expect_err("not written");
    match &error {
        OutboxError::Unwritten { table: of, rows: n } => assert_eq!((*of, *n), (table, rows)),
        other => panic!("{other}"),
    }
    assert!(!error.is_transient());
    let said = error.to_string();
    assert!(said.contains(table) && said.contains("trigger"), "{said}");
}

fn hold(reason: &'static str) -> Hold {
    Hold {
        reason,
        message: "because".into(),
        delay: Duration::from_mins(1),
        failures: 1,
        needs_person: false,
    }
}

async fn rows_that_stay_pending_are_not_taken_for_settled(db: &Db) {
    let me = db.courier().await;
    let (a, b) = (db.contact("u/t", "1").await, db.contact("u/t", "2").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[a, b]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    let end = Change::Close(close(batch.batch, &[a, b]));
    db.obstruct_updates("contact_outbox").await;
    let changes = [end.clone(), Change::Hold(hold("other"))];
    unwritten(db, &lease, &changes, "contact_outbox", 2).await;
    assert_eq!(
        db.of_batch(batch.batch, "state").await.as_deref(),
        Some("sending"),
        "all is rolled back"
    );
    assert_eq!(
        db.count("FROM delivery_lane WHERE hold_reason IS NULL")
            .await,
        1
    );

    db.clear("contact_outbox").await;
    assert_eq!(db.record(&lease, &[end]).await, [Recorded::Done]);
    assert_eq!(db.of(a, "status").await.as_deref(), Some("succeeded"));
}

async fn refused_rows_that_stay_pending_are_not_taken_for_settled(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    db.obstruct_updates("contact_outbox").await;
    let refuse = Change::Refuse(vec![RowOutcome {
        contact: ContactId(row),
        end: Final::Failed {
            kind: FailKind::Invalid,
            cause: "a rule".into(),
        },
    }]);
    unwritten(
        db,
        &lease,
        std::slice::from_ref(&refuse),
        "contact_outbox",
        1,
    )
    .await;
    db.clear("contact_outbox").await;
    assert_eq!(db.record(&lease, &[refuse]).await, [Recorded::Done]);
}

async fn only_rows_that_are_there_and_pending_count(db: &Db) {
    let me = db.courier().await;
    let mut rows = Vec::new();
    for phone in ["1", "2", "3"] {
        rows.push(db.contact("u/t", phone).await);
    }
    let lease = db.lease("u/t", me).await.lease;
    let (early, batch) = (entry(&rows[..1]), entry(&rows));
    let opens = [Change::Open(early.clone()), Change::Open(batch.clone())];
    db.record(&lease, &opens).await;
    let end = Change::Close(close(early.batch, &rows[..1]));
    db.record(&lease, &[end]).await;
    let gone = format!("DELETE FROM contact_outbox WHERE id = {}", rows[1]);
    db.execute(&gone).await;
    let end = Change::Close(close(batch.batch, &rows));
    db.obstruct_updates("contact_outbox").await;
    unwritten(db, &lease, std::slice::from_ref(&end), "contact_outbox", 1).await;
    let gone = format!("DELETE FROM contact_outbox WHERE id = {}", rows[2]);
    db.execute(&gone).await;
    assert_eq!(db.record(&lease, &[end]).await, [Recorded::Done]);
}

async fn a_batch_that_stays_as_it_is_is_not_taken_for_written(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    let postpone = |maybe_delivered| {
        Change::Postpone(Postpone {
            batch: batch.batch,
            attempts: 1,
            maybe_delivered,
            failing: true,
            apart: None,
            hold: None,
        })
    };
    db.obstruct_updates("delivery_batch").await;
    let close = Change::Close(close(batch.batch, &[row]));
    for change in [postpone(true), close.clone()] {
        unwritten(db, &lease, &[change], "delivery_batch", 1).await;
    }
    assert_eq!(db.of(row, "status").await.as_deref(), Some("pending"));
    db.clear("delivery_batch").await;
    // The same write twice counts as one.
    let twice = [postpone(false), postpone(false)];
    assert_eq!(
        db.record(&lease, &twice).await,
        [Recorded::Done, Recorded::Done]
    );

    db.obstruct_updates("delivery_batch").await;
    let resend = Change::Resend {
        batch: batch.batch,
        attempts: 2,
        contacts: vec![ContactId(row)],
    };
    unwritten(db, &lease, &[resend], "delivery_batch", 1).await;
}

async fn a_hold_that_is_not_put_up_is_not_taken_for_written(db: &Db) {
    let me = db.courier().await;
    db.contact("u/t", "1").await;
    let lease = db.lease("u/t", me).await.lease;
    db.obstruct_updates("delivery_lane").await;
    let hold = Change::Hold(hold("other"));
    unwritten(db, &lease, &[hold], "delivery_lane", 1).await;
}

async fn a_trial_finds_out_what_cannot_be_written_and_writes_nothing(db: &Db) {
    let me = db.courier().await;
    let (a, b) = (db.contact("u/t", "1").await, db.contact("u/t", "2").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[a]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    let (contacts, batches) = ([ContactId(a), ContactId(b)], [batch.batch]);
    let trial = async || db.outbox.try_settling(&lease, &contacts, &batches).await;
    assert_eq!(trial().await.expect("all can be written"), Recorded::Done);
    for table in ["contact_outbox", "delivery_batch", "delivery_lane"] {
        db.obstruct_updates(table).await;
        match trial().await.expect_err(table) {
            OutboxError::Unwritten { table: of, .. } => assert_eq!(of, table),
            other => panic!("{other}"),
        }
        db.clear(table).await;
    }
    db.refuse_updates("contact_outbox").await;
    let said = trial().await.expect_err("refused").to_string();
    assert!(said.contains("hands off"), "{said}");
    db.clear("contact_outbox").await;

    assert_eq!(db.count("FROM delivery_batch").await, 1);
    assert_eq!(
        db.count("FROM delivery_batch WHERE state = 'sending'")
            .await,
        1
    );
    assert_eq!(
        db.count("FROM contact_outbox WHERE status = 'pending'")
            .await,
        2
    );
    assert_eq!(
        db.count("FROM delivery_lane WHERE hold_reason IS NULL")
            .await,
        1
    );
    db.lease("u/t", me).await;
    assert_eq!(trial().await.expect("answers"), Recorded::Fenced);
}

async fn a_lane_whose_batches_cannot_be_taken_over_says_so(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    db.record(
        &lease,
        &[Change::Open(entry(&[row])), Change::Hold(hold("other"))],
    )
    .await;
    let past = db.now(-5);
    db.execute(&format!("UPDATE delivery_lane SET held_until = {past}"))
        .await;
    // The same, if the trigger keeps nothing but the token.
    match &db.raw {
        Raw::MySql(_) => {
            db.execute(
                "CREATE TRIGGER obstacle_delivery_batch BEFORE UPDATE ON delivery_batch
                 FOR EACH ROW SET NEW.lease_token = OLD.lease_token",
            )
            .await;
        }
        Raw::Sqlite(_) | Raw::Postgres(_) => db.obstruct_updates("delivery_batch").await,
    }
    let leased = db.lease("u/t", me).await;
    assert!(leased.open.is_empty());
    assert_eq!(leased.held_because.as_deref(), Some("other"));
    match leased.obstacle {
        Some(OutboxError::Unwritten { table, rows }) => {
            assert_eq!((table, rows), ("delivery_batch", 1));
        }
        other => panic!("{other:?}"),
    }
    db.clear("delivery_batch").await;
    let leased = db.lease("u/t", me).await;
    assert_eq!((leased.open.len(), leased.obstacle.is_none()), (1, true));
}

async fn a_requeue_that_changes_nothing_is_an_error(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let refuse = Change::Refuse(vec![RowOutcome {
        contact: ContactId(row),
        end: Final::Failed {
            kind: FailKind::Invalid,
            cause: "a rule".into(),
        },
    }]);
    db.record(&lease, &[refuse]).await;
    db.obstruct_updates("contact_outbox").await;
    let error = db
        .operations
        .requeue(&[ContactId(row)], &|_| true, None)
        .await;
    match error.expect_err("not requeued") {
        OutboxError::Unwritten { table, rows } => assert_eq!((table, rows), ("contact_outbox", 1)),
        other => panic!("{other}"),
    }
    assert_eq!(db.count("FROM contact_requeue").await, 0);
    db.clear("contact_outbox").await;
    let requeued = db
        .operations
        .requeue(&[ContactId(row)], &|_| true, None)
        .await;
    assert_eq!(requeued.expect("requeues"), 1);
}

/// A batch that is not opened must not be sent.
async fn a_batch_that_is_not_inserted(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let there = entry(&[row]);
    db.record(&lease, &[Change::Open(there.clone())]).await;
    db.obstruct_inserts("delivery_batch").await;
    let opens = [Change::Open(there.clone()), Change::Open(entry(&[row]))];
    unwritten(db, &lease, &opens, "delivery_batch", 1).await;
    // An earlier try has opened it.
    let again = db.record(&lease, &[Change::Open(there)]).await;
    assert_eq!(again, [Recorded::Done]);
}

/// A skipped contact must not count as one that is there already.
async fn contacts_that_are_not_inserted(db: &Db) {
    let contact = |key: Option<&str>| NewContact {
        user_id: "u".into(),
        task_id: "t".into(),
        phone: "1".into(),
        idempotency_key: key.map(Into::into),
        ..NewContact::default()
    };
    let contacts = [contact(Some("a")), contact(Some("a")), contact(None)];
    let mut insertion = db.outbox.begin_insert().await.expect("begins");
    let inserted = insertion.add(&contacts).await.expect("inserts");
    assert_eq!((inserted.new, inserted.known), (2, 1));
    insertion.commit().await.expect("commits");

    db.obstruct_inserts("contact_outbox").await;
    for (skipped, rows) in [(contact(None), 1), (contact(Some("b")), 1)] {
        let mut insertion = db.outbox.begin_insert().await.expect("begins");
        let both = [contact(Some("a")), skipped];
        match insertion.add(&both).await.expect_err("not inserted") {
            OutboxError::Unwritten { rows: n, .. } => assert_eq!(n, rows),
            other => panic!("{other}"),
        }
    }
}

/// A courier whose heartbeat nobody can see would count as dead.
async fn a_heartbeat_that_is_not_written(db: &Db) {
    let me = db.courier().await;
    db.obstruct_updates("courier_instance").await;
    let error = db.outbox.beat(&instance(me)).await.expect_err("unseen");
    let OutboxError::Unwritten { table, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(table, "courier_instance");
}

#[tokio::test]
async fn sqlite_skips_an_insert() {
    a_batch_that_is_not_inserted(&Db::sqlite().await).await;
}

#[tokio::test]
async fn postgres_skips_an_insert() {
    a_batch_that_is_not_inserted(&Db::postgres().await).await;
}

#[tokio::test]
async fn sqlite_skips_a_contact() {
    contacts_that_are_not_inserted(&Db::sqlite().await).await;
}

#[tokio::test]
async fn postgres_skips_a_contact() {
    contacts_that_are_not_inserted(&Db::postgres().await).await;
}

#[tokio::test]
async fn sqlite_skips_a_heartbeat() {
    a_heartbeat_that_is_not_written(&Db::sqlite().await).await;
}

#[tokio::test]
async fn postgres_skips_a_heartbeat() {
    a_heartbeat_that_is_not_written(&Db::postgres().await).await;
}

#[tokio::test]
async fn a_trigger_of_postgres_that_puts_old_values_back_is_seen_through() {
    let db = Db::postgres().await;
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    let end = Change::Close(close(batch.batch, &[row]));
    for table in ["contact_outbox", "delivery_batch"] {
        db.restore_at_updates(table).await;
        unwritten(&db, &lease, std::slice::from_ref(&end), table, 1).await;
        db.clear(table).await;
    }
    assert_eq!(db.record(&lease, &[end]).await, [Recorded::Done]);
}

#[tokio::test]
async fn a_trigger_of_sqlite_behind_the_update_is_seen_through() {
    let db = Db::sqlite().await;
    db.restore_behind_updates().await;
    restored_behind_the_update(&db).await;
}

#[tokio::test]
async fn a_trigger_of_postgres_behind_the_update_is_seen_through() {
    let db = Db::postgres().await;
    db.restore_behind_updates().await;
    restored_behind_the_update(&db).await;
}

#[tokio::test]
async fn a_trigger_of_postgres_at_the_end_of_the_transaction_is_seen_through() {
    let db = Db::postgres().await;
    db.restore_at_commit().await;
    restored_behind_the_update(&db).await;

    let (me, row) = (db.courier().await, db.contact("u/x", "2").await);
    let lease = db.lease("u/x", me).await.lease;
    let (contacts, batch) = ([ContactId(row)], entry(&[row]));
    let batches = [batch.batch];
    db.record(&lease, &[Change::Open(batch)]).await;
    let trial = async || {
        let tried = db.outbox.try_settling(&lease, &contacts, &batches);
        tried.await.expect_err("a trigger").to_string()
    };
    db.restore_at_commit().await;
    assert!(trial().await.contains("stay as they were"));
    db.clear("contact_outbox").await;
    for table in ["contact_outbox", "delivery_batch", "delivery_lane"] {
        db.refuse_at_commit(table).await;
        let said = trial().await;
        assert!(said.contains("hands off"), "{table}: {said}");
        db.clear(table).await;
    }
}

#[tokio::test]
async fn a_trigger_of_postgres_at_the_end_of_an_operators_transaction_is_seen_through() {
    let db = Db::postgres().await;
    let (of, ids) = (lane("u/t"), [ContactId(db.contact("u/t", "1").await)]);
    let cancel = action("cancel", "lane u/t");
    let cancel = async || {
        let cancelled = db.operations.cancel(&of, &ids, "mine", &cancel);
        cancelled.await.map(|done| done.cancelled)
    };
    let requeue = async || db.operations.requeue(&ids, &|_| true, None).await;
    let obstructed = |done: Result<u64, OutboxError>| match done.expect_err("a trigger") {
        OutboxError::Unwritten { table, rows } => assert_eq!((table, rows), ("contact_outbox", 1)),
        other => panic!("{other}"),
    };
    db.restore_at_commit().await;
    obstructed(cancel().await);
    db.clear("contact_outbox").await;
    assert_eq!(cancel().await.expect("cancels"), 1);
    db.restore_at_commit().await;
    obstructed(requeue().await);
    db.clear("contact_outbox").await;
    assert_eq!(requeue().await.expect("requeues"), 1);
}

/// The update has changed as many rows as it should, and they are as before.
async fn restored_behind_the_update(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    let well = Change::Close(close(batch.batch, &[row]));
    let badly = Change::Refuse(vec![RowOutcome {
        contact: ContactId(row),
        end: Final::Failed {
            kind: FailKind::Invalid,
            cause: "a rule".into(),
        },
    }]);
    for end in [&well, &badly] {
        unwritten(db, &lease, std::slice::from_ref(end), "contact_outbox", 1).await;
    }
    db.clear("contact_outbox").await;
    assert_eq!(db.record(&lease, &[well]).await, [Recorded::Done]);
}
