//! Deleting old data.

use std::sync::Arc;
use std::time::Duration;

use contact_courier::contact::ContactId;
use contact_courier::courier::lifecycle::Lifecycle;
use contact_courier::courier::retention::Retention;
use contact_courier::outbox::{Change, Pruning};
use contact_courier::simulator::Faults;
use uuid::{NoContext, Timestamp, Uuid};

use super::operations::failed;
use super::rates::some_are_unused;
use crate::support::{Db, Raw, close, entry, on_every_database};
use crate::world::World;

on_every_database!(
    what_ended_long_ago_goes_and_nothing_else,
    a_dry_run_counts_the_same_and_deletes_nothing,
    an_open_batch_and_one_whose_contacts_stand_are_kept,
    the_walk_goes_on_where_it_was_and_ends_where_nothing_is_old,
    batches_of_a_host_whose_clock_was_behind_do_not_end_the_walk,
    what_was_kept_of_a_requeued_contact_goes_with_it,
    two_that_prune_at_once_do_not_mind,
    rates_that_nobody_has_used_for_long_go_and_what_was_learned_stays,
    of_several_couriers_the_one_that_has_run_the_longest_prunes,
    contacts_that_an_app_refers_to_keep_none_of_the_next_step,
);

const OLD: Pruning = Pruning {
    older_than: Duration::from_hours(24),
    dry_run: false,
};

/// Two days, in seconds.
const LONG: i64 = 2 * 86_400;

/// Prunes to the end; returns how many contacts and batches.
async fn prune(db: &Db, pruning: Pruning) -> (u64, u64) {
    let (mut contacts, mut batches) = (0, 0);
    let mut after = None;
    loop {
        let step = db.operations.prune_contacts(pruning, after, None).await;
        let step = step.expect("prunes");
        contacts += step.pruned;
        after = step.next;
        if after.is_none() {
            break;
        }
    }
    let mut after: Option<String> = None;
    loop {
        let step = db
            .operations
            .prune_batches(pruning, after.as_deref(), None)
            .await;
        let step = step.expect("prunes");
        batches += step.pruned;
        after = step.next;
        if after.is_none() {
            return (contacts, batches);
        }
    }
}

async fn rates_that_nobody_has_used_for_long_go_and_what_was_learned_stays(db: &Db) {
    some_are_unused(db).await;
    let dry = Pruning {
        dry_run: true,
        ..OLD
    };
    prune(db, dry).await;
    assert_eq!(db.count("FROM rate_budget").await, 4);
    prune(db, OLD).await;
    assert_eq!(db.count("FROM rate_budget").await, 3);
    let gone = "FROM rate_budget WHERE name = 'user:gone'";
    assert_eq!(db.count(gone).await, 0);
    assert!(db.outbox.learned_rate().await.expect("asks").is_some());
}

/// Delivers contacts in one batch, as if so many seconds ago; returns them.
async fn delivered(db: &Db, lane: &str, contacts: usize, ago: i64) -> Vec<i64> {
    let me = db.courier().await;
    let mut rows = Vec::new();
    for n in 0..contacts {
        rows.push(db.contact(lane, &n.to_string()).await);
    }
    let lease = db.lease(lane, me).await.lease;
    let batch = entry(&rows);
    let end = Change::Close(close(batch.batch, &rows));
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.record(&lease, &[end]).await;
    db.outbox.release(&lease).await.expect("releases");
    let then = db.now(-ago);
    for row in &rows {
        db.execute(&format!(
            "UPDATE contact_outbox SET created_at = {then}, finished_at = {then} WHERE id = {row}"
        ))
        .await;
    }
    db.execute(&format!(
        "UPDATE delivery_batch SET created_at = {then}, sent_at = {then}, closed_at = {then}
         WHERE id = '{}'",
        batch.batch
    ))
    .await;
    rows
}

async fn ids(db: &Db) -> Vec<i64> {
    let mut ids = Vec::new();
    for id in 1..=20 {
        if db
            .count(&format!("FROM contact_outbox WHERE id = {id}"))
            .await
            > 0
        {
            ids.push(id);
        }
    }
    ids
}

