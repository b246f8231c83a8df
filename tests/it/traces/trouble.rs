//! A collector that is away, refuses or hangs: delivery goes on, and the log reports it once.

use std::time::Duration;

use contact_courier::simulator::Faults;
use tokio::time::Instant;

use super::collector::{Collector, Mood};
use crate::support::Db;
use crate::world::{World, goods, lanes, until};

const AWAY: &str = "the collector of traces takes no spans";
const BACK: &str = "the collector of traces takes all spans again";

fn times(log: &str, words: &str) -> usize {
    log.matches(words).count()
}

async fn all_succeed(world: &World<'_>) {
    let pending = "FROM contact_outbox WHERE status = 'pending'";
    world.none(pending).await;
    let others = "FROM contact_outbox WHERE status <> 'succeeded'";
    assert_eq!(world.db.count(others).await, 0);
}

#[tokio::test]
async fn what_was_traced_while_the_collector_was_away_reaches_it_when_it_is_back() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let socket = Collector::away();
    let address = socket.local_addr().expect("its address");
    world.set("traces.endpoint", &format!("http://{address}"));
    world.set("delivery.batch_size", "1");
    world.insert(&lanes(1)[0], &goods(0, 5)).await;
    let courier = world.start(&["run"]);
    all_succeed(&world).await;
    courier.says(AWAY).await;
    let collector = Collector::start_on(socket, Mood::Takes);
    courier.says(BACK).await;
    courier.signal("TERM").await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    assert_eq!(collector.batches().len(), 5);
    assert_eq!((times(&ended.err, AWAY), times(&ended.err, BACK)), (1, 1));
    assert!(!ended.err.contains("spans are lost"), "{}", ended.tail());
}

#[tokio::test]
async fn what_the_collector_refuses_is_dropped_and_counted_and_the_log_says_it_once() {
    let db = Db::sqlite().await;
    let collector = Collector::start(Mood::Refuses(500));
    let mut world = World::new(&db, Faults::default()).await;
    world.set("traces.endpoint", &collector.endpoint());
    world.set("log.format", "json");
    let courier = world.start(&["run"]);
    for (nth, lane) in lanes(3).iter().enumerate() {
        world.insert(lane, &goods(nth, 2)).await;
        all_succeed(&world).await;
        until("the collector is told", async || collector.requests() > nth).await;
    }
    collector.becomes(Mood::Takes);
    let last = &lanes(4)[3];
    world.insert(last, &goods(3, 2)).await;
    courier.says(BACK).await;
    courier.signal("TERM").await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    assert_eq!((times(&ended.err, AWAY), times(&ended.err, BACK)), (1, 1));
    let told = |words: &str| -> serde_json::Value {
        let line = ended.err.lines().find(|line| line.contains(words));
        serde_json::from_str(line.unwrap()).expect("a line of JSON")
    };
    assert_eq!(told(AWAY)["target"], "contact_courier::traces");
    assert_eq!(told(AWAY)["error"], "it answers HTTP 500");
    // Three batches of five spans each.
    assert_eq!(told(BACK)["dropped"], 15);
    assert_eq!(collector.batches().len(), 1);
}

#[tokio::test]
async fn a_collector_that_never_answers_delays_neither_delivery_nor_for_long_the_end() {
    let db = Db::sqlite().await;
    let collector = Collector::start(Mood::Hangs);
    let mut world = World::new(&db, Faults::default()).await;
    world.set("traces.endpoint", &collector.endpoint());
    world.insert(&lanes(1)[0], &goods(0, 3)).await;
    let courier = world.start(&["run"]);
    until("the collector is told", async || collector.requests() > 0).await;
    for (nth, lane) in lanes(4).iter().enumerate().skip(1) {
        world.insert(lane, &goods(nth, 3)).await;
        all_succeed(&world).await;
    }
    courier.signal("TERM").await;
    courier.says("courier stopped; nothing is in flight").await;
    world.is_at_rest(0).await;
    let stopped = Instant::now();
    let ended = courier.ended().await;
    // The limit is two seconds; a request may take ten.
    assert!(stopped.elapsed() < Duration::from_secs(8));
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    assert_eq!(times(&ended.err, "spans are lost"), 1, "{}", ended.tail());
}
