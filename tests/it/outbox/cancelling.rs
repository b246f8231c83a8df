//! Ending contacts before they are sent: never one that may be on its way. A cancelled contact
//! never goes out afterwards.

use std::time::Duration;

use contact_courier::contact::{ContactId, Suffix};
use contact_courier::operators::{Cancellation, Chosen};
use contact_courier::outbox::{
    Cancelled, Change, JournalEntry, Names, PendingFilter, PendingLane, Postpone, Recorded,
};

use super::requeueing::unconfirmed;
use crate::support::{Db, action, close, entry, lane, on_every_database};

on_every_database!(
    what_is_cancelled_has_failed_with_its_cause_and_is_not_found_any_more,
    what_may_be_on_its_way_is_left_and_counted,
    what_surely_was_not_delivered_is_cancelled_out_of_its_batch,
    what_may_have_arrived_before_a_requeue_is_not_called_undelivered,
    what_is_inserted_while_a_lane_is_cancelled_stays,
    no_batch_goes_out_with_what_was_cancelled,
    of_cancelling_and_journalling_at_the_same_moment_one_is_first,
    pending_contacts_are_counted_and_found_by_lane_user_and_age,
    contacts_that_say_that_they_are_ancient_are_found,
    contacts_are_found_by_id_and_by_key,
    each_part_of_an_action_is_added_to_its_row,
    of_named_contacts_only_they_are_counted,
);

async fn of_named_contacts_only_they_are_counted(db: &Db) {
    let me = db.courier().await;
    let going = db.contact("u/t", "1").await;
    let lease = db.lease("u/t", me).await.lease;
    db.record(&lease, &[Change::Open(entry(&[going]))]).await;
    let free = db.contact("u/t", "2").await;
    for (named, on_their_way) in [(vec![free], 0), (vec![going], 1), (vec![free, going], 1)] {
        let chosen = Chosen::Named {
            ids: named.iter().copied().map(ContactId).collect(),
            keys: Vec::new(),
        };
        let plan = Cancellation::plan(&chosen, &*db.operations).await;
        let plan = plan.expect("counts");
        let tally = plan.tally();
        assert_eq!(tally.pending, named.len() as u64);
        assert_eq!(tally.on_their_way, on_their_way, "{named:?}");
    }
}

const CAUSE: &str = "cancelled by anna on db1: wrong list";

async fn cancel(db: &Db, name: &str, ids: &[i64]) -> Cancelled {
    let ids: Vec<ContactId> = ids.iter().copied().map(ContactId).collect();
    let (lane, action) = (lane(name), action("cancel", "lane u/t"));
    let cancelled = db.operations.cancel(&lane, &ids, CAUSE, &action).await;
    cancelled.expect("cancels")
}

fn only(cancelled: u64) -> Cancelled {
    Cancelled {
        cancelled,
        ..Cancelled::default()
    }
}

async fn what_is_cancelled_has_failed_with_its_cause_and_is_not_found_any_more(db: &Db) {
    let me = db.courier().await;
    let row = db.contact("u/t", "1").await;
    let deferred = db
        .contact_with("u/t", "2", "not_before", &db.now(3_600))
        .await;
    let other = db.contact("u/other", "1").await;
    // No courier has had the lane yet. Ids of no contact, and an id that comes twice, do no harm.
    let cancelled = cancel(db, "u/t", &[deferred, row, row, 999_999]).await;
    assert_eq!(cancelled, only(2));
    for id in [row, deferred] {
        assert_eq!(db.of(id, "status").await.as_deref(), Some("failed"));
        assert_eq!(db.of(id, "fail_kind").await.as_deref(), Some("cancelled"));
        assert_eq!(db.of(id, "fail_cause").await.as_deref(), Some(CAUSE));
        assert_eq!(db.of(id, "attempts").await.as_deref(), Some("0"));
        assert!(db.of(id, "finished_at").await.is_some());
    }
    assert_eq!(db.of(other, "status").await.as_deref(), Some("pending"));
    assert_eq!(cancel(db, "u/t", &[row]).await, only(0));
    assert_eq!(cancel(db, "u/t", &[]).await, only(0));
    assert_eq!(db.names(me).await, ["u/other"]);
    // The contact can be sent on its way again.
    let requeued = db
        .operations
        .requeue(&[ContactId(row)], &|_| true, None)
        .await;
    assert_eq!(requeued.expect("requeues"), 1);
    assert_eq!(db.names(me).await, ["u/other", "u/t"]);
}

