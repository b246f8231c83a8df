//! `pause` and `resume` while two couriers are at work.

use std::collections::BTreeMap;
use std::time::Duration;

use contact_courier::simulator::{Faults, RetryAfter};

use super::world::{Lane, Program, World, goods, lanes};
use crate::neighbours::platform::Platform;
use crate::support::{Db, on_every_database};

on_every_database!(
    nothing_of_a_paused_user_goes_out_while_two_couriers_send_and_all_of_it_after_resuming,
    a_run_that_ends_says_what_is_paused_and_a_pause_ends_by_itself,
    resuming_tries_at_once_what_waits_for_a_person_or_for_the_platform,
    resuming_is_not_undone_by_the_answer_to_a_request_that_was_out,
);

const LANES: usize = 20;
const PER_LANE: usize = 300;

/// Returns how many numbers the platform holds of each user.
fn held(world: &World<'_>) -> BTreeMap<String, usize> {
    let mut held = BTreeMap::new();
    for task in world.simulator.state().tasks {
        *held.entry(task.user_id).or_default() += task.numbers.len();
    }
    held
}

/// Runs a command that has to succeed, and returns its output.
async fn said(world: &World<'_>, arguments: &[&str]) -> String {
    let ended = world.run(arguments).await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    ended.out
}

async fn stop(couriers: impl IntoIterator<Item = Program>) {
    for courier in couriers {
        courier.signal("TERM").await;
        let ended = courier.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.tail());
    }
}

