//! A database whose clock has gone back by an hour.

use std::time::Duration;

use contact_courier::simulator::Faults;
use uuid::Uuid;

use super::world::{World, goods, lanes};
use crate::support::{Db, instance, lane, on_every_database};

on_every_database!(
    what_waits_by_the_old_time_is_delivered_when_the_clock_has_gone_back,
    a_courier_that_sees_the_clock_go_back_goes_on,
);

/// Moves heartbeats, holds and shared rates an hour into the future.
async fn goes_back(db: &Db, reason: &str) {
    let (hour, more) = (db.now(3600), db.now(3660));
    for sql in [
        format!("UPDATE courier_instance SET heartbeat_at = {hour}"),
        format!(
            "UPDATE delivery_lane SET held_until = {more}, hold_reason = '{reason}', failures = 1
             WHERE lease_owner IS NULL"
        ),
        "UPDATE rate_budget SET given_until = given_until + 3600000000".into(),
    ] {
        db.execute(&sql).await;
    }
}

async fn what_waits_by_the_old_time_is_delivered_when_the_clock_has_gone_back(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    world.set("rate_limit.scope", "cluster");
    let all = lanes(2);
    for (nth, lane) in all.iter().enumerate() {
        world.insert(lane, &goods(nth, 10)).await;
    }
    // A courier died with one of the lanes, and the other one is on hold.
    let dead = Uuid::now_v7();
    let mut dying = instance(dead);
    dying.lease = Duration::from_secs(2);
    db.outbox.beat(&dying).await.unwrap();
    for (nth, name) in all.iter().enumerate() {
        let lane = lane(&format!("{}/{}", name.0, name.1));
        let leased = db.outbox.lease(&lane, dead).await.unwrap().unwrap();
        if nth == 1 {
            db.outbox.release(&leased.lease).await.unwrap();
        }
    }
    goes_back(db, "server_error").await;
    let courier = world.start(&["run"]);
    courier.says("clock has gone back").await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    assert_eq!(world.with_status("succeeded").await, 20);
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}

async fn a_courier_that_sees_the_clock_go_back_goes_on(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    world.set("rate_limit.scope", "cluster");
    let all = lanes(2);
    world.insert(&all[0], &goods(0, 10)).await;
    let courier = world.start(&["run"]);
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    world
        .none("FROM delivery_lane WHERE lease_owner IS NOT NULL")
        .await;
    goes_back(db, "server_error").await;
    courier.says("clock has gone back").await;
    for (nth, lane) in all.iter().enumerate() {
        world.insert(lane, &goods(nth + 2, 10)).await;
    }
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    assert_eq!(world.with_status("succeeded").await, 30);
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}
