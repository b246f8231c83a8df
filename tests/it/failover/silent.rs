//! A server that stops answering without closing anything.

use std::time::Duration;

use contact_courier::simulator::Faults;
use tokio::time::Instant;

use super::cable::{Cable, State};
use super::outage::{contacts, everything_arrived, say, was_told_once};
use crate::support::{Db, on_every_server};
use crate::world::{Program, World, until, until_within};

on_every_server!(
    nothing_is_sent_once_the_lease_is_over_and_work_goes_on_when_the_cable_is_back,
    an_outage_shorter_than_the_lease_costs_no_lease_and_no_second_send,
    a_commit_whose_answer_is_lost_is_not_repeated_blindly,
);

/// Far more time than a busy machine needs, and far less than the limits of the server or the
/// kernel. The documents promise 10 s: a call that began before the outage is given up after that time
/// (`outbox::sql::patience`); later tries wait 5 s for a connection and then at most 5 s for the next try
/// (`courier::store`). On a busy machine the work itself takes time, too. So the time is printed, and not
/// compared with 10 s.
const SOON: Duration = Duration::from_secs(30);

const PER_LANE: usize = 400;

/// A courier at one end of a cable, in the middle of its work.
async fn courier_at_work(world: &mut World<'_>, cable: &Cable, lease: &str) -> (Program, i64) {
    world.set("database.url", &cable.url);
    world.set("delivery.lease", lease);
    world.set("delivery.batch_size", "10");
    world.set("rate_limit.requests_per_second", "40");
    let contacts = contacts(world, PER_LANE).await;
    let courier = world.start(&["run"]);
    world.holds_more_than(300).await;
    (courier, contacts)
}

/// Plugs the cable in, waits for the next request, and then for the end of all work.
async fn goes_on(world: &World<'_>, cable: &Cable) {
    let before = world.simulator.totals().requests;
    let back = Instant::now();
    cable.put(State::Plugged);
    until_within(SOON, "a request after the outage", async || {
        world.simulator.totals().requests > before
    })
    .await;
    say(&format!("goes on after {:?}", back.elapsed()));
    until_within(SOON * 4, "every row is final", async || {
        world.with_status("pending").await == 0
    })
    .await;
}

/// Waits until the courier's last heartbeat is so many seconds old.
async fn silent_for(world: &World<'_>, seconds: i64) {
    let alive = format!(
        "FROM courier_instance WHERE heartbeat_at > {}",
        world.db.now(-seconds)
    );
    until("its heart has stopped", async || {
        world.db.count(&alive).await == 0
    })
    .await;
}

async fn nothing_is_sent_once_the_lease_is_over_and_work_goes_on_when_the_cable_is_back(db: &Db) {
    let cable = Cable::to(db).await;
    let mut world = World::new(db, Faults::default()).await;
    let (courier, contacts) = courier_at_work(&mut world, &cable, "6s").await;
    cable.put(State::Pulled);
    silent_for(&world, 8).await;
    let sent = world.simulator.totals().requests;
    silent_for(&world, 18).await;
    assert_eq!(world.simulator.totals().requests, sent);
    goes_on(&world, &cable).await;
    everything_arrived(&world, contacts).await;
    courier.says("the database answers again").await;
    was_told_once(&courier);
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}

async fn an_outage_shorter_than_the_lease_costs_no_lease_and_no_second_send(db: &Db) {
    let cable = Cable::to(db).await;
    let mut world = World::new(db, Faults::default()).await;
    let (courier, contacts) = courier_at_work(&mut world, &cable, "30s").await;
    cable.put(State::Pulled);
    courier.says("database trouble; trying again").await;
    goes_on(&world, &cable).await;
    courier.says("the database answers again").await;
    was_told_once(&courier);
    everything_arrived(&world, contacts).await;
    assert!(!courier.log().contains("lease lost"), "{}", courier.log());
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}

async fn a_commit_whose_answer_is_lost_is_not_repeated_blindly(db: &Db) {
    let cable = Cable::to(db).await;
    let mut world = World::new(db, Faults::default()).await;
    let (courier, contacts) = courier_at_work(&mut world, &cable, "30s").await;
    cable.put(State::AnswersLost);
    courier.says("database trouble; trying again").await;
    goes_on(&world, &cable).await;
    everything_arrived(&world, contacts).await;
    courier.says("the database answers again").await;
    was_told_once(&courier);
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}
