//! The reports about a batch, for each way that it can go.

use std::time::Duration;

use contact_courier::simulator::Faults;

use super::collector::{Collector, Mood, Told, failure, says};
use crate::support::Db;
use crate::world::{World, good, goods, lanes};

/// A world, and a collector that gets every batch of its couriers.
async fn traced(db: &Db, faults: Faults) -> (World<'_>, Collector) {
    let collector = Collector::start(Mood::Takes);
    let mut world = World::new(db, faults).await;
    world.set("traces.endpoint", &collector.endpoint());
    (world, collector)
}

#[tokio::test]
async fn a_delivered_batch_is_composed_waits_is_sent_and_settled() {
    let db = Db::sqlite().await;
    let (world, collector) = traced(&db, Faults::default()).await;
    world.insert(&lanes(1)[0], &goods(0, 3)).await;
    world.deliver().await;
    let [told] = &collector.batches()[..] else {
        panic!("not one batch");
    };
    assert_eq!(told.names(), ["compose", "wait", "send", "settle"]);
    let batch = world.rows().await[0].batch.clone().unwrap();
    assert_eq!(told.id(), batch, "a trace is found by its batch");
    for (key, value) in [
        ("batch.id", batch.as_str()),
        ("batch.user_id", "user-0"),
        ("batch.task_id", "task_0"),
        ("batch.contacts", "3"),
        ("batch.contacts_failed", "0"),
        ("batch.attempts", "1"),
        ("batch.outcome", "imported"),
        ("batch.adopted", "false"),
        ("batch.parent", ""),
    ] {
        assert_eq!(told.says(key), value, "{key}");
    }
    let send = &told.steps[2];
    assert_eq!(says(send, "send.attempt"), "1");
    assert_eq!(says(send, "send.outcome"), "imported");
    assert_eq!(says(send, "http.response.status_code"), "200");
    let waited = says(&told.steps[1], "wait.reason");
    let ours = ["turn", "rate_limit", "permit", "journal"];
    assert!(ours.contains(&waited.as_str()), "{waited}");
    assert!(told.root.links.is_empty());
    let failures = told.steps.iter().chain([&told.root]).filter_map(failure);
    assert_eq!(failures.count(), 0);
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "contact-courier");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(resource["service.instance.id"].len(), 36);
    assert_eq!(resource.len(), 3);
}

#[tokio::test]
async fn a_batch_that_is_sent_again_waits_in_between_and_tells_why() {
    let db = Db::sqlite().await;
    let failing = Faults {
        error_before: 1.0,
        ..Faults::default()
    };
    let (world, collector) = traced(&db, failing).await;
    world.insert(&lanes(1)[0], &goods(0, 3)).await;
    let courier = world.start(&["run"]);
    courier.says("lane waits").await;
    world.simulator.set_faults(Faults::default()).unwrap();
    let pending = "FROM contact_outbox WHERE status = 'pending'";
    world.none(pending).await;
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));

    let [told] = &collector.batches()[..] else {
        panic!("not one batch");
    };
    let sends = told.steps.iter().filter(|step| step.name == "send");
    let sends: Vec<_> = sends.collect();
    let (last, failed) = sends.split_last().unwrap();
    assert!(!failed.is_empty());
    let again = ["wait", "send"].repeat(sends.len());
    assert_eq!(told.names()[1..=again.len()], again);
    assert_eq!(told.names().last(), Some(&"settle"));
    for (nth, send) in (1..).zip(failed) {
        assert_eq!(says(send, "send.attempt"), nth.to_string());
        assert_eq!(says(send, "send.outcome"), "server_error");
        assert_eq!(says(send, "http.response.status_code"), "500");
        assert!(failure(send).is_some());
    }
    let waits = told.steps.iter().filter(|step| step.name == "wait");
    for wait in waits.skip(1) {
        assert_eq!(says(wait, "wait.reason"), "server_error");
        let took = wait.end_time_unix_nano - wait.start_time_unix_nano;
        assert!(took >= 25_000_000, "the shortest backoff: {took}");
    }
    assert_eq!(says(last, "send.outcome"), "imported");
    assert_eq!(failure(last), None);
    assert_eq!(failure(&told.root), None, "it ended well");
    assert_eq!(told.says("batch.attempts"), sends.len().to_string());
}

