//! A firewall before the platform turns requests away because of what one row holds, or all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use contact_courier::batch::Batch;
use contact_courier::courier::lifecycle::Lifecycle;
use contact_courier::courier::{Courier, CourierOptions, Until};
use contact_courier::platform::verdict::{Answer, Reply};
use tokio::time::sleep;

use super::{Scripted, answer, carries, lane_of, number, options};
use crate::support::{Db, on_every_database};

on_every_database!(
    a_row_that_a_firewall_forbids_ends_alone,
    a_row_that_a_firewall_redirects_ends_alone,
    a_task_that_a_firewall_forbids_loses_no_row,
);

const ROWS: usize = 100;

/// The longest that a test waits for what has to come.
const LONG: Duration = Duration::from_mins(2);

/// The answer of a firewall.
fn page(http: u16) -> Reply {
    Reply::Answer(Answer {
        http,
        retry_after: None,
        document: None,
    })
}

/// Waits are short and do not grow.
fn quick() -> CourierOptions {
    let mut options = options(Duration::ZERO);
    let backoff = &mut options.tuning.backoff;
    backoff.initial_interval = Duration::from_millis(2);
    backoff.max_interval = Duration::from_millis(5);
    options
}

/// Runs a courier until this has come.
async fn run_until(
    db: &Db,
    platform: impl Fn(&Batch) -> Reply + Send + Sync + 'static,
    come: impl Future<Output = ()>,
) {
    let (life, outbox) = (Lifecycle::new(), Arc::clone(&db.outbox));
    let courier = Courier::new(outbox, Arc::new(Scripted(platform)), quick());
    let stops = async {
        come.await;
        life.stop();
    };
    let (ended, ()) = tokio::join!(courier.run(life.clone(), Until::Stopped), stops);
    ended.expect("the database works");
}

/// Waits until so many rows are like this.
async fn until(db: &Db, rows: usize, like: &str) {
    let rest = format!("FROM contact_outbox WHERE {like}");
    let wanted = i64::try_from(rows).expect("few");
    let reached = async {
        while db.count(&rest).await < wanted {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let reached = tokio::time::timeout(LONG, reached).await;
    assert!(
        reached.is_ok(),
        "{} of {rows}: {like}",
        db.count(&rest).await
    );
}

async fn ends_alone(db: &Db, status: u16) {
    lane_of(db, ROWS).await;
    let poison = [number(57)];
    let turn_away = move |batch: &Batch| {
        if carries(batch, &poison) {
            page(status)
        } else {
            answer(200)
        }
    };
    let ended = async {
        until(db, ROWS - 1, "status = 'succeeded'").await;
        until(
            db,
            1,
            "fail_kind = 'rejected' AND fail_cause LIKE '%alone%'",
        )
        .await;
    };
    run_until(db, turn_away, ended).await;
}

async fn a_row_that_a_firewall_forbids_ends_alone(db: &Db) {
    ends_alone(db, 403).await;
}

async fn a_row_that_a_firewall_redirects_ends_alone(db: &Db) {
    ends_alone(db, 302).await;
}

/// Others pass meanwhile, and the task itself does later.
async fn a_task_that_a_firewall_forbids_loses_no_row(db: &Db) {
    db.contact("v/t", &number(0)).await;
    lane_of(db, 3).await;
    let (requests, is_open) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (counted, opened) = (Arc::clone(&requests), Arc::clone(&is_open));
    let turn_away = move |batch: &Batch| {
        let is_forbidden = batch.lane.user_id() == "u" && !opened.load(Ordering::Relaxed);
        counted.fetch_add(usize::from(is_forbidden), Ordering::Relaxed);
        if is_forbidden { page(403) } else { answer(200) }
    };
    let passes = async {
        let many = async {
            while requests.load(Ordering::Relaxed) < 100 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let many = tokio::time::timeout(LONG, many).await;
        assert!(many.is_ok(), "{requests:?}");
        assert_eq!(
            db.count("FROM contact_outbox WHERE status = 'failed'")
                .await,
            0
        );
        is_open.store(true, Ordering::Relaxed);
        until(db, 4, "status = 'succeeded'").await;
    };
    run_until(db, turn_away, passes).await;
}
