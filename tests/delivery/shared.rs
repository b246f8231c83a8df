//! Two couriers on one database.

use contact_courier::simulator::Faults;

use super::load::table_and_platform_agree;
use super::world::{World, goods, lanes};
use crate::support::Db;

#[tokio::test]
async fn two_couriers_on_one_database_share_the_lanes_and_send_everything_once() {
    let db = Db::postgres().await;
    let mut world = World::new(&db, Faults::default()).await;
    world.set("delivery.batch_size", "20");
    for (nth, lane) in lanes(10).iter().enumerate() {
        world.insert(lane, &goods(nth, 400)).await;
    }
    let both = [["run", "--once"]; 2].map(|arguments| world.start(&arguments));
    for courier in both {
        let ended = courier.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.tail());
    }
    assert_eq!(world.with_status("succeeded").await, 4000);
    table_and_platform_agree(&world, &world.rows().await);
    world.is_at_rest(0).await;
    let state = world.simulator.state();
    assert_eq!(state.totals.numbers_held, 4000);
    let mut numbers = state.tasks.iter().flat_map(|task| &task.numbers);
    assert!(numbers.all(|number| number.times_received == 1));
}
