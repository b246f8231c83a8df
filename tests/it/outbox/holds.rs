//! Lanes that wait, and contacts that are counted as left.

use std::time::Duration;

use contact_courier::outbox::{Backlog, Change, Hold, JournalEntry, Postpone};

use crate::support::{Db, entry, on_every_database};

on_every_database!(
    a_held_lane_is_neither_found_nor_leased_until_its_time,
    a_lane_is_found_with_the_reason_of_its_last_hold,
    a_hold_for_the_same_reason_keeps_its_beginning,
    recovering_ends_the_hold,
    the_wait_for_a_person_goes_on_through_other_holds_and_owners_until_the_lane_recovers,
    holds_of_one_reason_can_be_lifted_together,
    the_last_word_of_a_call_on_a_lane_counts,
    time_to_give_up_runs_while_failing_and_stands_still_otherwise,
    the_backlog_tells_due_held_elsewhere_and_deferred_apart,
);

fn postpone(batch: &JournalEntry, reason: &'static str, failing: bool) -> Change {
    Change::Postpone(Postpone {
        batch: batch.batch,
        attempts: 1,
        maybe_delivered: false,
        failing,
        apart: None,
        hold: Some(Hold {
            reason,
            message: format!("because of {reason}"),
            delay: Duration::from_millis(60_500),
            failures: 2,
            needs_person: false,
        }),
    })
}

async fn lane_column(db: &Db, column: &str) -> Option<String> {
    db.text(column, "FROM delivery_lane WHERE task_id = 't'")
        .await
}

async fn a_held_lane_is_neither_found_nor_leased_until_its_time(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(
        &lease,
        &[
            Change::Open(batch.clone()),
            postpone(&batch, "token", false),
        ],
    )
    .await;
    // The postponed batch was opened in the same heap, so the journal did not have it yet.
    db.record(&lease, &[postpone(&batch, "token", false)]).await;
    assert!(db.find(me).await.is_empty());
    assert!(db.try_lease("u/t", me).await.is_none());

    let past = db.now(-1);
    db.execute(&format!("UPDATE delivery_lane SET held_until = {past}"))
        .await;
    assert_eq!(db.names(me).await, ["u/t"]);
    assert_eq!(db.lease("u/t", me).await.lease.failures, 2);
}

async fn a_lane_is_found_with_the_reason_of_its_last_hold(db: &Db) {
    let me = db.courier().await;
    for name in ["u/held", "u/over", "u/recovered", "u/never", "u/owned"] {
        db.contact(name, "1").await;
    }
    for name in ["u/held", "u/over", "u/recovered"] {
        let lease = db.lease(name, me).await.lease;
        db.record(&lease, &[hold("not_found", true)]).await;
        if name == "u/recovered" {
            db.record(&lease, &[Change::Recover]).await;
        }
        db.outbox.release(&lease).await.expect("releases");
    }
    let future = db.now(60);
    db.execute(&format!(
        "UPDATE delivery_lane SET held_until = {future} WHERE task_id = 'held'"
    ))
    .await;
    db.lease("u/owned", db.courier().await).await;
    let found = db.find(me).await;
    let found = found
        .iter()
        .map(|found| (found.lane.task_id(), found.held_because.as_deref()));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            ("never", None),
            ("over", Some("not_found")),
            ("recovered", None)
        ]
    );
}

async fn a_hold_for_the_same_reason_keeps_its_beginning(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.record(&lease, &[postpone(&batch, "backoff", true)])
        .await;
    let past = db.now(-500);
    db.execute(&format!("UPDATE delivery_lane SET held_since = {past}"))
        .await;
    let since = lane_column(db, "held_since").await;
    db.record(&lease, &[postpone(&batch, "backoff", true)])
        .await;
    assert_eq!(lane_column(db, "held_since").await, since);
    db.record(&lease, &[postpone(&batch, "token", true)]).await;
    assert_ne!(lane_column(db, "held_since").await, since);
    assert_eq!(
        lane_column(db, "hold_message").await.as_deref(),
        Some("because of token")
    );
}

async fn recovering_ends_the_hold(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.record(&lease, &[postpone(&batch, "backoff", true)])
        .await;
    db.record(&lease, &[Change::Recover]).await;
    for column in ["held_until", "hold_reason", "hold_message", "held_since"] {
        assert_eq!(lane_column(db, column).await, None, "{column}");
    }
    assert_eq!(db.lease("u/t", me).await.lease.failures, 0);
}