async fn what_may_be_on_its_way_is_left_and_counted(db: &Db) {
    let me = db.courier().await;
    let rows = [db.contact("u/t", "1").await, db.contact("u/t", "2").await];
    let free = db.contact("u/t", "3").await;
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&rows);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    let left = Cancelled {
        cancelled: 1,
        on_their_way: 2,
        locked: 0,
    };
    assert_eq!(cancel(db, "u/t", &[rows[0], rows[1], free]).await, left);
    // The answer was lost: the contact may have arrived, whichever courier has the lane now.
    db.silence(me).await;
    let other = db.courier().await;
    let lease = db.lease("u/t", other).await.lease;
    let left = Cancelled {
        on_their_way: 2,
        ..only(0)
    };
    assert_eq!(cancel(db, "u/t", &rows).await, left);
    let closed = Change::Close(close(batch.batch, &rows));
    assert_eq!(db.record(&lease, &[closed]).await, [Recorded::Done]);
    assert_eq!(cancel(db, "u/t", &rows).await, only(0));
    for row in rows {
        assert_eq!(db.of(row, "status").await.as_deref(), Some("succeeded"));
    }
}

/// A batch that was sent once and surely has not arrived.
async fn refused_for_now(
    db: &Db,
    rows: &[i64],
) -> (std::sync::Arc<contact_courier::outbox::Lease>, JournalEntry) {
    let me = db.courier().await;
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(rows);
    let waits = Change::Postpone(Postpone {
        batch: batch.batch,
        attempts: 1,
        maybe_delivered: false,
        failing: false,
        apart: None,
        hold: None,
    });
    for change in [Change::Open(batch.clone()), waits] {
        db.record(&lease, &[change]).await;
    }
    (lease, batch)
}

async fn what_surely_was_not_delivered_is_cancelled_out_of_its_batch(db: &Db) {
    let rows = [db.contact("u/t", "1").await, db.contact("u/t", "2").await];
    let (lease, batch) = refused_for_now(db, &rows).await;
    assert_eq!(cancel(db, "u/t", &rows[..1]).await, only(1));
    let again = |contacts: &[i64]| Change::Resend {
        batch: batch.batch,
        attempts: 2,
        contacts: contacts.iter().copied().map(ContactId).collect(),
    };
    let stale = db.record(&lease, &[again(&rows)]).await;
    assert_eq!(stale, [Recorded::Stale(vec![ContactId(rows[0])])]);
    let goes = db.record(&lease, &[again(&rows[1..])]).await;
    assert_eq!(goes, [Recorded::Done]);
    // The other contacts are on their way now.
    let left = Cancelled {
        on_their_way: 1,
        ..only(0)
    };
    assert_eq!(cancel(db, "u/t", &rows[1..]).await, left);
    let closed = Change::Close(close(batch.batch, &rows));
    db.record(&lease, &[closed]).await;
    let kinds = [
        db.of(rows[0], "fail_kind").await,
        db.of(rows[1], "fail_kind").await,
    ];
    assert_eq!(kinds, [Some("cancelled".into()), None]);
}

async fn what_may_have_arrived_before_a_requeue_is_not_called_undelivered(db: &Db) {
    let doubtful = unconfirmed(db, "u/t", Suffix::Platform, false).await;
    let ids = [ContactId(doubtful)];
    let requeued = db.operations.requeue(&ids, &|_| true, None).await;
    assert_eq!(requeued.expect("requeues"), 1);
    let fresh = db.contact("u/t", "2").await;
    let ids = [doubtful, fresh].map(ContactId);
    let cause = "cancelled by anna on db1: 13012121211 asks for it";
    let action = action("cancel", "lane u/t");
    let cancelled = db
        .operations
        .cancel(&lane("u/t"), &ids, cause, &action)
        .await;
    assert_eq!(cancelled.expect("cancels"), only(2));
    assert_eq!(
        db.of(fresh, "fail_kind").await.as_deref(),
        Some("cancelled")
    );
    let named = db.operations.failures_named(&ids[..1]).await;
    let named = named.expect("answers").remove(0);
    assert_eq!(
        (named.kind.as_str(), named.maybe_in_task),
        ("unconfirmed", true)
    );
    assert!(
        named.cause.contains("may be in the task"),
        "{}",
        named.cause
    );
    assert!(
        named
            .cause
            .ends_with("cancelled by anna on db1: 130***1211 asks for it")
    );
}

