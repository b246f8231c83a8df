//! A proxy that ends connections with an error of its own when it has lost its server.

use std::time::Duration;

use contact_courier::simulator::Faults;
use tokio::time::sleep;

use super::cable::{Cable, State};
use super::outage::{contacts, everything_arrived};
use crate::support::Db;
use crate::world::{World, until};

/// Longer than the platform takes for an answer, and than the first tries of a write.
const AWAY: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_proxy_that_ends_connections_has_refused_nothing() {
    let db = Db::postgres().await;
    let cable = Cable::to(&db).await;
    let mut world = World::new(&db, Faults::default()).await;
    world.set("database.url", &cable.url);
    world.set("delivery.batch_size", "10");
    world.set("rate_limit.requests_per_second", "40");
    let contacts = contacts(&world, 200).await;
    cable.put(State::Ended);
    let courier = world.start(&["run"]);
    courier.says("waiting for the database").await;
    cable.put(State::Plugged);
    for more in [100, 400] {
        world.holds_more_than(more).await;
        cable.put(State::Ended);
        sleep(AWAY).await;
        cable.put(State::Plugged);
    }
    until("every row is final", async || {
        world.with_status("pending").await == 0
    })
    .await;
    everything_arrived(&world, contacts).await;
    assert_eq!(world.with_status("succeeded").await, contacts);
    let log = courier.log();
    assert!(!log.contains("rows_not_writable"), "{log}");
}
