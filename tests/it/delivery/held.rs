//! A token that the platform does not accept.

use std::fs;

use contact_courier::simulator::Faults;

use super::load::table_and_platform_agree;
use super::world::{Lane, TOKEN, World, goods, lanes, until};
use crate::neighbours::platform::Platform;
use crate::support::app::App;
use crate::support::{Db, on_every_database, on_every_server};

on_every_database!(
    a_wrong_token_is_said_in_one_line_and_no_contact_is_lost_by_it,
    a_changed_token_file_ends_the_pause_at_once,
    a_token_file_that_goes_bad_leaves_the_last_good_token_in_use,
    a_single_run_waits_for_lanes_that_only_their_budget_keeps_back,
);

async fn a_changed_token_file_ends_the_pause_at_once(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    for (nth, lane) in lanes(4).iter().enumerate() {
        world.insert(lane, &goods(nth, 10)).await;
    }
    let file = world.dir.path().join("token");
    fs::write(&file, "another-token").unwrap();
    world.unset("platform.token");
    world.set("platform.token_file", file.to_str().unwrap());
    // Without the change of the file nothing would be tried again in this test's time.
    world.set("retry.initial_interval", "1h");
    world.set("retry.max_interval", "1h");
    let courier = world.start(&["run"]);
    courier.says("lane waits").await;
    until("a lane is on hold", async || {
        db.count("FROM delivery_lane WHERE hold_reason = 'unauthorized'")
            .await
            > 0
    })
    .await;
    assert_eq!(world.with_status("pending").await, 40);
    fs::write(&file, TOKEN).unwrap();
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    assert_eq!(world.with_status("succeeded").await, 40);
    courier.says("the token has changed").await;
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
    world.is_at_rest(0).await;
}

/// Here the database does not matter: lifting holds is tested on each.
#[tokio::test]
async fn a_token_that_is_taken_again_ends_the_holds_of_all_lanes() {
    let db = Db::sqlite().await;
    let refused = Faults {
        token_off: true,
        ..Faults::default()
    };
    let mut world = World::new(&db, refused).await;
    // Nothing is tried again by itself during this test.
    world.set("retry.initial_interval", "10m");
    world.set("retry.max_interval", "1h");
    let lanes = lanes(4);
    for (nth, lane) in lanes.iter().enumerate() {
        world.insert(lane, &goods(nth, 10)).await;
    }
    let courier = world.start(&["run"]);
    let held = "FROM delivery_lane WHERE hold_reason = 'unauthorized'";
    let tries = async |Lane(user, task): &Lane| {
        let resumed = world.run(&["resume", &format!("{user}/{task}")]).await;
        assert_eq!(resumed.code, Some(0), "{}", resumed.tail());
    };
    until("a lane is on hold", async || db.count(held).await > 0).await;
    // One of those that have not tried yet does.
    let first = db.text("task_id", held).await.unwrap();
    let other = lanes.iter().find(|Lane(_, task)| *task != first).unwrap();
    tries(other).await;
    until("another one is", async || db.count(held).await > 1).await;
    world.simulator.set_faults(Faults::default()).unwrap();
    tries(other).await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    world.none(held).await;
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}

async fn a_token_file_that_goes_bad_leaves_the_last_good_token_in_use(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    let file = world.dir.path().join("token");
    fs::write(&file, TOKEN).unwrap();
    world.unset("platform.token");
    world.set("platform.token_file", file.to_str().unwrap());
    let courier = world.start(&["run"]);
    let lanes = lanes(3);
    let delivered = async |nth: usize, in_all: i64| {
        world.insert(&lanes[nth], &goods(nth, 10)).await;
        until("all are delivered", async || {
            world.with_status("succeeded").await == in_all
        })
        .await;
    };
    delivered(0, 10).await;
    let told = "the token file cannot be used";
    fs::write(&file, "").unwrap();
    courier.says(told).await;
    delivered(1, 20).await;
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    courier.says("the token file can be used again").await;
    assert_eq!(courier.log().matches(told).count(), 1);
    // The platform does not know this token, so a refusal shows that it is in use.
    fs::write(&file, "another-token").unwrap();
    courier.says("the token has changed").await;
    world.insert(&lanes[2], &goods(2, 10)).await;
    courier.says("lane waits").await;
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}

