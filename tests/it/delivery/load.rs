//! Ten thousand contacts in twenty lanes, good, malformed and twice: the table and the platform
//! agree about each of them.

use std::collections::{BTreeMap, BTreeSet};

use contact_courier::simulator::{Faults, TaskState};

use super::world::{Lane, Row, World, good, lanes};
use crate::support::{Db, on_every_database};

on_every_database!(every_contact_arrives_once_and_the_table_tells_the_truth_about_each);

pub(super) const LANES: usize = 20;
pub(super) const PER_LANE: usize = 500;

async fn every_contact_arrives_once_and_the_table_tells_the_truth_about_each(db: &Db) {
    let world = World::new(db, Faults::default()).await;
    insert_all(&world).await;
    world.deliver().await;
    let rows = world.rows().await;
    assert_eq!(rows.len(), LANES * PER_LANE);
    table_and_platform_agree(&world, &rows);
    for (kind, expected) in [("rejected", LANES * 5), ("duplicate", LANES * 5)] {
        let found = rows
            .iter()
            .filter(|row| row.fail_kind.as_deref() == Some(kind));
        assert_eq!(found.count(), expected, "{kind}");
    }
    world.is_at_rest(0).await;
}

/// Returns the numbers of a lane: one in a hundred is malformed, and one is there for the second
/// time.
pub(super) fn numbers(lane: usize, n: usize) -> Vec<String> {
    (0..n)
        .map(|nth| match (nth % 100, nth / 100 % 2) {
            // A digit too many. Its mask looks like its neighbour's.
            (37, 0) => format!("13{lane:02}0{:07}", nth - 1),
            // Not a mobile number.
            (37, _) => format!("12{lane:02}{nth:07}"),
            (63, _) => good(lane, nth - 10),
            _ => good(lane, nth),
        })
        .collect()
}

/// Checks that this many contacts have succeeded, no others are there, and the platform says the
/// same. Nothing is open; couriers that were killed are still registered.
pub(super) async fn everything_arrived(world: &World<'_>, contacts: usize, dead: i64) {
    let rows = world.rows().await;
    assert_eq!(rows.len(), contacts);
    assert!(rows.iter().all(|row| row.status == "succeeded"));
    table_and_platform_agree(world, &rows);
    world.is_at_rest(dead).await;
}

/// Checks that no number came to the platform a second time.
pub(super) fn everything_came_once(world: &World<'_>) {
    let state = world.simulator.state();
    let mut numbers = state.tasks.iter().flat_map(|task| &task.numbers);
    assert!(numbers.all(|number| number.times_received == 1));
}

pub(super) async fn insert_all(world: &World<'_>) {
    for (nth, lane) in lanes(LANES).iter().enumerate() {
        world.insert(lane, &numbers(nth, PER_LANE)).await;
    }
}

/// Checks that every row is final and says what the platform says, which has each number once.
pub(super) fn table_and_platform_agree(world: &World<'_>, rows: &[Row]) {
    let state = world.simulator.state();
    assert_eq!(
        state.totals.violations.total(),
        0,
        "{:?}",
        state.totals.violations
    );
    assert!(state.totals.max_rows <= 100, "{}", state.totals.max_rows);
    let mut by_lane: BTreeMap<&Lane, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_lane.entry(&row.lane).or_default().push(row);
    }
    for (lane, rows) in by_lane {
        let task = state.task(&lane.0, &lane.1).expect("the task was named");
        for row in &rows {
            is_final(row, task);
        }
        let succeeded: BTreeSet<&str> = rows
            .iter()
            .filter(|row| row.status == "succeeded")
            .map(|row| row.phone.as_str())
            .collect();
        let held: BTreeSet<&str> = task
            .numbers
            .iter()
            .filter(|number| number.times_held > 0)
            .map(|number| number.number.as_str())
            .collect();
        assert_eq!(succeeded, held, "{lane:?}");
        assert!(task.numbers.iter().all(|number| number.times_held <= 1));
    }
}

fn is_final(row: &Row, task: &TaskState) {
    assert!(row.attempts >= 1, "{row:?}");
    assert!(row.batch.is_some() && row.finished.is_some(), "{row:?}");
    let said = || task.refusal(&row.phone).expect("the number was refused");
    match (row.status.as_str(), row.fail_kind.as_deref()) {
        ("succeeded", None) => assert_eq!(row.fail_cause, None),
        ("failed", Some("rejected")) => assert_eq!(row.fail_cause, said().cause, "{row:?}"),
        ("failed", Some("duplicate")) => assert_eq!(row.fail_cause, said().duplicate, "{row:?}"),
        _ => panic!("{row:?}"),
    }
}
