//! SIGTERM and SIGINT: the first ends the courier softly, the second at once.

use std::time::Duration;

use contact_courier::simulator::Faults;
use tokio::time::Instant;

use super::load::{everything_arrived, everything_came_once, table_and_platform_agree};
use super::world::{World, goods, lanes};
use crate::support::{Db, on_every_database};

on_every_database!(
    after_sigterm_everything_in_flight_is_settled_and_another_run_sends_only_the_rest,
    sigint_ends_the_daemon_as_sigterm_does,
    a_second_signal_ends_at_once_and_the_next_run_settles_what_was_on_its_way,
);

fn slow(latency: Duration) -> Faults {
    Faults {
        latency,
        ..Faults::default()
    }
}

async fn after_sigterm_everything_in_flight_is_settled_and_another_run_sends_only_the_rest(
    db: &Db,
) {
    stops_in_the_middle_and_goes_on(db, "TERM", (10, 400)).await;
}

async fn sigint_ends_the_daemon_as_sigterm_does(db: &Db) {
    stops_in_the_middle_and_goes_on(db, "INT", (2, 400)).await;
}

async fn stops_in_the_middle_and_goes_on(db: &Db, signal: &str, (n, each): (usize, usize)) {
    let mut world = World::new(db, slow(Duration::from_millis(30))).await;
    world.set("delivery.batch_size", "20");
    for (nth, lane) in lanes(n).iter().enumerate() {
        world.insert(lane, &goods(nth, each)).await;
    }
    let courier = world.start(&["run"]);
    let all = u64::try_from(n * each).unwrap();
    world.holds_more_than(all * 3 / 10).await;
    courier.signal(signal).await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());

    let succeeded = world.with_status("succeeded").await;
    let held = world.simulator.totals().numbers_held;
    assert_eq!(u64::try_from(succeeded), Ok(held), "in flight and settled");
    assert!(held < all, "stopped too late");
    assert_eq!(
        db.count("FROM delivery_batch WHERE state = 'sending'")
            .await,
        0
    );
    let leased = "FROM delivery_lane WHERE lease_owner IS NOT NULL";
    assert_eq!(db.count(leased).await, 0);
    assert_eq!(db.count("FROM courier_instance").await, 0);

    world.deliver().await;
    everything_arrived(&world, n * each, 0).await;
    everything_came_once(&world);
}

async fn a_second_signal_ends_at_once_and_the_next_run_settles_what_was_on_its_way(db: &Db) {
    let hanging = Duration::from_secs(20);
    let world = World::new(db, slow(hanging)).await;
    let lane = &lanes(1)[0];
    world.insert(lane, &goods(0, 50)).await;
    let courier = world.start(&["run"]);
    world.holds_more_than(49).await;
    let began = Instant::now();
    courier.signal("INT").await;
    courier.says("SIGINT").await;
    courier.signal("INT").await;
    let ended = courier.ended().await;
    assert!(
        ended.err.contains("before all was settled"),
        "{}",
        ended.tail()
    );
    assert!(began.elapsed() < hanging / 2, "{:?}", began.elapsed());
    assert_eq!(
        db.count("FROM delivery_batch WHERE state = 'sending'")
            .await,
        1
    );
    assert_eq!(world.with_status("pending").await, 50);

    world.simulator.set_faults(Faults::default()).unwrap();
    world.deliver().await;
    assert_eq!(world.with_status("succeeded").await, 50);
    table_and_platform_agree(&world, &world.rows().await);
    // The killed courier is still on the list; it no longer has a lane.
    world.is_at_rest(1).await;
}
