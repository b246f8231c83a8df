//! The statement that journals a send checks its rows once more: a row that is not pending any more
//! never goes out.

use contact_courier::contact::ContactId;
use contact_courier::outbox::{Change, Postpone, Recorded};

use crate::support::{Db, close, entry, on_every_database};

on_every_database!(
    a_batch_with_rows_that_are_gone_or_final_is_not_opened,
    the_other_writes_of_the_same_call_are_written,
    a_batch_that_was_opened_by_a_try_whose_answer_was_lost_is_open,
    a_batch_is_not_sent_again_with_a_row_that_is_gone,
    smaller_batches_are_made_of_rows_that_are_gone_and_not_sent,
);

async fn delete(db: &Db, row: i64) {
    let delete = format!("DELETE FROM contact_outbox WHERE id = {row}");
    assert_eq!(db.execute(&delete).await, 1);
}

async fn settle(db: &Db, row: i64) {
    let now = db.now(0);
    let settle = format!(
        "UPDATE contact_outbox SET status = 'succeeded', finished_at = {now} WHERE id = {row}"
    );
    assert_eq!(db.execute(&settle).await, 1);
}

fn stale(rows: &[i64]) -> Recorded {
    Recorded::Stale(rows.iter().copied().map(ContactId).collect())
}

async fn three(db: &Db) -> [i64; 3] {
    [
        db.contact("u/t", "1").await,
        db.contact("u/t", "2").await,
        db.contact("u/t", "3").await,
    ]
}

async fn a_batch_with_rows_that_are_gone_or_final_is_not_opened(db: &Db) {
    let (me, [a, b, c]) = (db.courier().await, three(db).await);
    let lease = db.lease("u/t", me).await.lease;
    delete(db, c).await;
    settle(db, a).await;
    let batch = entry(&[c, b, a]);
    let answers = db.record(&lease, &[Change::Open(batch)]).await;
    assert_eq!(answers, [stale(&[c, a])], "in the order of sending");
    assert_eq!(db.count("FROM delivery_batch").await, 0);
    let rest = entry(&[b]);
    let answers = db.record(&lease, &[Change::Open(rest)]).await;
    assert_eq!(answers, [Recorded::Done]);
}

async fn the_other_writes_of_the_same_call_are_written(db: &Db) {
    let (me, [a, b, c]) = (db.courier().await, three(db).await);
    let lease = db.lease("u/t", me).await.lease;
    let first = entry(&[a]);
    db.record(&lease, &[Change::Open(first.clone())]).await;
    delete(db, b).await;
    let (second, third) = (entry(&[b]), entry(&[c]));
    let changes = [
        Change::Open(second.clone()),
        Change::Close(close(first.batch, &[a])),
        Change::Open(third.clone()),
    ];
    let answers = db.record(&lease, &changes).await;
    assert_eq!(answers, [stale(&[b]), Recorded::Done, Recorded::Done]);
    assert_eq!(db.of(a, "status").await.as_deref(), Some("succeeded"));
    let state = db.of_batch(third.batch, "state").await;
    assert_eq!(state.as_deref(), Some("sending"));
    assert_eq!(db.count("FROM delivery_batch").await, 2);
}

async fn a_batch_that_was_opened_by_a_try_whose_answer_was_lost_is_open(db: &Db) {
    let (me, [a, b, _]) = (db.courier().await, three(db).await);
    let lease = db.lease("u/t", me).await.lease;
    let open = Change::Open(entry(&[a, b]));
    let answers = db.record(&lease, std::slice::from_ref(&open)).await;
    assert_eq!(answers, [Recorded::Done]);
    // The batch may be on its way by now: the journal has the last word.
    delete(db, b).await;
    assert_eq!(db.record(&lease, &[open]).await, [Recorded::Done]);
    assert_eq!(db.count("FROM delivery_batch").await, 1);
}

async fn a_batch_is_not_sent_again_with_a_row_that_is_gone(db: &Db) {
    let (me, [a, b, c]) = (db.courier().await, three(db).await);
    let lease = db.lease("u/t", me).await.lease;
    let (first, second) = (entry(&[a, b]), entry(&[c]));
    for batch in [&first, &second] {
        let off = Change::Postpone(Postpone {
            batch: batch.batch,
            attempts: 0,
            maybe_delivered: false,
            failing: false,
            apart: None,
            hold: None,
        });
        db.record(&lease, &[Change::Open(batch.clone())]).await;
        db.record(&lease, &[off]).await;
    }
    delete(db, b).await;
    let again = [(&first, vec![a, b]), (&second, vec![c])].map(|(batch, rows)| Change::Resend {
        batch: batch.batch,
        attempts: 1,
        contacts: rows.into_iter().map(ContactId).collect(),
    });
    let answers = db.record(&lease, &again).await;
    assert_eq!(answers, [stale(&[b]), Recorded::Done]);
    let state = db.of_batch(first.batch, "state").await;
    assert_eq!(state.as_deref(), Some("waiting"));
    // Without that row the batch goes out.
    let rest = Change::Resend {
        batch: first.batch,
        attempts: 1,
        contacts: vec![ContactId(a)],
    };
    assert_eq!(db.record(&lease, &[rest]).await, [Recorded::Done]);
    let state = db.of_batch(first.batch, "state").await;
    assert_eq!(state.as_deref(), Some("sending"));
}

/// The parts are not on their way yet, and their batch has to be closed.
async fn smaller_batches_are_made_of_rows_that_are_gone_and_not_sent(db: &Db) {
    let (me, [a, b, _]) = (db.courier().await, three(db).await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[a, b]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    delete(db, b).await;
    let child = entry(&[b]);
    let mut end = close(batch.batch, &[a]);
    end.children.push(child.clone());
    let answers = db.record(&lease, &[Change::Close(end)]).await;
    assert_eq!(answers, [Recorded::Done]);
    let state = db.of_batch(child.batch, "state").await;
    assert_eq!(state.as_deref(), Some("waiting"));
}
