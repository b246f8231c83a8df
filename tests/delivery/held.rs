//! A token that the platform does not accept.

use contact_courier::simulator::Faults;

use super::load::table_and_platform_agree;
use super::world::{TOKEN, World, goods, lanes};
use crate::support::{Db, on_every_database};

on_every_database!(a_wrong_token_is_said_in_one_line_and_no_contact_is_lost_by_it);

async fn a_wrong_token_is_said_in_one_line_and_no_contact_is_lost_by_it(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    for (nth, lane) in lanes(20).iter().enumerate() {
        world.insert(lane, &goods(nth, 10)).await;
    }
    world.set("platform.token", "another-token");
    // Longer than `run --once` waits for.
    world.set("retry.initial_interval", "6s");
    world.set("retry.max_interval", "6s");
    world.set("retry.jitter", "0");
    let ended = world.run(&["run", "--once"]).await;
    let said = ended.error();
    assert!(said.contains("200 contacts are left"), "{said}");
    assert!(said.contains("platform.token"), "{said}");
    assert!(!ended.err.contains("another-token"));
    let untouched = "FROM contact_outbox WHERE status = 'pending' AND attempts = 0";
    assert_eq!(db.count(untouched).await, 200);
    let requests = world.simulator.totals().requests;
    assert!((1..=10).contains(&requests), "{requests}");

    world.set("platform.token", TOKEN);
    // Lanes that were refused wait, also for a courier with a better token.
    let now = db.now(0);
    world
        .none(&format!("FROM delivery_lane WHERE held_until > {now}"))
        .await;
    world.deliver().await;
    assert_eq!(world.with_status("succeeded").await, 200);
    table_and_platform_agree(&world, &world.rows().await);
    world.is_at_rest(0).await;
}
