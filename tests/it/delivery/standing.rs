//! The couriers' own knowledge, as operators are told of it.

use contact_courier::simulator::Faults;
use serde_json::Value;

use super::world::{Lane, World, goods, lanes, until};
use crate::support::{Db, on_every_database};

on_every_database!(
    a_refused_token_is_told_as_what_keeps_everybody_back,
    users_that_are_refused_are_told_though_only_one_of_their_lanes_was_tried,
    a_try_in_vain_is_told_at_once,
);

async fn status(world: &World<'_>) -> Value {
    let ended = world.run(&["status", "--json"]).await;
    serde_json::from_str(&ended.out).expect("a line of JSON")
}

async fn a_refused_token_is_told_as_what_keeps_everybody_back(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    world.set("platform.token", "not-the-token-of-the-tests");
    world.lease_outlasts_the_test();
    for lane in lanes(3) {
        world.insert(&lane, &goods(0, 2)).await;
    }
    let courier = world.start(&["run"]);
    until("it is told", async || {
        status(&world).await["conclusion"]["state"] == "stopped"
    })
    .await;
    let told = status(&world).await;
    assert_eq!(told["conclusion"]["gate"]["reason"], "unauthorized");
    assert_eq!(told["done_in_seconds"], Value::Null);
    let text = world.run(&["status"]).await.out;
    assert!(
        text.starts_with("Nothing is sent: unauthorized for "),
        "{text}"
    );
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
    // No courier is there that could be refused.
    assert_eq!(status(&world).await["conclusion"]["state"], "no_courier");
}

async fn users_that_are_refused_are_told_though_only_one_of_their_lanes_was_tried(db: &Db) {
    let refused = Lane("refused".into(), "t".into());
    let other = Lane("other".into(), "t".into());
    let faults = Faults {
        forbidden_users: vec![refused.0.clone()],
        ..Faults::default()
    };
    let mut world = World::new(db, faults).await;
    // The gate stays closed.
    world.set("retry.initial_interval", "10m");
    world.set("retry.max_interval", "10m");
    world.insert(&refused, &goods(0, 2)).await;
    world.insert(&other, &goods(1, 2)).await;
    let courier = world.start(&["run"]);
    until("it is told", async || {
        let told = status(&world).await;
        told["held_users"][0]["user_id"] == refused.0.as_str()
    })
    .await;
    until("the other is delivered", async || {
        world.with_status("succeeded").await == 2
    })
    .await;
    let text = world.run(&["status"]).await.out;
    assert!(text.contains("nothing is sent for 1 user"), "{text}");
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}

async fn a_try_in_vain_is_told_at_once(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    world.set("platform.token", "not-the-token-of-the-tests");
    world.set("retry.jitter", "0");
    world.set("retry.max_interval", "10m");
    // So long that the next heartbeat would come after the test.
    world.lease_outlasts_the_test();
    world.insert(&lanes(1)[0], &goods(0, 2)).await;
    let courier = world.start(&["run"]);
    let next_try = async || {
        let told = status(&world).await;
        told["conclusion"]["gate"]["next_try_in_seconds"].as_f64()
    };
    until("it is told", async || next_try().await.is_some()).await;
    // The gate waits for a person: 30 seconds first, then twice as long.
    assert!(next_try().await.is_some_and(|next| next <= 30.0));
    let resumed = world.run(&["resume", "--all"]).await;
    assert_eq!(resumed.code, Some(0));
    until("the next wait is told", async || {
        next_try().await.is_some_and(|next| next > 31.0)
    })
    .await;
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}
