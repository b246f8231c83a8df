//! An app that changes the outbox's table while the courier runs.

use contact_courier::simulator::Faults;

use super::load::{everything_arrived, everything_came_once};
use super::world::{World, goods, lanes};
use crate::support::Db;

/// PostgreSQL does not carry out a statement that a session knows, once its rows have another type.
#[tokio::test]
async fn a_column_of_another_type_is_read_at_once() {
    const PER_LANE: usize = 150;
    let db = Db::postgres().await;
    let world = World::new(&db, Faults::default()).await;
    let courier = world.start(&["run"]);
    for (nth, lane) in lanes(2).iter().enumerate() {
        world.insert(lane, &goods(nth, PER_LANE)).await;
        world
            .none("FROM contact_outbox WHERE status = 'pending'")
            .await;
        db.execute("ALTER TABLE contact_outbox ALTER COLUMN name TYPE varchar(200)")
            .await;
    }
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
    everything_came_once(&world);
    everything_arrived(&world, 2 * PER_LANE, 0).await;
}
