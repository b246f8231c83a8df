//! More lanes than the rate has turns for, each with new contacts all the time.

use std::collections::HashMap;
use std::time::Duration;

use contact_courier::simulator::Faults;

use super::platform::Platform;
use super::world::{World, until};
use crate::support::{Db, on_every_database};

/// Several times as many lanes as places.
const LANES: usize = 240;

/// The number of users that own them.
const USERS: usize = 16;

/// With some more requests than lanes, each lane has had its turn.
const REQUESTS: usize = LANES * 9 / 8;

on_every_database!(a_batch_takes_what_comes_while_it_waits_for_its_turn);

async fn a_batch_takes_what_comes_while_it_waits_for_its_turn(db: &Db) {
    let platform = Platform::start().await;
    let mut world = World::new(db, Faults::default()).await;
    world.set("platform.base_url", &platform.base_url);
    world.set("delivery.max_in_flight", "1");
    world.set("delivery.linger", "0s");
    let insert = async |user: &str, nth: usize| {
        db.execute(&format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone)
             VALUES ('{user}', 't', '131{nth:08}')"
        ))
        .await;
    };
    let courier = world.start(&["run"]);
    insert("good-held", 0).await;
    platform.until(|came| came == ["good-held"]).await;
    for nth in 0..20 {
        for lane in 0..5 {
            insert(&format!("good-{lane}"), nth).await;
        }
        if nth == 0 {
            let leased = "FROM delivery_lane WHERE lease_owner IS NOT NULL";
            until("all lanes wait", async || db.count(leased).await == 6).await;
        }
    }
    // A batch that has hardly waited takes nothing more.
    tokio::time::sleep(Duration::from_millis(200)).await;
    platform.let_go();
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    let mut users = platform.came();
    users.sort();
    let each_once = [
        "good-0",
        "good-1",
        "good-2",
        "good-3",
        "good-4",
        "good-held",
    ];
    assert_eq!(users, each_once);
    courier.kill().await;
}

#[tokio::test]
async fn each_of_many_busy_lanes_has_its_turn() {
    let db = Db::sqlite().await;
    let platform = Platform::start().await;
    let mut world = World::new(&db, Faults::default()).await;
    world.set("platform.base_url", &platform.base_url);
    world.set("rate_limit.requests_per_second", "30");
    let courier = world.start(&["run"]);
    let mut rows = 0;
    while platform.came().len() < REQUESTS {
        let values: Vec<String> = (0..LANES)
            .map(|lane| {
                let user = lane % USERS;
                let phone = 13_000_000_000_u64 + rows;
                format!("('good-{user}', 't-{lane}', '{phone}')")
            })
            .collect();
        db.execute(&format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES {}",
            values.join(", ")
        ))
        .await;
        rows += 1;
        let before = platform.came().len();
        platform.until(|came| came.len() > before + 5).await;
    }
    let mut turns: HashMap<String, usize> = HashMap::new();
    for lane in platform.paths() {
        *turns.entry(lane).or_default() += 1;
    }
    let most = turns.values().max();
    assert!(
        turns.len() * 4 >= LANES * 3 && most.is_some_and(|most| *most <= 5),
        "{} of {LANES} lanes had a turn, one of them {most:?}",
        turns.len()
    );
    courier.kill().await;
}
