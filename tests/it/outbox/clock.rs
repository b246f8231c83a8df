//! The database's clock goes back: earlier instants lie in its future.

use std::time::Duration;

use contact_courier::outbox::{Change, Hold, Postpone, RateClaim};
use tokio::time::Instant;

use super::rates::begins_in;
use crate::support::{Db, Raw, entry, instance, on_every_database};

on_every_database!(
    a_dead_couriers_lease_ends_one_lease_after_the_clock_went_back,
    a_heartbeat_that_is_a_little_ahead_is_left_alone,
    holds_end_by_the_new_time,
    a_hold_that_is_as_long_as_it_may_be_stays,
    a_rate_that_is_given_away_too_far_ahead_begins_anew,
);

const HOUR: i64 = 3600;

async fn heartbeat_in(db: &Db, courier: uuid::Uuid, seconds: i64) {
    let ahead = db.now(seconds);
    db.execute(&format!(
        "UPDATE courier_instance SET heartbeat_at = {ahead} WHERE id = '{courier}'"
    ))
    .await;
}

async fn a_dead_couriers_lease_ends_one_lease_after_the_clock_went_back(db: &Db) {
    let (dead, me) = (db.courier().await, db.courier().await);
    let row = db.contact("u/t", "1").await;
    let lease = db.lease("u/t", dead).await.lease;
    db.record(&lease, &[Change::Open(entry(&[row]))]).await;
    for courier in [dead, me] {
        heartbeat_in(db, courier, HOUR).await;
    }
    assert!(db.outbox.beat(&instance(me)).await.expect("beats"));
    assert!(
        db.try_lease("u/t", me).await.is_none(),
        "it may live, with a request under way"
    );
    // After the time of a lease.
    let lease_ago = match &db.raw {
        Raw::Sqlite(_) => "strftime('%Y-%m-%d %H:%M:%f', heartbeat_at, '-30 seconds')",
        Raw::Postgres(_) | Raw::MySql(_) => "heartbeat_at - INTERVAL '30' SECOND",
    };
    db.execute(&format!(
        "UPDATE courier_instance SET heartbeat_at = {lease_ago} WHERE id = '{dead}'"
    ))
    .await;
    assert!(!db.outbox.beat(&instance(me)).await.expect("beats"));
    assert_eq!(db.names(me).await, ["u/t"]);
    assert_eq!(db.lease("u/t", me).await.open.len(), 1);
}

async fn a_heartbeat_that_is_a_little_ahead_is_left_alone(db: &Db) {
    let (other, me) = (db.courier().await, db.courier().await);
    heartbeat_in(db, other, 5).await;
    assert!(!db.outbox.beat(&instance(me)).await.expect("beats"));
    let now = db.now(0);
    let ahead = format!("FROM courier_instance WHERE heartbeat_at > {now}");
    assert_eq!(db.count(&ahead).await, 1);
}

/// A lane on hold for a minute, with a batch that fails.
async fn hold(db: &Db, name: &str) {
    let me = db.courier().await;
    let batch = entry(&[db.contact(name, "1").await]);
    let lease = db.lease(name, me).await.lease;
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    let postpone = Change::Postpone(Postpone {
        batch: batch.batch,
        attempts: 1,
        maybe_delivered: false,
        failing: true,
        apart: None,
        hold: Some(Hold {
            reason: "backoff",
            message: String::new(),
            delay: Duration::from_mins(1),
            failures: 1,
            needs_person: false,
        }),
    });
    db.record(&lease, &[postpone]).await;
    db.outbox.release(&lease).await.expect("releases");
}

async fn holds_end_by_the_new_time(db: &Db) {
    hold(db, "u/t").await;
    db.lease("u/free", db.courier().await).await;
    let (later, since) = (db.now(HOUR + 60), db.now(HOUR));
    for sql in [
        format!(
            "UPDATE delivery_lane SET held_until = {later}, held_since = {since}, waits_since = {since}
             WHERE task_id = 't'"
        ),
        format!("UPDATE delivery_batch SET failing_since = {since}"),
    ] {
        db.execute(&sql).await;
    }
    let longest = Duration::from_mins(5);
    db.outbox.bring_back(longest).await.expect("brings back");
    let (now, soon, late) = (db.now(0), db.now(290), db.now(300));
    for rest in [
        format!("FROM delivery_lane WHERE held_until BETWEEN {soon} AND {late}"),
        format!("FROM delivery_lane WHERE held_since <= {now}"),
        format!("FROM delivery_lane WHERE waits_since <= {now}"),
        format!("FROM delivery_batch WHERE failing_since <= {now}"),
        "FROM delivery_lane WHERE held_until IS NULL AND held_since IS NULL".into(),
    ] {
        assert_eq!(db.count(&rest).await, 1, "{rest}");
    }
}

async fn a_hold_that_is_as_long_as_it_may_be_stays(db: &Db) {
    hold(db, "u/t").await;
    let columns = ["held_until", "held_since"];
    let mut before = Vec::new();
    for column in columns {
        before.push(db.text(column, "FROM delivery_lane").await);
    }
    let longest = Duration::from_mins(1);
    db.outbox.bring_back(longest).await.expect("brings back");
    for (column, before) in columns.iter().zip(before) {
        assert_eq!(db.text(column, "FROM delivery_lane").await, before);
    }
}

async fn a_rate_that_is_given_away_too_far_ahead_begins_anew(db: &Db) {
    let claim = RateClaim {
        name: "all",
        span: Duration::from_secs(1),
        burst: Duration::ZERO,
        lead: Duration::ZERO,
        furthest: Duration::from_mins(10),
        restart: Duration::from_secs(3),
    };
    let claims = async || db.outbox.claim_rate(&claim).await.expect("claims");
    begins_in(0, claims()).await;
    // Far ahead, but not further than couriers may hold.
    db.execute("UPDATE rate_budget SET given_until = given_until + 500000000")
        .await;
    let behind = claims().await;
    assert!((400_000_000..=501_000_000).contains(&behind), "{behind}");
    db.execute("UPDATE rate_budget SET given_until = given_until + 3600000000")
        .await;
    let asked = Instant::now();
    begins_in(3_000_000, claims()).await;
    let next = claims().await;
    // A second behind it, less the time that has passed.
    let passed = i64::try_from(asked.elapsed().as_micros()).expect("a short time");
    let right = 4_000_000 - passed - 1_000..=4_001_000;
    assert!(right.contains(&next), "{next} is not in {right:?}");
}
