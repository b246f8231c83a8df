//! A task that is dead for good: its contacts wait for a person who does not come.

use contact_courier::simulator::Faults;

use super::world::{Lane, World, good, goods, lanes};
use crate::support::{Db, on_every_database};

on_every_database!(contacts_of_a_dead_task_fail_when_their_time_is_up_though_couriers_come_and_go,);

const MANY: usize = 250;

/// Makes an hour and more pass for all lanes and contacts, and ends their holds.
async fn passes(db: &Db) {
    let long_ago = db.now(-4_000);
    for sql in [
        format!(
            "UPDATE delivery_lane SET held_until = NULL, waits_since = {long_ago}
             WHERE waits_since IS NOT NULL"
        ),
        format!("UPDATE contact_outbox SET created_at = {long_ago}"),
    ] {
        db.execute(&sql).await;
    }
}

async fn in_lane(db: &Db, lane: &Lane, rest: &str) -> i64 {
    let Lane(user, task) = lane;
    let lane = format!("FROM contact_outbox WHERE user_id = '{user}' AND task_id = '{task}'");
    db.count(&format!("{lane} AND {rest}")).await
}

async fn contacts_of_a_dead_task_fail_when_their_time_is_up_though_couriers_come_and_go(db: &Db) {
    let [dead, alive] = lanes(2).try_into().unwrap();
    let faults = Faults {
        unknown_tasks: vec![dead.1.clone()],
        ..Faults::default()
    };
    let mut world = World::new(db, faults).await;
    // Longer than `run --once` waits.
    for key in ["retry.initial_interval", "retry.max_interval"] {
        world.set(key, "1h");
    }
    world.insert(&dead, &goods(0, MANY)).await;
    world.run(&["run", "--once"]).await;
    let pending = "status = 'pending'";
    for _ in 0..2 {
        assert_eq!(in_lane(db, &dead, pending).await, 250);
        // By default the contacts wait for ever.
        passes(db).await;
        world.run(&["run", "--once"]).await;
    }
    world.set("retry.give_up_on_holds_after", "1h");
    passes(db).await;
    // One of its batches may have arrived.
    db.execute(
        "UPDATE delivery_batch SET maybe_delivered = true
         WHERE id = (SELECT id FROM (SELECT id FROM delivery_batch WHERE state = 'waiting'
             ORDER BY id LIMIT 1) AS first)",
    )
    .await;
    let young: Vec<String> = (0..5).map(|nth| good(0, MANY + nth)).collect();
    world.insert(&dead, &young).await;
    world.insert(&alive, &goods(1, 10)).await;
    let before = world.simulator.totals().requests;
    world.run(&["run", "--once"]).await;

    let cause = "fail_cause LIKE '%hold (not_found)%' AND fail_cause LIKE '%任务不存在%'";
    let unconfirmed = format!("fail_kind = 'unconfirmed' AND {cause}");
    assert_eq!(in_lane(db, &dead, &unconfirmed).await, 100);
    let expired = format!("fail_kind = 'expired' AND {cause}");
    assert_eq!(in_lane(db, &dead, &expired).await, 150);
    assert_eq!(in_lane(db, &dead, pending).await, 5, "they have just come");
    assert_eq!(in_lane(db, &alive, "status = 'succeeded'").await, 10);
    let asked = world.simulator.totals().requests - before;
    assert!(
        asked <= 4,
        "{asked} requests for a dead lane and a live one"
    );
    let open = "FROM delivery_batch WHERE state <> 'closed'";
    assert_eq!(db.count(open).await, 0);
    let held = "FROM delivery_lane WHERE hold_reason = 'not_found' AND held_until IS NOT NULL";
    assert_eq!(db.count(held).await, 1);
}