async fn what_ended_long_ago_goes_and_nothing_else(db: &Db) {
    delivered(db, "u/t", 2, LONG).await;
    let young = delivered(db, "u/t", 1, 60).await;
    failed(db, "u/t", "rejected", "no", LONG).await;
    let old = db.now(-LONG);
    db.execute(&format!(
        "UPDATE contact_outbox SET created_at = {old} WHERE id = 4"
    ))
    .await;
    let pending = db.contact_with("u/t", "1", "created_at", &old).await;
    // Inserted long ago and failed just now.
    let slow = failed(db, "u/t", "expired", "late", 5).await;
    db.execute(&format!(
        "UPDATE contact_outbox SET created_at = {old} WHERE id = {slow}"
    ))
    .await;
    assert_eq!(prune(db, OLD).await, (3, 1));
    assert_eq!(ids(db).await, [young[0], pending, slow]);
    assert_eq!(db.count("FROM delivery_batch").await, 1);
    assert_eq!(prune(db, OLD).await, (0, 0));
}

async fn a_dry_run_counts_the_same_and_deletes_nothing(db: &Db) {
    delivered(db, "u/t", 2, LONG).await;
    delivered(db, "u/t", 1, 60).await;
    let dry = Pruning {
        dry_run: true,
        ..OLD
    };
    assert_eq!(prune(db, dry).await, (2, 1));
    assert_eq!(db.count("FROM contact_outbox").await, 3);
    assert_eq!(db.count("FROM delivery_batch").await, 2);
    assert_eq!(prune(db, OLD).await, (2, 1));
}

async fn an_open_batch_and_one_whose_contacts_stand_are_kept(db: &Db) {
    let me = db.courier().await;
    let old = db.now(-LONG);
    let row = db.contact_with("u/t", "1", "created_at", &old).await;
    let lease = db.lease("u/t", me).await.lease;
    db.record(&lease, &[Change::Open(entry(&[row]))]).await;
    db.outbox.release(&lease).await.expect("releases");
    // One of this batch's contacts was requeued and is pending.
    let rows = delivered(db, "u/t", 2, LONG).await;
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'pending', finished_at = NULL WHERE id = {}",
        rows[0]
    ))
    .await;
    db.execute(&format!("UPDATE delivery_batch SET created_at = {old}"))
        .await;
    assert_eq!(prune(db, OLD).await, (1, 0));
    assert_eq!(db.count("FROM delivery_batch").await, 2);
}

async fn the_walk_goes_on_where_it_was_and_ends_where_nothing_is_old(db: &Db) {
    let (old, now) = (db.now(-LONG), db.now(0));
    for (lane, at) in [(2, &old), (3, &now)] {
        db.fill(lane, 1_000, ("created_at", at)).await;
        db.execute("UPDATE contact_outbox SET status = 'succeeded', finished_at = created_at")
            .await;
    }
    let mut after = None;
    for (pruned, end) in [(1_000, false), (1_000, false), (0, true)] {
        let step = db.operations.prune_contacts(OLD, after, None).await;
        let step = step.expect("prunes");
        assert_eq!((step.pruned, step.next.is_none()), (pruned, end));
        assert_eq!(step.reached >= OLD.older_than, !end);
        after = step.next;
    }
    assert_eq!(db.count("FROM contact_outbox").await, 3_000);
}

async fn what_was_kept_of_a_requeued_contact_goes_with_it(db: &Db) {
    let row = failed(db, "u/t", "rejected", "no", 60).await;
    let stays = failed(db, "u/t", "rejected", "no", 60).await;
    let both = [row, stays].map(ContactId);
    db.operations
        .requeue(&both, &|_| true, None)
        .await
        .expect("requeues");
    let old = db.now(-LONG);
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'succeeded', created_at = {old}, finished_at = {old}
         WHERE id = {row}"
    ))
    .await;
    assert_eq!(prune(db, OLD).await, (1, 0));
    let left = format!("FROM contact_requeue WHERE contact_id = {stays}");
    assert_eq!(db.count(&left).await, 1);
    assert_eq!(db.count("FROM contact_requeue").await, 1);
}

async fn two_that_prune_at_once_do_not_mind(db: &Db) {
    delivered(db, "u/t", 10, LONG).await;
    let (one, other) = tokio::join!(prune(db, OLD), prune(db, OLD));
    assert_eq!((one.0 + other.0, one.1 + other.1), (10, 1));
}

