//! The effect of each write, and that it happens once.

use std::time::Duration;

use contact_courier::contact::ContactId;
use contact_courier::outbox::{
    Change, Close, FailKind, Final, Hold, Postpone, Recorded, RowOutcome,
};

use crate::support::{Db, close, entry, on_every_database};

on_every_database!(
    a_batch_is_journaled_and_its_rows_stay_untouched,
    closing_settles_each_row_with_its_own_end,
    every_write_that_is_handed_in_twice_takes_effect_once,
    one_call_may_hold_the_same_write_twice,
    rows_that_the_app_deleted_are_no_error,
    a_final_row_is_never_written_again,
    refused_rows_keep_their_attempts_and_batch,
    children_wait_in_the_name_of_the_same_lease,
    a_resend_is_under_way_again,
    words_with_a_nul_character_do_not_block_the_record,
    no_writes_are_no_work,
    a_thousand_rows_in_one_call,
);

fn failed(contact: i64, kind: FailKind, cause: &str) -> RowOutcome {
    RowOutcome {
        contact: ContactId(contact),
        end: Final::Failed {
            kind,
            cause: cause.into(),
        },
    }
}

async fn a_batch_is_journaled_and_its_rows_stay_untouched(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    assert_eq!(
        db.record(&lease, &[Change::Open(batch.clone())]).await,
        [Recorded::Done]
    );
    assert_eq!(
        db.of_batch(batch.batch, "state").await.as_deref(),
        Some("sending")
    );
    assert!(db.of_batch(batch.batch, "sent_at").await.is_some());
    assert_eq!(db.of(row, "status").await.as_deref(), Some("pending"));
    assert_eq!(db.of(row, "batch_id").await, None);
}

async fn closing_settles_each_row_with_its_own_end(db: &Db) {
    let me = db.courier().await;
    let (a, b) = (db.contact("u/t", "1").await, db.contact("u/t", "2").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[a, b]);
    let mut end = close(batch.batch, &[a]);
    end.attempts = 3;
    end.rows.push(failed(b, FailKind::Rejected, "格式不正确。"));
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.record(&lease, &[Change::Close(end)]).await;

    assert_eq!(db.of(a, "status").await.as_deref(), Some("succeeded"));
    assert_eq!(db.of(a, "fail_kind").await, None);
    assert_eq!(db.of(b, "status").await.as_deref(), Some("failed"));
    assert_eq!(db.of(b, "fail_kind").await.as_deref(), Some("rejected"));
    assert_eq!(
        db.of(b, "fail_cause").await.as_deref(),
        Some("格式不正确。")
    );
    for row in [a, b] {
        assert_eq!(db.of(row, "attempts").await.as_deref(), Some("3"));
        assert_eq!(db.of(row, "batch_id").await, Some(batch.batch.to_string()));
        assert!(db.of(row, "finished_at").await.is_some());
    }
    assert_eq!(
        db.of_batch(batch.batch, "state").await.as_deref(),
        Some("closed")
    );
    assert_eq!(
        db.of_batch(batch.batch, "outcome").await.as_deref(),
        Some("delivered")
    );
    assert_eq!(
        db.of_batch(batch.batch, "answer").await.as_deref(),
        Some("ok")
    );
}

fn postpone(batch: &contact_courier::outbox::JournalEntry, failing: bool) -> Change {
    Change::Postpone(Postpone {
        batch: batch.batch,
        attempts: 1,
        maybe_delivered: true,
        failing,
        apart: None,
        hold: Some(Hold {
            reason: "backoff",
            message: "HTTP 503".into(),
            delay: Duration::from_mins(1),
            failures: 1,
            needs_person: false,
        }),
    })
}

async fn every_write_that_is_handed_in_twice_takes_effect_once(db: &Db) {
    let me = db.courier().await;
    let (a, b) = (db.contact("u/t", "1").await, db.contact("u/t", "2").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[a, b]);
    let mut end = close(batch.batch, &[a]);
    end.children.push(entry(&[b]));
    let refuse = Change::Refuse(vec![failed(b, FailKind::Invalid, "rule")]);
    let resend = Change::Resend {
        batch: batch.batch,
        attempts: 2,
        contacts: batch.contacts.clone(),
    };
    let story = [
        Change::Open(batch.clone()),
        postpone(&batch, true),
        resend,
        Change::Close(end),
        refuse,
        Change::Recover,
    ];
    for change in &story {
        for _ in 0..2 {
            let answers = db.record(&lease, std::slice::from_ref(change)).await;
            assert_eq!(answers, [Recorded::Done], "{change:?}");
        }
    }
    assert_eq!(db.count("FROM delivery_batch").await, 2);
    assert_eq!(db.of(a, "attempts").await.as_deref(), Some("1"));
    assert_eq!(db.of(b, "attempts").await.as_deref(), Some("0"));
    assert_eq!(db.of(b, "fail_kind").await.as_deref(), Some("invalid"));
}

async fn one_call_may_hold_the_same_write_twice(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    let open = Change::Open(batch.clone());
    assert_eq!(
        db.record(&lease, &[open.clone(), open]).await,
        vec![Recorded::Done; 2]
    );
    let end = Change::Close(close(batch.batch, &[row]));
    assert_eq!(
        db.record(&lease, &[end.clone(), end]).await,
        vec![Recorded::Done; 2]
    );
    assert_eq!(db.of(row, "attempts").await.as_deref(), Some("1"));
}