async fn a_wrong_token_is_said_in_one_line_and_no_contact_is_lost_by_it(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    for (nth, lane) in lanes(20).iter().enumerate() {
        world.insert(lane, &goods(nth, 10)).await;
    }
    world.set("platform.token", "another-token");
    // Longer than `run --once` waits.
    world.set("retry.initial_interval", "6s");
    world.set("retry.max_interval", "6s");
    world.set("retry.jitter", "0");
    let ended = world.run(&["run", "--once"]).await;
    let said = ended.error();
    assert!(said.contains("200 contacts are left"), "{said}");
    assert!(said.contains("platform.token"), "{said}");
    assert!(!ended.err.contains("another-token"));
    let untouched = "FROM contact_outbox WHERE status = 'pending' AND attempts = 0";
    assert_eq!(db.count(untouched).await, 200);
    let requests = world.simulator.totals().requests;
    assert!((1..=10).contains(&requests), "{requests}");

    world.set("platform.token", TOKEN);
    // Lanes that were refused wait, also for a courier with a better token.
    let now = db.now(0);
    world
        .none(&format!("FROM delivery_lane WHERE held_until > {now}"))
        .await;
    world.deliver().await;
    assert_eq!(world.with_status("succeeded").await, 200);
    table_and_platform_agree(&world, &world.rows().await);
    world.is_at_rest(0).await;
}

async fn a_single_run_waits_for_lanes_that_only_their_budget_keeps_back(db: &Db) {
    let tasks: Vec<String> = lanes(8).into_iter().map(|Lane(_, task)| task).collect();
    let faults = Faults {
        unknown_tasks: tasks,
        ..Faults::default()
    };
    let mut world = World::new(db, faults).await;
    // A tenth of the rate is for lanes that wait for a person, beyond the first five requests.
    world.set("rate_limit.requests_per_second", "20");
    world.set("retry.initial_interval", "10m");
    world.set("retry.max_interval", "1h");
    for (nth, lane) in lanes(8).iter().enumerate() {
        world.insert(lane, &goods(nth, 3)).await;
    }
    let said = world.run(&["run", "--once"]).await;
    assert!(said.error().contains("24 contacts are left"));
    // A person repairs the tasks, and the holds end.
    world.simulator.set_faults(Faults::default()).unwrap();
    let past = db.now(-1);
    db.execute(&format!("UPDATE delivery_lane SET held_until = {past}"))
        .await;
    world.deliver().await;
    assert_eq!(world.with_status("succeeded").await, 24);
    world.is_at_rest(0).await;
}

/// On servers alone: an app locks rows there, but the whole file on SQLite.
mod locked {
    use super::*;

    on_every_server!(a_lane_with_a_locked_row_that_finds_out_about_the_token_holds_up_no_other);

    async fn a_lane_with_a_locked_row_that_finds_out_about_the_token_holds_up_no_other(db: &Db) {
        let platform = Platform::start().await;
        let mut world = World::new(db, Faults::default()).await;
        world.set("platform.base_url", &platform.base_url);
        world.set("retry.initial_interval", "3s");
        world.set("retry.max_interval", "3s");
        world.set("retry.jitter", "0");
        let refused = Lane("refused".into(), "t".into());
        world.insert(&refused, &goods(0, 5)).await;
        let courier = world.start(&["run"]);
        // Its first request is answered with 401, so that nobody may send for a while.
        courier.says("lane waits").await;
        let leased = "FROM delivery_lane WHERE lease_owner IS NOT NULL";
        world.none(leased).await;
        let id = db
            .text("id", "FROM contact_outbox WHERE phone LIKE '%2'")
            .await;
        let app = App::locks(db, &[id.expect("a row")]).await;
        until("the lane finds out", async || db.count(leased).await == 1).await;
        for (nth, lane) in ["good-1", "good-2", "good-3"].iter().enumerate() {
            let lane = Lane((*lane).into(), "t".into());
            world.insert(&lane, &goods(nth + 1, 5)).await;
        }
        world
            .none("FROM contact_outbox WHERE status = 'pending' AND user_id <> 'refused'")
            .await;
        let waits = "FROM contact_outbox WHERE status = 'pending' AND user_id = 'refused'";
        assert!(db.count(waits).await > 0, "the row is locked yet");
        app.ends().await;
        world.none(waits).await;
        courier.signal("TERM").await;
        assert_eq!(courier.ended().await.code, Some(0));
        assert_eq!(world.with_status("succeeded").await, 20);
        world.is_at_rest(0).await;
    }
}