async fn what_is_inserted_while_a_lane_is_cancelled_stays(db: &Db) {
    let there = db.contact("u/t", "1").await;
    let chosen = Chosen::Filter(PendingFilter {
        user_id: Some("u".into()),
        ..PendingFilter::default()
    });
    let plan = Cancellation::plan(&chosen, &*db.operations).await;
    let plan = plan.expect("counts");
    let later = db.contact("u/t", "2").await;
    let action = action("cancel", "user u");
    let done = plan
        .carry_out(&*db.operations, &action, None, &mut |_| {})
        .await;
    assert_eq!(done.expect("cancels"), only(1));
    assert_eq!(db.of(there, "status").await.as_deref(), Some("failed"));
    assert_eq!(db.of(later, "status").await.as_deref(), Some("pending"));
}

async fn no_batch_goes_out_with_what_was_cancelled(db: &Db) {
    let me = db.courier().await;
    let rows = [db.contact("u/t", "1").await, db.contact("u/t", "2").await];
    let lease = db.lease("u/t", me).await.lease;
    assert_eq!(cancel(db, "u/t", &rows[..1]).await, only(1));
    let batch = entry(&rows);
    let stale = db.record(&lease, &[Change::Open(batch.clone())]).await;
    assert_eq!(stale, [Recorded::Stale(vec![ContactId(rows[0])])]);
    assert_eq!(db.of_batch_there(&batch).await, 0);
}

impl Db {
    async fn of_batch_there(&self, batch: &JournalEntry) -> i64 {
        self.count(&format!("FROM delivery_batch WHERE id = '{}'", batch.batch))
            .await
    }
}

async fn of_cancelling_and_journalling_at_the_same_moment_one_is_first(db: &Db) {
    const TIMES: usize = 40;
    let me = db.courier().await;
    let (mut gone, mut left) = (0, 0);
    for nth in 0..TIMES {
        // Half of the lanes have a row already.
        let name = format!("u/{}", nth % 20);
        let row = db.contact(&name, &format!("{nth}")).await;
        let ids = [row];
        let send = async {
            // If both make the lane's row, the courier tries again.
            let lease = loop {
                if let Some(leased) = db.try_lease(&name, me).await {
                    break leased.lease;
                }
            };
            let batch = entry(&[row]);
            let opened = db.record(&lease, &[Change::Open(batch.clone())]).await;
            (lease, batch, opened[0].clone())
        };
        let ((lease, batch, opened), cancelled) = tokio::join!(send, cancel(db, &name, &ids));
        match (opened, cancelled.cancelled, cancelled.on_their_way) {
            (Recorded::Done, 0, 1) => left += 1,
            (Recorded::Stale(_), 1, 0) => gone += 1,
            both => panic!("{both:?}"),
        }
        let closed = Change::Close(close(batch.batch, &[row]));
        db.record(&lease, &[closed]).await;
        let status = db.of(row, "status").await;
        let wanted = if cancelled.cancelled == 1 {
            "failed"
        } else {
            "succeeded"
        };
        assert_eq!(status.as_deref(), Some(wanted));
        db.outbox.release(&lease).await.expect("releases");
    }
    assert_eq!(gone + left, TIMES);
}

