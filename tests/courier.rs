//! The courier against a scripted platform, on every database: what the real binary meets too
//! rarely to be waited for.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on should say so and stop"
)]

#[expect(
    dead_code,
    reason = "shared with the contract suite, which uses the rest"
)]
mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contact_courier::batch::Batch;
use contact_courier::courier::lifecycle::Lifecycle;
use contact_courier::courier::{Courier, CourierOptions, Until};
use contact_courier::outbox::Backlog;
use contact_courier::platform::client::Platform;
use contact_courier::platform::verdict::{Answer, Reply};
use contact_courier::platform::wire;

use support::{Db, on_every_database};

/// Answers by a rule.
struct Scripted(fn(&Batch) -> Reply);

#[async_trait]
impl Platform for Scripted {
    async fn deliver(&self, batch: &Batch) -> Reply {
        (self.0)(batch)
    }
}

fn answer(code: u16) -> Reply {
    let body = format!("{{\"code\":{code},\"message\":\"\",\"data\":[]}}");
    Reply::Answer(Answer {
        http: 200,
        retry_after: None,
        document: wire::decode(body.as_bytes()),
    })
}

fn options(linger: Duration) -> CourierOptions {
    let mut options = CourierOptions {
        linger,
        poll_interval: Duration::from_millis(20),
        ..CourierOptions::default()
    };
    options.limits.requests_per_second = 10_000.0;
    // Longer than a courier holds a lane for: whoever fails once is left for a later run.
    options.backoff.initial_interval = Duration::from_hours(1);
    options.backoff.max_interval = Duration::from_hours(1);
    options
}

async fn run(db: &Db, platform: fn(&Batch) -> Reply, options: CourierOptions) -> Backlog {
    let courier = Courier::new(
        Arc::clone(&db.outbox),
        Arc::new(Scripted(platform)),
        options,
    );
    courier
        .run(Lifecycle::new(), Until::Done)
        .await
        .expect("the database works")
        .expect("it ends by itself")
}

on_every_database!(
    lanes_of_a_user_that_is_refused_do_not_stand_in_the_way_of_others,
    an_outage_does_not_burn_a_lane_whose_batches_must_not_be_sent_twice,
    a_row_from_the_future_is_sent_at_once_though_the_lane_would_linger,
);

async fn lanes_of_a_user_that_is_refused_do_not_stand_in_the_way_of_others(db: &Db) {
    for lane in 0..80 {
        db.contact(&format!("a/t{lane}"), "13000001111").await;
    }
    db.contact("b/t", "13000001111").await;
    let refuse_a = |batch: &Batch| {
        answer(if batch.lane.user_id() == "a" {
            403
        } else {
            200
        })
    };
    let left = run(db, refuse_a, options(Duration::ZERO)).await;
    assert_eq!(
        db.count("FROM contact_outbox WHERE status = 'succeeded'")
            .await,
        1
    );
    assert_eq!(left.due + left.held, 80);
}

async fn an_outage_does_not_burn_a_lane_whose_batches_must_not_be_sent_twice(db: &Db) {
    for n in 0..50 {
        db.contact("u/t", &format!("130{n:02}00{n:04}")).await;
    }
    db.execute("UPDATE contact_outbox SET number_add_suffix = true")
        .await;
    let options = CourierOptions {
        batch_size: 5,
        max_in_flight_per_lane: 1,
        ..options(Duration::ZERO)
    };
    let left = run(db, |_| answer(503), options).await;
    let unconfirmed = "FROM contact_outbox WHERE fail_kind = 'unconfirmed'";
    assert_eq!(
        db.count(unconfirmed).await,
        5,
        "the batch that was sent, and no other"
    );
    assert_eq!((left.due, left.held), (0, 45));
}

async fn a_row_from_the_future_is_sent_at_once_though_the_lane_would_linger(db: &Db) {
    db.contact("u/t", "13000001111").await;
    let future = db.now(8 * 3600);
    db.execute(&format!("UPDATE contact_outbox SET created_at = {future}"))
        .await;
    run(db, |_| answer(200), options(Duration::from_hours(1))).await;
    assert_eq!(
        db.count("FROM contact_outbox WHERE status = 'succeeded'")
            .await,
        1
    );
}