async fn nothing_of_a_paused_user_goes_out_while_two_couriers_send_and_all_of_it_after_resuming(
    db: &Db,
) {
    let faults = Faults {
        latency: Duration::from_millis(20),
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
    said(
        &world,
        &["pause", "--user", "user-3", "--reason", "a trial"],
    )
    .await;
    for courier in &couriers {
        courier.says("paused by an operator").await;
    }
    // Sends under way come to their end.
    world
        .none("FROM delivery_batch WHERE user_id = 'user-3' AND state = 'sending'")
        .await;
    let before = held(&world)["user-3"];
    let others = "FROM contact_outbox WHERE status = 'pending' AND user_id <> 'user-3'";
    world.none(others).await;
    assert_eq!(held(&world)["user-3"], before, "sent while it was paused");
    assert!(before < 2 * PER_LANE, "all of it was sent before");
    let leased = "FROM delivery_lane WHERE user_id = 'user-3' AND lease_owner IS NOT NULL";
    world.none(leased).await;

    said(&world, &["resume", "--user", "user-3"]).await;
    // Each courier logs each action once, but for those before it looked at the history first.
    for courier in &couriers {
        let [pause, resume] = ["pause", "resume"].map(|action| format!("\"action\":\"{action}\""));
        courier.says(&resume).await;
        assert_eq!(courier.log().matches(&resume).count(), 1);
        assert!(courier.log().matches(&pause).count() <= 1);
    }
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    assert_eq!(held(&world)["user-3"], 2 * PER_LANE);
    stop(couriers).await;
    assert_eq!(
        world.with_status("succeeded").await,
        i64::try_from(all).unwrap()
    );
    world.is_at_rest(0).await;
}

async fn a_run_that_ends_says_what_is_paused_and_a_pause_ends_by_itself(db: &Db) {
    let world = World::new(db, Faults::default()).await;
    let [paused, other] = ["1", "2"].map(|task| Lane("u".into(), task.into()));
    world.insert(&paused, &goods(0, 5)).await;
    world.insert(&other, &goods(1, 5)).await;
    said(&world, &["pause", "u/1", "--for", "1h"]).await;
    let ended = world.run(&["run", "--once"]).await;
    assert_eq!(
        ended.error(),
        "error: 5 contacts are left for a later run; an operator has paused them (`resume` ends it)"
    );
    assert_eq!(world.simulator.totals().numbers_held, 5);
    let courier = world.start(&["run"]);
    courier.says("paused by an operator").await;
    // The pause ends by the database's clock.
    let past = db.now(-1);
    db.execute(&format!("UPDATE delivery_pause SET paused_until = {past}"))
        .await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    courier.says("pause is over").await;
    stop([courier]).await;
    world.is_at_rest(0).await;
}

async fn resuming_tries_at_once_what_waits_for_a_person_or_for_the_platform(db: &Db) {
    let refusals = [
        Faults {
            unknown_tasks: vec!["t".into()],
            ..Faults::default()
        },
        Faults {
            forbidden_users: vec!["u".into()],
            ..Faults::default()
        },
        Faults {
            too_many_requests: 1.0,
            retry_after: RetryAfter::Seconds,
            retry_after_wait: Duration::from_mins(10),
            ..Faults::default()
        },
    ];
    let mut world = World::new(db, Faults::default()).await;
    // Nothing is tried again by itself during this test.
    world.set("retry.initial_interval", "10m");
    world.set("retry.max_interval", "1h");
    world.set("retry.longest_retry_after", "1h");
    let lane = Lane("u".into(), "t".into());
    let courier = world.start(&["run"]);
    for (nth, faults) in refusals.into_iter().enumerate() {
        world.simulator.set_faults(faults).unwrap();
        world.insert(&lane, &goods(nth, 5)).await;
        let held = "FROM delivery_lane WHERE held_until IS NOT NULL";
        super::world::until("the lane waits", async || db.count(held).await == 1).await;
        world.simulator.set_faults(Faults::default()).unwrap();
        said(&world, &["resume", "u/t"]).await;
        world
            .none("FROM contact_outbox WHERE status = 'pending'")
            .await;
    }
    stop([courier]).await;
    world.is_at_rest(0).await;
}

/// Here the database does not matter: gates are the courier's own.
#[tokio::test]
async fn resuming_tries_at_once_what_a_refused_token_or_the_breaker_holds_back() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    // Nothing is tried again by itself during this test.
    world.set("retry.initial_interval", "10m");
    world.set("retry.max_interval", "1h");
    let courier = world.start(&["run"]);
    for (nth, (faults, scope, told)) in [
        (
            Faults {
                token_off: true,
                ..Faults::default()
            },
            "user-0/task_0",
            "unauthorized",
        ),
        (
            Faults {
                error_before: 1.0,
                ..Faults::default()
            },
            "--all",
            "server_error",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        world.simulator.set_faults(faults).unwrap();
        // The breaker counts the failures of several lanes.
        let several = if scope == "--all" { 10 } else { 1 };
        for (lane, place) in lanes(several).iter().enumerate() {
            world.insert(place, &goods(10 * nth + lane, 5)).await;
        }
        let gate = format!(
            "FROM courier_instance WHERE standing LIKE '%\"user_id\":null,\"reason\":\"{told}\"%'"
        );
        super::world::until(told, async || db.count(&gate).await == 1).await;
        world.simulator.set_faults(Faults::default()).unwrap();
        said(&world, &["resume", scope]).await;
        world
            .none("FROM contact_outbox WHERE status = 'pending'")
            .await;
    }
    stop([courier]).await;
    world.is_at_rest(0).await;
}

async fn resuming_is_not_undone_by_the_answer_to_a_request_that_was_out(db: &Db) {
    let platform = Platform::start().await;
    let mut world = World::new(db, Faults::default()).await;
    world.set("platform.base_url", &platform.base_url);
    // Nothing is tried again by itself during this test.
    world.set("retry.initial_interval", "10m");
    world.set("retry.max_interval", "1h");
    let lane = Lane("mended".into(), "t".into());
    world.insert(&lane, &goods(0, 5)).await;
    let courier = world.start(&["run"]);
    platform.until(|came| came == ["mended"]).await;
    said(&world, &["resume", "mended/t"]).await;
    courier.says("resumed by an operator").await;
    // The task was unknown when the request came in.
    platform.let_go();
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    assert_eq!(platform.came(), ["mended", "mended"]);
    stop([courier]).await;
    world.is_at_rest(0).await;
}
