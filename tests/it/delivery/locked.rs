//! An app that keeps rows locked in a transaction of its own, for as long as it likes.

use std::time::Duration;

use contact_courier::simulator::Faults;
use serde_json::Value;

use super::load::{everything_arrived, everything_came_once};
use super::world::{Lane, World, good, goods, lanes, until, until_within};
use crate::support::app::App;
use crate::support::{Db, Raw, on_every_server, on_mysql_and_mariadb};

on_every_server!(
    a_locked_contact_is_told_by_status_and_explain_with_what_to_do,
    a_lane_whose_row_is_locked_holds_up_nobody_and_goes_on_soon,
    rows_that_an_app_keeps_locked_hold_up_their_own_lanes_alone,
    a_table_that_an_app_keeps_locked_is_trouble_until_it_lets_go,
);

mod of_ranges {
    use super::*;
    on_mysql_and_mariadb!(a_range_that_an_app_keeps_locked_holds_up_its_own_lanes_alone);
}

async fn asked(world: &World<'_>, arguments: &[&str]) -> Value {
    let ended = world.run(arguments).await;
    serde_json::from_str(&ended.out).expect("a line of JSON")
}

async fn a_locked_contact_is_told_by_status_and_explain_with_what_to_do(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    // The next courier waits for its end; until then the silent one counts as alive.
    world.set("delivery.lease", "6s");
    let lanes = lanes(2);
    for (nth, lane) in lanes.iter().enumerate() {
        world.insert(lane, &goods(nth, PER_LANE)).await;
    }
    let row = format!("FROM contact_outbox WHERE phone = '{}'", good(0, 1));
    let id = db.text("id", &row).await.expect("it is there");
    let number: i64 = id.parse().unwrap();
    let app = App::locks(db, std::slice::from_ref(&id)).await;
    let courier = world.start(&["run"]);
    let locked = async |pid: u32| {
        let status = asked(&world, &["status", "--json"]).await;
        let couriers = status["instances"].as_array().cloned().unwrap_or_default();
        let ours = couriers.iter().find(|one| one["pid"] == pid);
        ours.is_some_and(|one| one["standing"]["locked"][0]["contact_id"] == number)
    };
    until("it is told", async || locked(courier.pid()).await).await;
    until("the other lane is settled", async || {
        world.with_status("pending").await == i64::try_from(PER_LANE).unwrap()
    })
    .await;
    all_is_told(&world, db, &id).await;

    // The next courier finds out before it sends anything of the lane again.
    courier.kill().await;
    let courier = world.start(&["run"]);
    until("the next one tells it", async || {
        locked(courier.pid()).await
    })
    .await;
    app.ends().await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    until("it is not told any more", async || {
        !locked(courier.pid()).await
    })
    .await;
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
    everything_arrived(&world, 2 * PER_LANE, 1).await;
}

/// Checks what the commands tell while a contact of this id is locked.
async fn all_is_told(world: &World<'_>, db: &Db, id: &str) {
    let status = asked(world, &["status", "--json"]).await;
    let lane = &status["busiest_lanes"][0];
    assert_eq!(lane["locked"]["contact_id"].to_string(), id, "{status}");
    assert_eq!(lane["done_in_seconds"], Value::Null);
    assert_eq!(status["done_in_seconds"], Value::Null);
    assert_eq!(status["conclusion"]["locked"], PER_LANE);
    let text = world.run(&["status"]).await.out;
    let first = "Nothing goes on: 3 contacts wait in 1 lane for locks that another session keeps\n";
    assert!(text.starts_with(first), "{text}");
    assert!(
        text.contains(&format!("waits for locked contact {id}")),
        "{text}"
    );
    let shown_by = match &db.raw {
        Raw::Postgres(_) => "(pg_stat_activity shows it)",
        _ => "(information_schema.innodb_trx shows it)",
    };
    let told = world.run(&["explain", id]).await.out;
    let first = told.lines().next().unwrap_or_default();
    assert!(
        first.contains("Another session has kept its row locked for "),
        "{told}"
    );
    assert!(first.ends_with(&format!("{shown_by}.")), "{told}");
    let neighbour = world.run(&["explain", "--phone", &good(0, 0)]).await.out;
    let words = format!("kept contact {id} of its lane locked");
    assert!(neighbour.contains(&words), "{neighbour}");
    let told = asked(world, &["explain", id, "--json"]).await;
    assert_eq!(told["locked"]["contacts"], PER_LANE, "{told}");
}

/// More lanes than a courier works at once.
const LOCKED: usize = 40;
const LANES: usize = 46;
const PER_LANE: usize = 3;

async fn rows_that_an_app_keeps_locked_hold_up_their_own_lanes_alone(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    // A heartbeat that a busy machine delays would be trouble, too.
    world.set("delivery.lease", "20s");
    for (nth, lane) in lanes(LANES).iter().enumerate() {
        world.insert(lane, &goods(nth, PER_LANE)).await;
    }
    let mut ids = Vec::new();
    for nth in 0..LOCKED {
        let row = format!("FROM contact_outbox WHERE phone = '{}'", good(nth, 1));
        ids.extend(db.text("id", &row).await);
    }
    let app = App::locks(db, &ids).await;
    let courier = world.start(&["run"]);
    let pending = async || world.with_status("pending").await;
    let held_up = i64::try_from(LOCKED * PER_LANE).unwrap();
    until("all others are settled", async || {
        pending().await == held_up
    })
    .await;
    for (nth, lane) in lanes(LANES).iter().enumerate().skip(LOCKED) {
        world.insert(lane, &[good(nth, PER_LANE)]).await;
    }
    let later = "FROM contact_outbox WHERE status = 'pending' AND phone LIKE '%3'";
    world.none(later).await;
    assert_eq!(pending().await, held_up);
    app.ends().await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    courier.signal("TERM").await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    for words in ["locked by another session", "not locked any more"] {
        assert_eq!(ended.err.matches(words).count(), LOCKED, "{}", ended.tail());
    }
    assert!(!ended.err.contains("database trouble"), "{}", ended.tail());

    let later = LANES - LOCKED;
    everything_arrived(&world, LANES * PER_LANE + later, 0).await;
    everything_came_once(&world);
}

