//! The platform fails in every way it can, and the courier is killed in the middle, twice.

use std::time::Duration;

use contact_courier::simulator::Faults;

use super::load::{LANES, PER_LANE, insert_all, table_and_platform_agree};
use super::world::World;
use crate::support::{Db, on_every_database};

on_every_database!(with_faults_and_two_kills_every_contact_still_arrives_once);

async fn with_faults_and_two_kills_every_contact_still_arrives_once(db: &Db) {
    let mut world = World::new(db, stormy()).await;
    // The batches are small, so that there is a middle to be killed in.
    world.set("delivery.batch_size", "25");
    insert_all(&world).await;
    let all = u64::try_from(LANES * PER_LANE).unwrap();
    let mut on_its_way = 0;
    for part in [3, 6] {
        let courier = world.start(&["run"]);
        world.holds_more_than(all * part / 10).await;
        courier.kill().await;
        on_its_way += db
            .count("FROM delivery_batch WHERE state = 'sending'")
            .await;
    }
    assert_ne!(on_its_way, 0, "nothing was on its way at either kill");
    assert_ne!(world.with_status("pending").await, 0, "killed too late");
    world.deliver().await;
    let rows = world.rows().await;
    assert_eq!(rows.len(), LANES * PER_LANE);
    table_and_platform_agree(&world, &rows);
    let malformed = rows
        .iter()
        .filter(|row| row.fail_kind.as_deref() == Some("rejected"));
    assert_eq!(malformed.count(), LANES * 5);
    let answers = world.simulator.totals().answers;
    for befallen in [
        answers.error_before,
        answers.error_after,
        answers.reset_before,
        answers.reset_after,
        answers.garbled,
        answers.too_many_requests,
    ] {
        assert_ne!(befallen, 0, "{answers:?}");
    }
    world.is_at_rest(2).await;
}

/// Returns faults that one request in five meets.
pub(super) fn stormy() -> Faults {
    Faults {
        latency: Duration::from_millis(3),
        latency_jitter: Duration::from_millis(5),
        error_before: 0.03,
        error_after: 0.03,
        reset_before: 0.03,
        reset_after: 0.03,
        too_many_requests: 0.03,
        garbled: 0.03,
        ..Faults::default()
    }
}
