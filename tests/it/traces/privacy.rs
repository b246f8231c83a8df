//! Whatever happens to a batch, the collector receives no number and no token.

use contact_courier::simulator::Faults;

use super::collector::{Collector, Mood};
use crate::support::Db;
use crate::world::{TOKEN, World, goods, lanes};

#[tokio::test]
async fn what_the_collector_hears_of_a_storm_holds_no_number_and_no_token() {
    let db = Db::sqlite().await;
    let collector = Collector::start(Mood::Takes);
    let faults = Faults {
        error_after: 0.1,
        reset_after: 0.1,
        garbled: 0.1,
        too_many_requests: 0.1,
        retry_after_wait: std::time::Duration::ZERO,
        ..Faults::default()
    };
    let mut world = World::new(&db, faults).await;
    world.set("traces.endpoint", &collector.endpoint());
    world.set("delivery.batch_size", "10");
    // Makes the platform refuse requests as a whole, in words about their numbers.
    world.set("request.skip_error", "false");
    let mut phones = Vec::new();
    for (nth, lane) in lanes(4).iter().enumerate() {
        let mut some = goods(nth, 40);
        // Malformed, and a number that is there twice.
        some.extend([format!("8{nth}7654321"), some[3].clone()]);
        world.insert(lane, &some).await;
        phones.extend(some);
    }
    world.deliver().await;
    assert_ne!(world.simulator.totals().answers.faults(), 0);
    assert_ne!(world.with_status("failed").await, 0);

    let batches = collector.batches();
    let outcomes = |outcome: &str| {
        let told = batches.iter();
        told.filter(|told| told.says("batch.outcome") == outcome)
            .count()
    };
    assert!(outcomes("imported") > 0 && outcomes("refused") > 0);
    let heard = collector.bytes();
    let text = String::from_utf8_lossy(&heard);
    assert!(text.contains("task_3") && !text.contains(TOKEN));
    for phone in &phones {
        assert!(!text.contains(phone.as_str()), "{phone}");
    }
}
