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
    a_row_that_names_what_the_platform_does_not_find_ends_alone,
    a_row_that_names_what_the_platform_does_not_allow_ends_alone,
    the_first_row_ends_alone_though_its_lane_rests_in_between,
    a_row_ends_alone_in_a_lane_that_gets_a_contact_now_and_then,
    a_row_that_is_turned_away_in_several_ways_ends_alone,
    a_task_that_a_firewall_forbids_loses_no_row,
    a_task_that_is_redirected_loses_no_row_by_an_error_in_between,
    a_firewall_that_forbids_all_after_some_tries_takes_nobody_but_the_row_to_blame,
    a_task_that_is_forbidden_gets_few_requests,
    the_neighbours_of_a_row_do_not_expire_with_their_lane,
);

const ROWS: usize = 100;

/// The longest that a test waits for what has to come.
pub(super) const LONG: Duration = Duration::from_mins(5);

/// The answer of a firewall.
fn page(http: u16) -> Reply {
    Reply::Answer(Answer::new(http, None, b""))
}

/// Each wait is so long.
fn waiting_for(wait: Duration) -> CourierOptions {
    let mut options = options(Duration::ZERO);
    let backoff = &mut options.tuning.backoff;
    (backoff.initial_interval, backoff.max_interval) = (wait, wait);
    options
}

/// Waits are short. They grow, or what fails would go in between all the time.
pub(super) fn quick() -> CourierOptions {
    let mut options = waiting_for(Duration::from_millis(100));
    options.tuning.backoff.initial_interval = Duration::from_millis(4);
    options
}

/// A lane rests in between.
pub(super) fn slow() -> CourierOptions {
    waiting_for(Duration::from_millis(260))
}

/// Runs a courier until this has come.
pub(super) async fn run_until(
    db: &Db,
    options: CourierOptions,
    platform: impl Fn(&Batch) -> Reply + Send + Sync + 'static,
    come: impl Future<Output = ()>,
) {
    let (life, outbox) = (Lifecycle::new(), Arc::clone(&db.outbox));
    let courier = Courier::new(outbox, Arc::new(Scripted(platform)), options);
    let stops = async {
        come.await;
        life.stop();
    };
    let (ended, ()) = tokio::join!(courier.run(life.clone(), Until::Stopped), stops);
    ended.expect("the database works");
}

