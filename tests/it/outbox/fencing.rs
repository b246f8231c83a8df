//! A courier that lost its lease cannot change anything any more.

use std::sync::Arc;
use std::time::Duration;

use contact_courier::batch::BatchId;
use contact_courier::contact::ContactId;
use contact_courier::outbox::{
    Change, FailKind, Final, Hold, Postpone, Recorded, RowOutcome, Write,
};

use crate::support::{Db, close, entry, on_every_database};

on_every_database!(
    every_change_in_the_name_of_an_old_token_is_fenced,
    a_fenced_lane_does_not_hold_up_the_others_of_the_same_call,
    the_token_of_a_lane_only_grows,
    a_token_only_grows_though_the_clock_has_gone_back,
    a_lease_that_a_failover_has_lost_is_fenced,
    a_lane_that_was_never_leased_is_fenced,
    a_batch_that_the_journal_does_not_know_is_fenced,
);

fn postpone(batch: BatchId) -> Change {
    Change::Postpone(Postpone {
        batch,
        attempts: 1,
        maybe_delivered: true,
        failing: true,
        apart: None,
        hold: Some(Hold {
            reason: "backoff",
            message: "later".into(),
            delay: Duration::from_secs(9),
            failures: 1,
            needs_person: false,
        }),
    })
}

async fn every_change_in_the_name_of_an_old_token_is_fenced(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let old = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&old, &[Change::Open(batch.clone())]).await;
    db.lease("u/t", me).await;

    let refused = RowOutcome {
        contact: ContactId(row),
        end: Final::Failed {
            kind: FailKind::Invalid,
            cause: "no".into(),
        },
    };
    let changes = [
        Change::Open(entry(&[row])),
        Change::Resend {
            batch: batch.batch,
            attempts: 2,
            contacts: batch.contacts.clone(),
        },
        postpone(batch.batch),
        Change::Close(close(batch.batch, &[row])),
        Change::Refuse(vec![refused]),
        Change::Recover,
    ];
    for change in &changes {
        let answers = db.record(&old, std::slice::from_ref(change)).await;
        assert_eq!(answers, [Recorded::Fenced], "{change:?}");
    }
    assert_eq!(db.record(&old, &changes).await, vec![Recorded::Fenced; 6]);
    assert_eq!(db.of(row, "status").await.as_deref(), Some("pending"));
    assert_eq!(db.of(row, "attempts").await.as_deref(), Some("0"));
    assert_eq!(db.count("FROM delivery_batch").await, 1);
    assert_eq!(
        db.of_batch(batch.batch, "state").await.as_deref(),
        Some("waiting")
    );
    assert_eq!(
        db.count("FROM delivery_lane WHERE hold_reason IS NOT NULL")
            .await,
        0
    );
}

async fn a_fenced_lane_does_not_hold_up_the_others_of_the_same_call(db: &Db) {
    let me = db.courier().await;
    let (a, b) = (db.contact("u/a", "1").await, db.contact("u/b", "1").await);
    let old = db.lease("u/a", me).await.lease;
    let new = db.lease("u/a", me).await.lease;
    let other = db.lease("u/b", me).await.lease;
    let write = |lease: &Arc<_>, rows: &[i64]| Write {
        lease: Arc::clone(lease),
        change: Change::Open(entry(rows)),
    };
    let answers = db
        .outbox
        .record(&[write(&old, &[a]), write(&other, &[b]), write(&new, &[a])])
        .await
        .expect("recording");
    assert_eq!(answers, [Recorded::Fenced, Recorded::Done, Recorded::Done]);
    assert_eq!(db.count("FROM delivery_batch").await, 2);
}

async fn the_token_of_a_lane_only_grows(db: &Db) {
    let me = db.courier().await;
    let mut last = 0;
    for _ in 0..3 {
        let lease = db.lease("u/t", me).await.lease;
        assert!(lease.token > last);
        last = lease.token;
        db.outbox.release(&lease).await.expect("releases");
        db.outbox.retire(me).await.expect("retires");
        db.outbox
            .beat(&crate::support::instance(me))
            .await
            .expect("beats");
    }
}

async fn a_token_only_grows_though_the_clock_has_gone_back(db: &Db) {
    let me = db.courier().await;
    let first = db.lease("u/t", me).await.lease;
    db.execute("UPDATE delivery_lane SET lease_token = lease_token + 3600000000")
        .await;
    let second = db.lease("u/t", me).await.lease;
    assert_eq!(second.token, first.token + 3_600_000_001);
}

async fn a_lease_that_a_failover_has_lost_is_fenced(db: &Db) {
    let (lost, next) = (db.courier().await, db.courier().await);
    let row = db.contact("u/t", "1").await;
    let before = db.lease("u/t", lost).await.lease;
    db.outbox.release(&before).await.expect("releases");
    let old = db.lease("u/t", lost).await.lease;
    // A server that takes over without the last commit, or that was restored, has the row as it was
    // before. Either takes longer than a millisecond, which is as fine as SQLite's clock is.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let kept = format!(
        "UPDATE delivery_lane SET lease_token = {}, lease_owner = NULL",
        before.token
    );
    db.execute(&kept).await;
    let new = db.lease("u/t", next).await.lease;
    assert_ne!(new.token, old.token);
    let open = |rows: &[i64]| [Change::Open(entry(rows))];
    assert_eq!(db.record(&old, &open(&[row])).await, [Recorded::Fenced]);
    assert_eq!(db.record(&new, &open(&[row])).await, [Recorded::Done]);

    // The same where the lane's first lease is lost.
    tokio::time::sleep(Duration::from_millis(2)).await;
    db.execute("DELETE FROM delivery_lane").await;
    let newest = db.lease("u/t", lost).await.lease;
    assert_ne!(newest.token, new.token);
    assert_eq!(db.record(&new, &open(&[])).await, [Recorded::Fenced]);
}

async fn a_lane_that_was_never_leased_is_fenced(db: &Db) {
    let me = db.courier().await;
    let lease = db.lease("u/t", me).await.lease;
    db.execute("DELETE FROM delivery_lane").await;
    assert_eq!(
        db.record(&lease, &[Change::Recover]).await,
        [Recorded::Fenced]
    );
}

async fn a_batch_that_the_journal_does_not_know_is_fenced(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let unknown = BatchId::generate();
    let changes = [Change::Close(close(unknown, &[row])), postpone(unknown)];
    assert_eq!(db.record(&lease, &changes).await, vec![Recorded::Fenced; 2]);
    assert_eq!(db.of(row, "status").await.as_deref(), Some("pending"));
}