async fn rows_that_the_app_deleted_are_no_error(db: &Db) {
    let me = db.courier().await;
    let (a, b) = (db.contact("u/t", "1").await, db.contact("u/t", "2").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[a, b]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.execute(&format!("DELETE FROM contact_outbox WHERE id = {a}"))
        .await;
    let answers = db
        .record(&lease, &[Change::Close(close(batch.batch, &[a, b]))])
        .await;
    assert_eq!(answers, [Recorded::Done]);
    assert_eq!(db.of(b, "status").await.as_deref(), Some("succeeded"));
}

async fn a_final_row_is_never_written_again(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let (first, second) = (entry(&[row]), entry(&[row]));
    db.record(
        &lease,
        &[Change::Open(first.clone()), Change::Open(second.clone())],
    )
    .await;
    db.record(&lease, &[Change::Close(close(first.batch, &[row]))])
        .await;
    let mut late = close(second.batch, &[]);
    late.rows.push(failed(row, FailKind::Expired, "too late"));
    assert_eq!(
        db.record(&lease, &[Change::Close(late)]).await,
        [Recorded::Done]
    );
    assert_eq!(db.of(row, "status").await.as_deref(), Some("succeeded"));
    assert_eq!(db.of(row, "batch_id").await, Some(first.batch.to_string()));
}

async fn refused_rows_keep_their_attempts_and_batch(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let refuse = Change::Refuse(vec![failed(
        row,
        FailKind::Invalid,
        "sex must be 0, 1 or 2",
    )]);
    assert_eq!(db.record(&lease, &[refuse]).await, [Recorded::Done]);
    assert_eq!(db.of(row, "fail_kind").await.as_deref(), Some("invalid"));
    assert_eq!(db.of(row, "attempts").await.as_deref(), Some("0"));
    assert_eq!(db.of(row, "batch_id").await, None);
}

async fn children_wait_in_the_name_of_the_same_lease(db: &Db) {
    let me = db.courier().await;
    let (a, b) = (db.contact("u/t", "1").await, db.contact("u/t", "2").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[a, b]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    let mut child = entry(&[b]);
    child.parent = Some(batch.batch);
    child.maybe_delivered = true;
    let split = Close {
        children: vec![child.clone()],
        ..close(batch.batch, &[a])
    };
    db.record(&lease, &[Change::Close(split)]).await;
    assert_eq!(
        db.of_batch(child.batch, "state").await.as_deref(),
        Some("waiting")
    );
    assert_eq!(db.of_batch(child.batch, "sent_at").await, None);
    assert_eq!(
        db.of_batch(child.batch, "parent_id").await,
        Some(batch.batch.to_string())
    );
    let open = db.lease("u/t", me).await.open;
    assert_eq!(open.len(), 1);
    assert!(open[0].maybe_delivered, "it knows what its parent knew");
    assert_eq!(open[0].rows[0].id, b);
}

async fn a_resend_is_under_way_again(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    let again = Change::Resend {
        batch: batch.batch,
        attempts: 2,
        contacts: batch.contacts.clone(),
    };
    // In one heap: the wait ends as soon as it begins.
    db.record(&lease, &[postpone(&batch, false), again]).await;
    assert_eq!(
        db.of_batch(batch.batch, "state").await.as_deref(),
        Some("sending")
    );
    assert_eq!(
        db.of_batch(batch.batch, "attempts").await.as_deref(),
        Some("2")
    );
    assert_eq!(db.of_batch(batch.batch, "failing_since").await, None);
}

async fn words_with_a_nul_character_do_not_block_the_record(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let refuse = Change::Refuse(vec![failed(row, FailKind::Rejected, "a\0b")]);
    assert_eq!(db.record(&lease, &[refuse]).await, [Recorded::Done]);
    assert_eq!(
        db.of(row, "fail_cause").await.as_deref(),
        Some("a\u{fffd}b")
    );
}

async fn no_writes_are_no_work(db: &Db) {
    assert_eq!(db.outbox.record(&[]).await.expect("nothing"), []);
}

async fn a_thousand_rows_in_one_call(db: &Db) {
    let me = db.courier().await;
    db.fill(1, 1000, ("sort", "0")).await;
    let lease = db.lease("u/t00000", me).await.lease;
    let ids: Vec<i64> = (1..=1000).collect();
    let batches: Vec<_> = ids.chunks(100).map(entry).collect();
    let opens: Vec<_> = batches.iter().cloned().map(Change::Open).collect();
    assert_eq!(db.record(&lease, &opens).await, vec![Recorded::Done; 10]);
    let closes: Vec<_> = batches
        .iter()
        .zip(ids.chunks(100))
        .map(|(batch, rows)| Change::Close(close(batch.batch, rows)))
        .collect();
    assert_eq!(db.record(&lease, &closes).await, vec![Recorded::Done; 10]);
    assert_eq!(
        db.count("FROM contact_outbox WHERE status = 'succeeded'")
            .await,
        1000
    );
}