async fn pending_contacts_are_counted_and_found_by_lane_user_and_age(db: &Db) {
    let old = db
        .contact_with("a/1", "1", "created_at", &db.now(-7_200))
        .await;
    let deferred = db
        .contact_with("a/1", "2", "not_before", &db.now(3_600))
        .await;
    let new = db.contact("a/1", "3").await;
    let sent = [db.contact("a/2", "1").await, db.contact("a/2", "2").await];
    db.contact("b/1", "1").await;
    let me = db.courier().await;
    let lease = db.lease("a/2", me).await.lease;
    db.record(&lease, &[Change::Open(entry(&sent[..1]))]).await;
    let count = async |user: Option<&str>, task: Option<&str>, hours: Option<u64>| {
        let filter = PendingFilter {
            user_id: user.map(str::to_owned),
            task_id: task.map(str::to_owned),
            created_since: hours.map(Duration::from_hours),
        };
        let lanes = db.operations.count_pending(&filter).await.expect("counts");
        let told = |found: PendingLane| {
            let PendingLane {
                lane,
                contacts,
                on_their_way,
            } = found;
            format!("{lane} {contacts} {on_their_way}")
        };
        lanes.into_iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(
        count(None, None, None).await,
        ["a/1 3 0", "a/2 2 1", "b/1 1 0"]
    );
    assert_eq!(count(Some("a"), None, None).await, ["a/1 3 0", "a/2 2 1"]);
    assert_eq!(count(Some("a"), Some("1"), None).await, ["a/1 3 0"]);
    assert_eq!(count(Some("a"), Some("1"), Some(1)).await, ["a/1 2 0"]);
    assert_eq!(count(Some("c"), None, None).await, [""; 0]);
    let pending = async |hours: Option<u64>, after: i64| {
        let filter = PendingFilter {
            created_since: hours.map(Duration::from_hours),
            ..PendingFilter::default()
        };
        let found = db
            .operations
            .pending(&lane("a/1"), &filter, ContactId(after))
            .await
            .expect("finds");
        found.into_iter().map(|id| id.0).collect::<Vec<_>>()
    };
    assert_eq!(pending(None, 0).await, [old, deferred, new]);
    assert_eq!(pending(None, old).await, [deferred, new]);
    assert_eq!(pending(Some(1), 0).await, [deferred, new]);
    assert_eq!(pending(None, new).await, [0; 0]);
}

async fn contacts_that_say_that_they_are_ancient_are_found(db: &Db) {
    let first = "'1970-01-01 00:00:02'";
    let first = db.contact_with("z/1", "1", "created_at", first).await;
    let (ancient, all) = (lane("z/1"), PendingFilter::default());
    let counts = db.operations.count_pending(&all).await.expect("counts");
    assert_eq!(counts[0].contacts, 1);
    let found = db.operations.pending(&ancient, &all, ContactId(0)).await;
    assert_eq!(found.expect("finds"), [ContactId(first)]);
}

async fn contacts_are_found_by_id_and_by_key(db: &Db) {
    let one = db
        .contact_with("u/t", "1", "idempotency_key", "'order-1'")
        .await;
    let two = db
        .contact_with("w/t", "2", "idempotency_key", "'order-2'")
        .await;
    cancel(db, "w/t", &[two]).await;
    let named = async |names: Names<'_>| {
        let found = db.operations.named(names).await.expect("answers");
        found
            .into_iter()
            .map(|named| (named.id.0, named.lane.to_string(), named.is_pending()))
            .collect::<Vec<_>>()
    };
    let wanted = [
        (one, "u/t".to_owned(), true),
        (two, "w/t".to_owned(), false),
    ];
    let ids = [two, 999_999, one].map(ContactId);
    assert_eq!(named(Names::Ids(&ids)).await, wanted);
    let keys = ["order-2", "order-1", "order-3"];
    assert_eq!(named(Names::Keys(&keys)).await, wanted);
    let found = db
        .operations
        .named(Names::Keys(&keys))
        .await
        .expect("answers");
    let found: Vec<_> = found.iter().map(|named| named.key.as_deref()).collect();
    assert_eq!(found, [Some("order-1"), Some("order-2")]);
}

async fn each_part_of_an_action_is_added_to_its_row(db: &Db) {
    let (first, second) = (db.contact("u/t", "1").await, db.contact("u/t", "2").await);
    let action = action("cancel", "lane u/t");
    let cancel = async |ids: &[i64]| {
        let ids: Vec<ContactId> = ids.iter().copied().map(ContactId).collect();
        db.operations
            .cancel(&lane("u/t"), &ids, CAUSE, &action)
            .await
            .expect("cancels");
    };
    cancel(&[first]).await;
    let ended = "FROM operator_action WHERE ended_at IS NOT NULL";
    assert_eq!(db.count(ended).await, 0);
    cancel(&[first, second]).await;
    let last = contact_courier::outbox::Part {
        affected: Some(0),
        is_last: true,
    };
    let noted = db.operations.note_action(&action, last).await;
    noted.expect("notes");
    assert_eq!(db.count(ended).await, 1);
    for (column, wanted) in [
        ("action", "cancel"),
        ("host", "db1"),
        ("os_user", "anna"),
        ("selection", "lane u/t"),
        ("affected", "2"),
    ] {
        let told = db.text(column, "FROM operator_action").await;
        assert_eq!(told.as_deref(), Some(wanted), "{column}");
    }
}