/// Far less than the minute for which a lane that fails is left alone, and enough for a slow machine.
const SOON: Duration = Duration::from_secs(30);

async fn a_lane_whose_row_is_locked_holds_up_nobody_and_goes_on_soon(db: &Db) {
    let world = World::new(db, Faults::default()).await;
    let lanes = lanes(2);
    for (nth, lane) in lanes.iter().enumerate() {
        world.insert(lane, &[good(nth, 0)]).await;
    }
    world.deliver().await;
    let Lane(user, task) = &lanes[0];
    let app = App::locks_the_lane(db, user, task).await;
    for (nth, lane) in lanes.iter().enumerate() {
        world.insert(lane, &[good(nth, 1)]).await;
    }
    let courier = world.start(&["run"]);
    let pending = format!("FROM contact_outbox WHERE status = 'pending' AND task_id = '{task}'");
    world
        .none(&format!(
            "FROM contact_outbox WHERE status = 'pending' AND task_id <> '{task}'"
        ))
        .await;
    assert_eq!(db.count(&pending).await, 1);
    app.ends().await;
    until_within(SOON, "the other lane goes on", async || {
        db.count(&pending).await == 0
    })
    .await;
    courier.signal("TERM").await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    everything_arrived(&world, 4, 0).await;
    everything_came_once(&world);
}

const OF_ONE_USER: usize = 12;

async fn a_range_that_an_app_keeps_locked_holds_up_its_own_lanes_alone(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    // A heartbeat that a busy machine delays would be trouble, too.
    world.set("delivery.lease", "20s");
    // The one user has more lanes than a courier has connections.
    let user = "user-0";
    let lane = |nth| Lane(user.into(), format!("task_{nth}"));
    let others = lanes(8).into_iter().skip(2);
    let lanes: Vec<Lane> = (0..OF_ONE_USER).map(lane).chain(others).collect();
    let pending = "FROM contact_outbox WHERE status = 'pending'";
    // With results of this user and of the next one, the locked range is this user's alone.
    for nths in [0..1, 1..3] {
        for (lane_nth, lane) in lanes.iter().enumerate() {
            let phones: Vec<String> = nths.clone().map(|nth| good(lane_nth, nth)).collect();
            world.insert(lane, &phones).await;
        }
        if nths.start == 0 {
            world.deliver().await;
        }
    }
    let app = App::locks_the_results(db, user).await;
    let courier = world.start(&["run"]);
    world
        .none(&format!("{pending} AND user_id <> '{user}'"))
        .await;
    courier.says("locked by another session").await;
    let held_up = i64::try_from(OF_ONE_USER * 2).unwrap();
    until("only that user's wait", async || {
        db.count(pending).await == held_up
    })
    .await;
    app.ends().await;
    world.none(pending).await;
    courier.says("not locked any more").await;
    courier.signal("TERM").await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    assert!(!ended.err.contains("database trouble"), "{}", ended.tail());
    everything_arrived(&world, lanes.len() * 3, 0).await;
    everything_came_once(&world);
}

/// Nothing can be written meanwhile: the trouble is the database's, and no lane's.
async fn a_table_that_an_app_keeps_locked_is_trouble_until_it_lets_go(db: &Db) {
    for (nth, is_read) in [true, false].into_iter().enumerate() {
        let mut world = World::new(db, Faults::default()).await;
        // A heartbeat that a busy machine delays would be trouble, too.
        world.set("delivery.lease", "20s");
        let courier = world.start(&["run"]);
        courier.says("courier started").await;
        // The second row is journalled, and cannot be settled either while the first one waits.
        for (user, soon) in [("u", 5), ("v", 7)] {
            let soon = match &db.raw {
                Raw::Postgres(_) => format!("now() + interval '{soon} seconds'"),
                Raw::MySql(_) => format!("UTC_TIMESTAMP(6) + INTERVAL {soon} SECOND"),
                Raw::Sqlite(_) => unreachable!("its writers lock all of it"),
            };
            db.execute(&format!(
                "INSERT INTO contact_outbox (user_id, task_id, phone, not_before)
                 VALUES ('{user}', 't', '{}', {soon})",
                good(0, nth)
            ))
            .await;
        }
        let app = if is_read {
            App::freezes_the_table(db, "contact_outbox").await
        } else {
            App::locks_the_table(db, "contact_outbox").await
        };
        courier.says("database trouble").await;
        app.ends().await;
        world
            .none("FROM contact_outbox WHERE status = 'pending'")
            .await;
        courier.says("the database answers again").await;
        courier.signal("TERM").await;
        let ended = courier.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.tail());
        let told = ended.err.matches("database trouble").count();
        assert_eq!(told, 1, "{}", ended.tail());
        assert!(!ended.err.contains("rows are locked"), "{}", ended.tail());
        everything_came_once(&world);
    }
}