/// Waits until so many rows are like this.
pub(super) async fn until(db: &Db, rows: usize, like: &str) {
    let rest = format!("FROM contact_outbox WHERE {like}");
    let wanted = i64::try_from(rows).expect("few");
    let reached = async {
        while db.count(&rest).await < wanted {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let reached = tokio::time::timeout(LONG, reached).await;
    let count = db.count(&rest).await;
    assert!(reached.is_ok(), "{count} of {rows}: {like}");
}

pub(super) const SUCCEEDED: &str = "status = 'succeeded'";
const ALONE: &str = "fail_kind = 'rejected' AND fail_cause LIKE '%alone%'";

pub(super) async fn none_has_failed(db: &Db) {
    let failed = "FROM contact_outbox WHERE status = 'failed'";
    assert_eq!(db.count(failed).await, 0);
}

/// Counts the requests with one of these numbers, or in this lane.
#[derive(Clone, Default)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) async fn reaches(&self, many: usize) {
        let reached = async {
            while self.get() < many {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(LONG, reached).await;
        assert!(reached.is_ok(), "{} of {many}", self.get());
    }
}

/// Each of these rows is turned away, and nobody else.
async fn end_alone(
    db: &Db,
    options: CourierOptions,
    poison: &[usize],
    turned_away: impl Fn() -> Reply + Send + Sync + 'static,
) {
    lane_of(db, ROWS).await;
    let numbers: Vec<String> = poison.iter().copied().map(number).collect();
    let turn_away = move |batch: &Batch| {
        if carries(batch, &numbers) {
            turned_away()
        } else {
            answer(200)
        }
    };
    let ended = async {
        until(db, ROWS - poison.len(), SUCCEEDED).await;
        one_by_one_until(db, ROWS, poison.len(), ALONE).await;
    };
    run_until(db, options, turn_away, ended).await;
}

async fn a_row_that_a_firewall_forbids_ends_alone(db: &Db) {
    end_alone(db, quick(), &[57], || page(403)).await;
}

async fn a_row_that_a_firewall_redirects_ends_alone(db: &Db) {
    end_alone(db, quick(), &[57], || page(302)).await;
}

/// The platform's own answer.
fn says(code: u16) -> Reply {
    let words = format!(r#"{{"code":{code},"message":"no such thing"}}"#);
    Reply::Answer(Answer::new(code, None, words.as_bytes()))
}

/// It is not the task that is not found, but what a column of the row names.
async fn a_row_that_names_what_the_platform_does_not_find_ends_alone(db: &Db) {
    end_alone(db, quick(), &[0, 57], || says(404)).await;
}

async fn a_row_that_names_what_the_platform_does_not_allow_ends_alone(db: &Db) {
    end_alone(db, quick(), &[57], || says(403)).await;
}

async fn the_first_row_ends_alone_though_its_lane_rests_in_between(db: &Db) {
    end_alone(db, slow(), &[0], || page(405)).await;
}

/// Their waits are longer: all rows that wait apart share the budget for retries with the search.
#[tokio::test]
async fn several_rows_that_a_firewall_forbids_end_alone() {
    let db = Db::sqlite().await;
    let mut options = quick();
    options.tuning.backoff.max_interval = Duration::from_secs(2);
    end_alone(&db, options, &[0, 34, 99], || page(403)).await;
}

/// Contacts come into the lane one by one, until so many rows have ended like this. There were `first`
/// before, and all but these have passed.
async fn one_by_one_until(db: &Db, first: usize, many: usize, like: &str) {
    let ended = format!("FROM contact_outbox WHERE {like}");
    let wanted = i64::try_from(many).expect("few");
    for nth in first.. {
        if db.count(&ended).await == wanted {
            break;
        }
        assert!(nth < 2_000, "{}: {like}", db.count(&ended).await);
        db.contact("u/t", &number(nth)).await;
        until(db, nth + 1 - many, SUCCEEDED).await;
    }
}

/// The row to blame comes alone, too.
async fn a_row_ends_alone_in_a_lane_that_gets_a_contact_now_and_then(db: &Db) {
    let poison = [number(0)];
    db.contact("u/t", &poison[0]).await;
    let turn_away = move |batch: &Batch| {
        if carries(batch, &poison) {
            page(403)
        } else {
            answer(200)
        }
    };
    run_until(db, slow(), turn_away, one_by_one_until(db, 1, 1, ALONE)).await;
}

async fn a_row_that_is_turned_away_in_several_ways_ends_alone(db: &Db) {
    lane_of(db, ROWS).await;
    let (poison, sent) = ([number(57)], Counted::default());
    let turn_away = move |batch: &Batch| {
        if !carries(batch, &poison) {
            return answer(200);
        }
        match sent.add() % 4 {
            0 => page(403),
            1 => page(302),
            2 => Reply::Lost("no answer".into()),
            _ => Reply::NotSent("no connection".into()),
        }
    };
    let ended = async {
        until(db, ROWS - 1, SUCCEEDED).await;
        let alone = "fail_kind = 'unconfirmed' AND fail_cause LIKE '%alone%'";
        one_by_one_until(db, ROWS, 1, alone).await;
    };
    run_until(db, quick(), turn_away, ended).await;
}

/// A task that is turned away until the platform lets it in. Others pass meanwhile.
async fn loses_no_row(db: &Db, turned_away: impl Fn(usize) -> Reply + Send + Sync + 'static) {
    db.contact("v/t", &number(0)).await;
    lane_of(db, 3).await;
    let (sent, is_open) = (Counted::default(), Arc::new(AtomicBool::new(false)));
    let (counted, opened) = (sent.clone(), Arc::clone(&is_open));
    let turn_away = move |batch: &Batch| {
        if batch.lane.user_id() == "u" && !opened.load(Ordering::Relaxed) {
            turned_away(counted.add())
        } else {
            answer(200)
        }
    };
    let passes = async {
        sent.reaches(20).await;
        db.contact("v/t", &number(1)).await;
        until(db, 2, SUCCEEDED).await;
        sent.reaches(40).await;
        none_has_failed(db).await;
        is_open.store(true, Ordering::Relaxed);
        until(db, 5, SUCCEEDED).await;
    };
    run_until(db, quick(), turn_away, passes).await;
}

async fn a_task_that_a_firewall_forbids_loses_no_row(db: &Db) {
    loses_no_row(db, |_| page(403)).await;
}

async fn a_task_that_is_redirected_loses_no_row_by_an_error_in_between(db: &Db) {
    loses_no_row(db, |nth| {
        if nth % 10 == 9 {
            answer(502)
        } else {
            page(307)
        }
    })
    .await;
}

/// The row to blame makes the firewall forbid everything for a while, as many do.
async fn a_firewall_that_forbids_all_after_some_tries_takes_nobody_but_the_row_to_blame(db: &Db) {
    lane_of(db, ROWS).await;
    let (poison, hits, sent) = ([number(57)], Counted::default(), Counted::default());
    let (is_open, banned) = (Arc::new(AtomicBool::new(false)), sent.clone());
    let opened = Arc::clone(&is_open);
    let turn_away = move |batch: &Batch| {
        if carries(batch, &poison) {
            hits.add();
            return page(403);
        }
        if hits.get() >= 10 && !opened.load(Ordering::Relaxed) {
            banned.add();
            return page(403);
        }
        answer(200)
    };
    let ended = async {
        db.contact("u/t", &number(ROWS)).await;
        sent.reaches(100).await;
        none_has_failed(db).await;
        is_open.store(true, Ordering::Relaxed);
        until(db, ROWS, SUCCEEDED).await;
        let others = "FROM contact_outbox WHERE status = 'failed'";
        assert!(db.count(others).await <= 1);
    };
    run_until(db, quick(), turn_away, ended).await;
}

/// Each wait of that lane.
const WAIT: Duration = Duration::from_millis(100);

/// Others pass all the time. However many rows it has, its requests do not grow with them.
async fn a_task_that_is_forbidden_gets_few_requests(db: &Db) {
    lane_of(db, 500).await;
    let sent = Counted::default();
    let counted = sent.clone();
    let turn_away = move |batch: &Batch| {
        if batch.lane.user_id() == "v" {
            return answer(200);
        }
        counted.add();
        page(403)
    };
    let forbidden = async {
        sent.reaches(3).await;
        let (began, before) = (tokio::time::Instant::now(), sent.get());
        for nth in 0..50 {
            db.contact("v/t", &number(nth)).await;
            until(db, nth + 1, SUCCEEDED).await;
        }
        sent.reaches(before + 10).await;
        let waits = began.elapsed().as_millis() / WAIT.as_millis();
        let requests = u128::try_from(sent.get() - before).expect("few");
        assert!(requests <= 2 * waits + 10, "{requests} in {waits} waits");
        none_has_failed(db).await;
    };
    run_until(db, waiting_for(WAIT), turn_away, forbidden).await;
}

async fn the_neighbours_of_a_row_do_not_expire_with_their_lane(db: &Db) {
    lane_of(db, ROWS).await;
    let poison = [number(57)];
    let turn_away = move |batch: &Batch| {
        if carries(batch, &poison) {
            page(403)
        } else {
            answer(200)
        }
    };
    let mut options = quick();
    options.tuning.give_up_on_holds_after = Duration::from_millis(1);
    let ended = async {
        until(db, ROWS - 1, SUCCEEDED).await;
        until(db, 1, "status = 'failed'").await;
    };
    run_until(db, options, turn_away, ended).await;
}