#[tokio::test]
async fn a_refused_batch_tells_why_and_the_batches_that_its_rows_went_into_point_to_it() {
    let db = Db::sqlite().await;
    let (mut world, collector) = traced(&db, Faults::default()).await;
    world.set("request.skip_error", "false");
    let malformed = "8765432";
    let phones = [good(0, 0), malformed.to_owned(), good(0, 1)];
    world.insert(&lanes(1)[0], &phones).await;
    world.deliver().await;
    assert_eq!(world.with_status("failed").await, 1);

    let batches = collector.batches();
    let (first, parts) = batches.split_first().unwrap();
    assert_eq!(first.names(), ["compose", "wait", "send", "settle"]);
    assert_eq!(first.says("batch.outcome"), "refused");
    let why = failure(&first.root).expect("it failed");
    assert!(!why.contains(malformed), "{why}");
    assert_eq!(failure(&first.steps[2]), Some(why));
    assert!(parts.len() >= 2);
    let known: Vec<String> = batches.iter().map(Told::id).collect();
    for part in parts {
        let parent = part.says("batch.parent");
        assert!(known.contains(&parent));
        let [link] = &part.root.links[..] else {
            panic!("not one link");
        };
        let parent = batches.iter().find(|told| told.id() == parent).unwrap();
        assert_eq!(link.trace_id, parent.root.trace_id);
        assert_eq!(link.span_id, parent.root.span_id);
        assert_eq!(part.names()[0], "wait", "nothing had to be composed");
    }
    let blamed = parts
        .iter()
        .filter(|part| part.says("batch.contacts_failed") == "1");
    let outcomes: Vec<String> = blamed.map(|part| part.says("batch.outcome")).collect();
    assert_eq!(outcomes, ["refused"]);
}

#[tokio::test]
async fn a_batch_that_another_courier_goes_on_with_has_its_own_root_in_the_same_trace() {
    let db = Db::sqlite().await;
    let hanging = Faults {
        latency: Duration::from_secs(20),
        ..Faults::default()
    };
    let (world, collector) = traced(&db, hanging).await;
    world.insert(&lanes(1)[0], &goods(0, 3)).await;
    let courier = world.start(&["run"]);
    world.holds_more_than(2).await;
    // The first signal waits for the answer, the second does not.
    courier.signal("TERM").await;
    courier.says("SIGTERM").await;
    courier.signal("TERM").await;
    courier.ended().await;
    world.simulator.set_faults(Faults::default()).unwrap();
    world.deliver().await;

    let [left, adopted] = &collector.batches()[..] else {
        panic!("not two ways of the batch");
    };
    assert_eq!(left.root.trace_id, adopted.root.trace_id);
    assert_ne!(left.root.span_id, adopted.root.span_id);
    assert_eq!(left.names(), ["compose", "wait", "send"]);
    assert_eq!(left.says("batch.outcome"), "left_open");
    assert_eq!(says(&left.steps[2], "send.outcome"), "unanswered");
    assert_eq!(left.says("batch.adopted"), "false");
    assert_eq!(adopted.names(), ["wait", "send", "settle"]);
    assert_eq!(adopted.says("batch.adopted"), "true");
    assert_eq!(adopted.says("batch.attempts"), "2");
}

#[tokio::test]
async fn nothing_is_told_while_traces_are_off_or_no_batch_is_to_be_traced() {
    let db = Db::sqlite().await;
    let (mut world, collector) = traced(&db, Faults::default()).await;
    world.set("traces.ratio", "0");
    world.insert(&lanes(1)[0], &goods(0, 3)).await;
    world.deliver().await;
    world.set("traces.endpoint", "");
    world.set("traces.ratio", "1");
    world.insert(&lanes(2)[1], &goods(1, 3)).await;
    world.deliver().await;
    assert_eq!(world.with_status("succeeded").await, 6);
    assert_eq!(collector.requests(), 0);
}