async fn of_several_couriers_the_one_that_has_run_the_longest_prunes(db: &Db) {
    delivered(db, "u/t", 2, LONG).await;
    db.execute("DELETE FROM courier_instance").await;
    let (first, second) = (db.courier().await, db.courier().await);
    let past = db.now(-1000);
    db.execute(&format!(
        "UPDATE courier_instance SET started_at = {past} WHERE id = '{first}'"
    ))
    .await;
    let caretaker = |instance| Retention {
        operations: Arc::clone(&db.operations),
        instance,
        older_than: OLD.older_than,
    };
    let life = Lifecycle::new();
    caretaker(second).round(&life).await.expect("a round");
    assert_eq!(db.count("FROM contact_outbox").await, 2);
    caretaker(first).round(&life).await.expect("a round");
    assert_eq!(db.count("FROM contact_outbox").await, 0);
    assert_eq!(db.count("FROM delivery_batch").await, 0);

    // One that does not prune keeps no other from it.
    delivered(db, "u/t", 2, LONG).await;
    db.execute(&format!(
        "UPDATE courier_instance SET standing = '{{}}' WHERE id = '{first}'"
    ))
    .await;
    caretaker(second).round(&life).await.expect("a round");
    assert_eq!(db.count("FROM contact_outbox").await, 0);

    // A silent courier keeps no other from pruning.
    delivered(db, "u/t", 2, LONG).await;
    db.execute(&format!(
        "DELETE FROM courier_instance WHERE id NOT IN ('{first}', '{second}')"
    ))
    .await;
    db.silence(first).await;
    caretaker(second).round(&life).await.expect("a round");
    assert_eq!(db.count("FROM contact_outbox").await, 0);
}

/// Puts a closed batch into the journal, with a time in its id.
async fn batch_by_clock(db: &Db, days_behind: u64, nth: u64, closed: i64) {
    let now = Uuid::now_v7().get_timestamp().expect("a time");
    let seconds = now.to_unix().0 - 86_400 * days_behind;
    let nanos = u32::try_from(nth * 1_000_000).expect("less than a second");
    let id = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos));
    let then = db.now(-closed);
    let (ids, options) = match &db.raw {
        Raw::Postgres(_) => ("'{999999}'", "'{}'"),
        Raw::Sqlite(_) | Raw::MySql(_) => ("'[999999]'", "'{}'"),
    };
    db.execute(&format!(
        "INSERT INTO delivery_batch
             (id, user_id, task_id, lease_token, contact_ids, options, state, created_at, closed_at)
         VALUES ('{id}', 'u', 't', 1, {ids}, {options}, 'closed', {then}, {then})"
    ))
    .await;
}

async fn batches_of_a_host_whose_clock_was_behind_do_not_end_the_walk(db: &Db) {
    // More than a step of young batches, which stand before an old one.
    for nth in 0..150 {
        batch_by_clock(db, 365, nth, 60).await;
    }
    batch_by_clock(db, 2, 0, LONG).await;
    batch_by_clock(db, 0, 0, 60).await;
    assert_eq!(prune(db, OLD).await, (0, 1));
    assert_eq!(db.count("FROM delivery_batch").await, 151);
}

async fn contacts_that_an_app_refers_to_keep_none_of_the_next_step(db: &Db) {
    let (me, old) = (db.courier().await, db.now(-LONG));
    db.fill(2, 600, ("created_at", &old)).await;
    db.execute("UPDATE contact_outbox SET status = 'succeeded', finished_at = created_at")
        .await;
    batch_by_clock(db, 2, 0, LONG).await;
    let (id, rule) = match &db.raw {
        Raw::Sqlite(_) => ("integer", "FOREIGN KEY constraint failed"),
        Raw::Postgres(_) => ("bigint", "the rule order_has_a_contact"),
        Raw::MySql(_) => ("bigint unsigned", "the rule order_has_a_contact"),
    };
    db.execute(&format!(
        "CREATE TABLE shop_order (contact {id}, CONSTRAINT order_has_a_contact
             FOREIGN KEY (contact) REFERENCES contact_outbox (id))"
    ))
    .await;
    db.execute("INSERT INTO shop_order SELECT min(id) FROM contact_outbox")
        .await;
    let retention = Retention {
        operations: Arc::clone(&db.operations),
        instance: me,
        older_than: OLD.older_than,
    };
    let said = retention.round(&Lifecycle::new()).await;
    let said = said.expect_err("a step is refused").to_string();
    assert!(said.contains(rule), "{said}");
    assert_eq!(db.count("FROM contact_outbox").await, 1_000);
    assert_eq!(db.count("FROM delivery_batch").await, 0);

    let world = World::new(db, Faults::default()).await;
    let ended = world.run(&["prune", "--older-than", "1d", "--yes"]).await;
    assert!(ended.error().contains(rule), "{}", ended.tail());
    db.execute("DROP TABLE shop_order").await;
    let ended = world.run(&["prune", "--older-than", "1d", "--yes"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    assert_eq!(db.count("FROM contact_outbox").await, 0);
}
