//! Two couriers on one database.

use std::time::Duration;

use contact_courier::simulator::Faults;

use super::load::{everything_arrived, everything_came_once};
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

async fn two_couriers_on_one_database_share_the_lanes_and_send_everything_once(db: &Db) {
    let mut world = shared_work(db).await;
    // Nobody dies. On a busy machine, a heartbeat takes its time.
    world.set("delivery.lease", "20s");
    let both = [["run", "--once"]; 2].map(|arguments| world.start(&arguments));
    for courier in both {
        let ended = courier.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.tail());
        assert!(ended.err.contains("batch closed"), "it got nothing to do");
    }
    everything_arrived(&world, LANES * PER_LANE, 0).await;
    everything_came_once(&world);
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
    everything_arrived(&world, LANES * PER_LANE, 1).await;
}
