//! Two couriers on one database.

use std::time::Duration;

use contact_courier::simulator::Faults;

use super::load::table_and_platform_agree;
use super::world::{World, goods, lanes};
use crate::support::{Db, on_every_server};

on_every_server!(
    two_couriers_on_one_database_share_the_lanes_and_send_everything_once,
    when_one_of_two_couriers_is_killed_the_other_finishes_its_lanes,
);

/// More lanes than one courier works at once, so that there is something to share.
const LANES: usize = 100;
const PER_LANE: usize = 40;

/// Slow enough for the second courier to come before the first has sent everything.
async fn shared_work(db: &Db) -> World<'_> {
    let faults = Faults {
        latency: Duration::from_millis(100),
        ..Faults::default()
    };
    let mut world = World::new(db, faults).await;
    world.set("delivery.batch_size", "20");
    for (nth, lane) in lanes(LANES).iter().enumerate() {
        world.insert(lane, &goods(nth, PER_LANE)).await;
    }
    world
}

async fn everything_arrived_once(world: &World<'_>, dead: i64) {
    let rows = world.rows().await;
    assert_eq!(rows.len(), LANES * PER_LANE);
    assert!(rows.iter().all(|row| row.status == "succeeded"));
    table_and_platform_agree(world, &rows);
    world.is_at_rest(dead).await;
}

async fn two_couriers_on_one_database_share_the_lanes_and_send_everything_once(db: &Db) {
    let world = shared_work(db).await;
    let both = [["run", "--once"]; 2].map(|arguments| world.start(&arguments));
    for courier in both {
        let ended = courier.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.tail());
        assert!(ended.err.contains("batch closed"), "it got nothing to do");
    }
    everything_arrived_once(&world, 0).await;
    let state = world.simulator.state();
    let mut numbers = state.tasks.iter().flat_map(|task| &task.numbers);
    assert!(numbers.all(|number| number.times_received == 1));
}

async fn when_one_of_two_couriers_is_killed_the_other_finishes_its_lanes(db: &Db) {
    let world = shared_work(db).await;
    let victim = world.start(&["run"]);
    world.holds_more_than(0).await;
    let other = world.start(&["run", "--once"]);
    world
        .holds_more_than(u64::try_from(LANES * PER_LANE / 4).unwrap())
        .await;
    victim.kill().await;
    let ended = other.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    everything_arrived_once(&world, 1).await;
}
