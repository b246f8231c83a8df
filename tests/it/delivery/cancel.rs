//! `cancel` while two couriers are at work: the platform never gets a cancelled contact.

use std::collections::BTreeSet;
use std::time::Duration;

use contact_courier::simulator::Faults;

use super::world::{World, goods, lanes};
use crate::support::{Db, on_every_database};

on_every_database!(nothing_that_was_cancelled_goes_out_while_two_couriers_send);

const LANES: usize = 20;
const PER_LANE: usize = 400;

async fn nothing_that_was_cancelled_goes_out_while_two_couriers_send(db: &Db) {
    let faults = Faults {
        latency: Duration::from_millis(20),
        reset_before: 0.05,
        reset_after: 0.03,
        error_before: 0.1,
        ..Faults::default()
    };
    let mut world = World::new(db, faults).await;
    world.set("delivery.batch_size", "10");
    for (nth, lane) in lanes(LANES).iter().enumerate() {
        world.insert(lane, &goods(nth, PER_LANE)).await;
    }
    let all = u64::try_from(LANES * PER_LANE).unwrap();
    let couriers = [["run"], ["run"]].map(|arguments| world.start(&arguments));
    world.holds_more_than(all / 20).await;
    let mut cancelled = 0;
    for choice in [
        ["--user", "user-3"],
        ["--lane", "user-1/task_2"],
        ["--created-since", "1h"],
    ] {
        let arguments = [&["cancel", "--yes", "--json"], &choice[..]].concat();
        let ended = world.run(&arguments).await;
        assert_eq!(ended.code, Some(0), "{}", ended.tail());
        let told: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        cancelled += told["cancelled"].as_i64().unwrap();
    }
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    for courier in couriers {
        courier.signal("TERM").await;
        let ended = courier.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.tail());
    }
    let rows = world.rows().await;
    let ended = rows
        .iter()
        .filter(|row| row.fail_kind.as_deref() == Some("cancelled"));
    let ended: Vec<_> = ended.collect();
    assert_eq!(i64::try_from(ended.len()), Ok(cancelled));
    assert!(cancelled > 0, "all of it was sent before");
    let state = world.simulator.state();
    let mut held = BTreeSet::new();
    for task in &state.tasks {
        held.extend(task.numbers.iter().map(|number| number.number.as_str()));
    }
    for row in ended {
        assert!(!held.contains(row.phone.as_str()), "{row:?}");
        assert!(row.finished.is_some() && row.batch.is_none(), "{row:?}");
        let cause = row.fail_cause.as_deref().unwrap();
        assert!(cause.starts_with("cancelled by "), "{cause}");
    }
    for row in rows.iter().filter(|row| row.status == "succeeded") {
        assert!(held.contains(row.phone.as_str()), "{row:?}");
    }
    world.is_at_rest(0).await;
}
