//! The signs of an outage from outside, for all of these tests.

use crate::world::{Lane, Program, World, goods, lanes};

/// How often a line stands in the log.
pub(super) fn said(courier: &Program, line: &str) -> usize {
    courier.log().matches(line).count()
}

/// Expects one line when the database goes away and one when it is back, however long that takes.
pub(super) fn was_told_once(courier: &Program) {
    let log = courier.log();
    for line in [
        "database trouble; trying again",
        "the database answers again",
    ] {
        assert_eq!(said(courier, line), 1, "{line}: {log}");
    }
}

/// Inserts contacts into a few lanes. Every other contact asks for the platform's suffix: there a
/// second send would be a second number.
pub(super) async fn contacts(world: &World<'_>, per_lane: usize) -> i64 {
    let lanes: Vec<Lane> = lanes(6);
    for (nth, lane) in lanes.iter().enumerate() {
        world.insert(lane, &goods(nth, per_lane)).await;
    }
    let suffix = "UPDATE contact_outbox SET number_add_suffix = (id % 2 = 0)";
    world.db.execute(suffix).await;
    i64::try_from(lanes.len() * per_lane).unwrap()
}

/// Every row is final and says what the platform has, and no number is there twice.
pub(super) fn nothing_is_doubled(world: &World<'_>) {
    for task in &world.simulator.state().tasks {
        for number in &task.numbers {
            assert!(number.times_held <= 1, "{number:?}");
        }
    }
}

/// Checks that the platform holds every succeeded number once, and that none was refused.
pub(super) async fn everything_arrived(world: &World<'_>, contacts: i64) {
    nothing_is_doubled(world);
    let held = i64::try_from(world.simulator.totals().numbers_held).unwrap();
    let succeeded = world.with_status("succeeded").await;
    let unconfirmed = "FROM contact_outbox WHERE fail_kind = 'unconfirmed' AND number_add_suffix";
    let unconfirmed = world.db.count(unconfirmed).await;
    assert_eq!(succeeded + unconfirmed, contacts);
    assert!(
        succeeded <= held && held <= contacts,
        "{held} of {contacts}"
    );
    world.has_nothing_open().await;
}

/// Prints a line for the reader of the test's output.
#[expect(clippy::print_stdout, reason = "the test harness keeps it")]
pub(super) fn say(what: &str) {
    println!("{what}");
}
