//! A token that the platform does not accept.

use std::fs;

use contact_courier::simulator::Faults;

use super::load::table_and_platform_agree;
use super::world::{TOKEN, World, goods, lanes, until};
use crate::support::{Db, on_every_database};

on_every_database!(
    a_wrong_token_is_said_in_one_line_and_no_contact_is_lost_by_it,
    a_changed_token_file_ends_the_pause_at_once,
    a_token_file_that_goes_bad_leaves_the_last_good_token_in_use,
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
    assert!(courier.log().contains("the token has changed"));
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
    world.is_at_rest(0).await;
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
    // The platform does not know this one, so it is in use when it is refused.
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
    // Longer than `run --once` waits for.
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