fn hold(reason: &'static str, needs_person: bool) -> Change {
    Change::Hold(Hold {
        reason,
        message: String::new(),
        delay: Duration::ZERO,
        failures: 1,
        needs_person,
    })
}

async fn the_wait_for_a_person_goes_on_through_other_holds_and_owners_until_the_lane_recovers(
    db: &Db,
) {
    let (me, other) = (db.courier().await, db.courier().await);
    let lease = db.lease("u/t", me).await.lease;
    db.record(&lease, &[hold("server_error", false)]).await;
    let leased = db.lease("u/t", me).await;
    assert_eq!(leased.waiting_for, Duration::ZERO);
    db.record(&leased.lease, &[hold("not_found", true)]).await;
    let past = db.now(-500);
    db.execute(&format!("UPDATE delivery_lane SET waits_since = {past}"))
        .await;
    for change in [hold("server_error", false), hold("token", true)] {
        let lease = db.lease("u/t", me).await.lease;
        db.record(&lease, &[change]).await;
        db.outbox.release(&lease).await.expect("releases");
    }
    db.outbox.lift_holds("token").await.expect("lifts");
    let leased = db.lease("u/t", other).await;
    let waiting = Duration::from_secs(499)..Duration::from_mins(10);
    assert!(waiting.contains(&leased.waiting_for), "{leased:?}");
    db.record(&leased.lease, &[Change::Recover]).await;
    let leased = db.lease("u/t", other).await;
    assert_eq!(leased.waiting_for, Duration::ZERO);
}

async fn holds_of_one_reason_can_be_lifted_together(db: &Db) {
    let me = db.courier().await;
    for (lane, reason) in [("u/t", "token"), ("u/o", "backoff")] {
        let batch = entry(&[db.contact(lane, "1").await]);
        let lease = db.lease(lane, me).await.lease;
        db.record(&lease, &[Change::Open(batch.clone())]).await;
        db.record(&lease, &[postpone(&batch, reason, false)]).await;
    }
    assert_eq!(db.outbox.lift_holds("token").await.expect("lifts"), 1);
    assert_eq!(db.names(me).await, ["u/t"]);
    assert_eq!(lane_column(db, "hold_message").await, None);
}

async fn the_last_word_of_a_call_on_a_lane_counts(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.record(
        &lease,
        &[Change::Recover, postpone(&batch, "backoff", true)],
    )
    .await;
    assert_eq!(
        lane_column(db, "hold_reason").await.as_deref(),
        Some("backoff")
    );
    db.record(
        &lease,
        &[postpone(&batch, "backoff", true), Change::Recover],
    )
    .await;
    assert_eq!(lane_column(db, "hold_reason").await, None);
}

async fn time_to_give_up_runs_while_failing_and_stands_still_otherwise(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.record(&lease, &[postpone(&batch, "backoff", true)])
        .await;
    let past = db.now(-500);
    db.execute(&format!("UPDATE delivery_batch SET failing_since = {past}"))
        .await;
    db.record(
        &lease,
        &[postpone(&batch, "backoff", true), Change::Recover],
    )
    .await;
    let leased = db.lease("u/t", me).await;
    assert!(leased.open[0].failing_for >= Duration::from_secs(499));
    assert!(leased.open[0].failing_for < Duration::from_mins(10));

    db.record(
        &leased.lease,
        &[postpone(&batch, "token", false), Change::Recover],
    )
    .await;
    let open = db.lease("u/t", me).await.open;
    assert_eq!(open[0].failing_for, Duration::ZERO);
}

async fn the_backlog_tells_due_held_elsewhere_and_deferred_apart(db: &Db) {
    let (me, other) = (db.courier().await, db.courier().await);
    assert_eq!(
        db.outbox.backlog(me).await.expect("counts"),
        Backlog::default()
    );
    let (past, future) = (db.now(-5), db.now(500));
    db.contact("u/mine", "1").await;
    db.contact_with("u/mine", "2", "not_before", &past).await;
    db.contact_with("u/mine", "3", "not_before", &future).await;
    db.contact("u/new", "1").await;
    db.contact("u/theirs", "1").await;
    let held = db.contact("u/t", "1").await;
    db.lease("u/mine", me).await;
    db.lease("u/theirs", other).await;
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[held]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.record(&lease, &[postpone(&batch, "task_running", false)])
        .await;
    let expected = Backlog {
        paused: 0,
        due: 3,
        elsewhere: 1,
        held: 1,
        held_because: Some("because of task_running".into()),
        deferred: 1,
    };
    assert_eq!(db.outbox.backlog(me).await.expect("counts"), expected);
}
