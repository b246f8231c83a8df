//! Rows that are not sent: those that break a rule, and those whose time has not come.

use contact_courier::simulator::Faults;

use super::world::{Lane, World, good, goods};
use crate::support::{Db, on_every_database};

on_every_database!(
    a_row_that_breaks_a_rule_fails_as_invalid_and_is_never_sent,
    a_row_is_sent_when_its_time_has_come_and_not_before,
);

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
