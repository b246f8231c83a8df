//! A courier that starts while its database does not answer waits for it.

use contact_courier::simulator::Faults;

use super::load::{everything_arrived, everything_came_once};
use super::world::{World, goods, lanes};
use crate::support::app::App;
use crate::support::{Db, on_every_database};

on_every_database!(
    a_database_that_stops_answering_during_the_start_is_waited_for,
    a_courier_that_waits_during_its_start_can_be_stopped,
);

/// Locks the table that the courier writes first, so that it has read its schema and then waits.
async fn starts_in_vain(world: &World<'_>) -> App {
    world.insert(&lanes(1)[0], &goods(0, 10)).await;
    App::locks_the_instances(world.db).await
}

async fn a_database_that_stops_answering_during_the_start_is_waited_for(db: &Db) {
    let world = World::new(db, Faults::default()).await;
    let app = starts_in_vain(&world).await;
    let courier = world.start(&["run"]);
    courier.says("waiting for the database").await;
    assert_eq!(world.simulator.totals().requests, 0);
    app.ends().await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    courier.says("the database answers again").await;
    courier.signal("TERM").await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    let told = ended.err.matches("waiting for the database").count();
    assert_eq!(told, 1, "{}", ended.tail());
    everything_arrived(&world, 10, 0).await;
    everything_came_once(&world);
}

async fn a_courier_that_waits_during_its_start_can_be_stopped(db: &Db) {
    let world = World::new(db, Faults::default()).await;
    let app = starts_in_vain(&world).await;
    let courier = world.start(&["run"]);
    courier.says("waiting for the database").await;
    courier.signal("TERM").await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    app.ends().await;
    assert_eq!(db.count("FROM courier_instance").await, 0);
    assert_eq!(world.with_status("pending").await, 10);
}
