//! An SQLite file that is deleted under a courier, or replaced by another.

use std::fs;
use std::path::PathBuf;

use contact_courier::simulator::Faults;

use super::world::{World, goods, lanes};
use crate::support::{Db, Kind};

#[tokio::test]
async fn a_file_that_is_gone_or_replaced_stops_the_courier_until_it_is_back() {
    let db = Db::on(Kind::Sqlite).await.expect("SQLite");
    let file = PathBuf::from(db.url.trim_start_matches("sqlite://"));
    let [backup, kept] = ["backup", "kept"].map(|name| file.with_extension(name));
    let mut world = World::new(&db, Faults::default()).await;
    world.set("delivery.lease", "3s");
    let all = lanes(2);
    world.insert(&all[0], &goods(0, 10)).await;
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    fs::copy(&file, &backup).expect("copies");
    let courier = world.start(&["run"]);
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    let requests = world.simulator.totals().requests;

    // The backup's contacts are pending, and were delivered.
    fs::hard_link(&file, &kept).expect("links");
    fs::rename(&backup, &file).expect("moves");
    world.insert(&all[1], &goods(1, 10)).await;
    courier.says("was replaced by another").await;
    fs::remove_file(&file).expect("deletes");
    world.insert(&all[1], &goods(2, 10)).await;
    assert_eq!(world.simulator.totals().requests, requests);
    assert!(!file.exists(), "no other file is made");

    fs::rename(&kept, &file).expect("moves");
    courier.says("the database answers again").await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    assert_eq!(world.with_status("succeeded").await, 30);
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}
