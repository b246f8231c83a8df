//! A database whose errors quote a contact's number: wherever they are told, it is masked.

use contact_courier::simulator::Faults;

use super::world::{World, lanes, until};
use crate::support::{Db, Kind, on_every_database};

on_every_database!(
    a_number_in_an_apps_error_is_masked_wherever_a_lane_that_stops_is_told,
    a_number_in_an_apps_error_is_masked_by_enqueue,
);

mod values {
    use super::a_number_in_the_servers_own_error_is_not_told;
    use crate::support::on_every_server;

    on_every_server!(a_number_in_the_servers_own_error_is_not_told);
}

const NUMBER: &str = "13012121211";

const TOLD: &str = "blocked 130***1211";

/// Has a lane stop, and looks at all that tells why.
async fn a_lane_that_stops_tells(db: &Db, words: &str) {
    let world = World::new(db, Faults::default()).await;
    world.insert(&lanes(1)[0], &[NUMBER.into()]).await;
    let courier = world.start(&["run"]);
    courier.says("lane stopped").await;
    let stopped = "FROM delivery_lane WHERE hold_reason = 'rows_not_writable'";
    until("the lane is stopped", async || db.count(stopped).await == 1).await;
    let held = db.text("hold_message", "FROM delivery_lane").await;
    let status = world.run(&["status"]).await;
    for told in [held.expect("a message"), status.out, courier.log()] {
        assert!(told.contains(words) && !told.contains(NUMBER), "{told}");
    }
    courier.kill().await;
}

async fn a_number_in_an_apps_error_is_masked_wherever_a_lane_that_stops_is_told(db: &Db) {
    db.refuse_by_number("UPDATE").await;
    a_lane_that_stops_tells(db, TOLD).await;
}

async fn a_number_in_the_servers_own_error_is_not_told(db: &Db) {
    db.refuse_by_value().await;
    let words = match db.kind {
        Kind::Postgres => "130***1211",
        _ => "the database refused the row: Truncated incorrect DOUBLE value",
    };
    a_lane_that_stops_tells(db, words).await;
}

async fn a_number_in_an_apps_error_is_masked_by_enqueue(db: &Db) {
    db.refuse_by_number("INSERT").await;
    let world = World::new(db, Faults::default()).await;
    let file = world.dir.path().join("contacts.csv");
    let rows = format!("user_id,task_id,phone\nu,t,{NUMBER}\n");
    std::fs::write(&file, rows).expect("a file");
    let ended = world.run(&["enqueue", file.to_str().expect("UTF-8")]).await;
    assert!(ended.error().contains(TOLD), "{}", ended.tail());
    assert!(!ended.err.contains(NUMBER), "{}", ended.err);
}
