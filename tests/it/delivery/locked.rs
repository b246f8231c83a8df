//! An app that keeps rows locked in a transaction of its own, for as long as it likes.

use contact_courier::simulator::Faults;

use super::load::{everything_arrived, everything_came_once};
use super::world::{World, good, goods, lanes, until};
use crate::support::app::App;
use crate::support::{Db, on_every_server};

on_every_server!(rows_that_an_app_keeps_locked_hold_up_their_own_lanes_alone);

/// More than a courier works at once.
const LOCKED: usize = 40;
const LANES: usize = 46;
const PER_LANE: usize = 3;

async fn rows_that_an_app_keeps_locked_hold_up_their_own_lanes_alone(db: &Db) {
    let world = World::new(db, Faults::default()).await;
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
