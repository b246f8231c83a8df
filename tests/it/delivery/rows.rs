//! Rows that are not sent: they break a rule, their time has not come, or they are gone.

use contact_courier::simulator::Faults;

use super::world::{Lane, World, good, goods};
use crate::support::{Db, on_every_database};

on_every_database!(
    a_row_that_breaks_a_rule_fails_as_invalid_and_is_never_sent,
    a_row_is_sent_when_its_time_has_come_and_not_before,
    a_row_that_is_deleted_before_its_turn_is_never_sent,
    long_rows_go_in_small_batches_and_too_long_ones_not_at_all,
);

async fn long_rows_go_in_small_batches_and_too_long_ones_not_at_all(db: &Db) {
    let mut faults = Faults::default();
    // The platform refuses larger requests.
    faults.limits.bytes = 1_048_576;
    let world = World::new(db, faults).await;
    let lane = Lane("u".into(), "t".into());
    world.insert(&lane, &goods(0, 100)).await;
    let long = "号".repeat(20_000);
    db.execute(&format!("UPDATE contact_outbox SET extra = '{long}'"))
        .await;
    world.insert(&lane, &goods(1, 100)).await;
    let too_long = "x".repeat(65_526);
    db.execute(&format!(
        "UPDATE contact_outbox SET extra = '{too_long}' WHERE phone = '{}'",
        good(1, 0)
    ))
    .await;
    // As JSON, the text is twice as long.
    let quotes = "\"".repeat(40_000);
    db.execute(&format!(
        "UPDATE contact_outbox SET extra = '{quotes}' WHERE phone = '{}'",
        good(1, 1)
    ))
    .await;
    assert_eq!(world.run(&["run", "--once"]).await.code, Some(0));
    let state = world.simulator.state();
    let task = state.task("u", "t").expect("the task was named");
    assert_eq!(task.numbers.len(), 198);
    let totals = world.simulator.totals();
    assert_eq!((totals.answers.refused, totals.rows_received), (0, 198));
    assert!(totals.requests <= 10, "{} requests", totals.requests);
    for (bytes, phone) in [(65_537, good(1, 0)), (80_064, good(1, 1))] {
        let cause = format!(
            "the contact is {bytes} bytes long, longer than delivery.max_contact_bytes = 65536"
        );
        let rows = format!(
            "FROM contact_outbox WHERE phone = '{phone}' AND fail_kind = 'invalid'
             AND fail_cause = '{cause}' AND attempts = 0"
        );
        assert_eq!(db.count(&rows).await, 1, "{cause}");
    }
    world.is_at_rest(0).await;
}

async fn a_row_that_is_deleted_before_its_turn_is_never_sent(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    // All rows are read at once, and wait for one another.
    world.set("rate_limit.per_lane", "1");
    world.set("delivery.batch_size", "2");
    world.set("delivery.max_in_flight_per_lane", "1");
    let lane = Lane("u".into(), "t".into());
    world.insert(&lane, &goods(0, 8)).await;
    let courier = world.start(&["run"]);
    world.holds_more_than(1).await;
    // One row of the third two, and both of the fourth. The second two may be on their way already.
    let gone = [5, 6, 7].map(|nth| format!("'{}'", good(0, nth)));
    let gone = gone.join(", ");
    db.execute(&format!(
        "DELETE FROM contact_outbox WHERE phone IN ({gone})"
    ))
    .await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    // The lane is read once more after they are gone.
    world.insert(&lane, &[good(0, 9)]).await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
    let state = world.simulator.state();
    let task = state.task("u", "t").expect("the task was named");
    let held: Vec<&str> = task.numbers.iter().map(|n| n.number.as_str()).collect();
    assert_eq!(held, [0, 1, 2, 3, 4, 9].map(|nth| good(0, nth)));
    assert_eq!(world.simulator.totals().rows_received, 6);
    world.is_at_rest(0).await;
}

async fn a_row_that_breaks_a_rule_fails_as_invalid_and_is_never_sent(db: &Db) {
    let world = World::new(db, Faults::default()).await;
    let lane = Lane("u".into(), "t".into());
    world.insert(&lane, &goods(0, 30)).await;
    let values: Vec<String> = goods(1, 30)
        .iter()
        .map(|phone| format!("('u', 't', '{phone}', 'order 35', true)"))
        .collect();
    db.execute(&format!(
        "INSERT INTO contact_outbox (user_id, task_id, phone, extra, ignore_crm) VALUES {}",
        values.join(", ")
    ))
    .await;
    world.deliver().await;
    let state = world.simulator.state();
    let task = state.task("u", "t").expect("the task was named");
    for row in world.rows().await {
        if row.phone.starts_with("1300") {
            assert_eq!(row.status, "succeeded", "{row:?}");
            continue;
        }
        assert_eq!(row.status, "failed", "{row:?}");
        assert_eq!(row.fail_kind.as_deref(), Some("invalid"), "{row:?}");
        let cause = row.fail_cause.as_deref().expect("a cause");
        assert!(cause.contains("extra") && cause.contains("ignore_crm"));
        assert_eq!(row.attempts, 0);
        assert!(row.finished.is_some());
        assert_eq!(task.number(&row.phone), None);
    }
    world.is_at_rest(0).await;
}

async fn a_row_is_sent_when_its_time_has_come_and_not_before(db: &Db) {
    let world = World::new(db, Faults::default()).await;
    for (nth, seconds) in [(0, 3600), (1, -3600), (2, 86_400), (3, -1)] {
        db.contact_with("u/t", &good(0, nth), "not_before", &db.now(seconds))
            .await;
    }
    world.deliver().await;
    let statuses: Vec<String> = world
        .rows()
        .await
        .into_iter()
        .map(|row| row.status)
        .collect();
    assert_eq!(statuses, ["pending", "succeeded", "pending", "succeeded"]);
    assert_eq!(world.simulator.totals().rows_received, 2);
    world.is_at_rest(0).await;
}
