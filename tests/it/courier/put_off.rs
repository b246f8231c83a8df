//! A platform that says "later": because of what one row holds, or to whoever sends too much.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contact_courier::batch::Batch;
use contact_courier::courier::CourierOptions;
use contact_courier::platform::verdict::{Answer, Reply};

use super::turned_away::{Counted, SUCCEEDED, none_has_failed, quick, run_until, slow, until};
use super::{answer, carries, lane_of, number};
use crate::support::{Db, on_every_database};

on_every_database!(
    a_row_that_gets_a_429_each_time_holds_up_none_of_300,
    a_row_that_gets_a_429_each_time_holds_up_nobody_though_its_lane_rests_in_between,
    a_row_for_which_the_task_runs_each_time_holds_up_none_of_300,
    a_row_that_gets_a_401_each_time_holds_up_none_of_300,
    several_rows_that_get_a_429_each_time_hold_up_nobody,
    several_rows_for_which_the_task_runs_each_time_hold_up_nobody,
    a_batch_without_others_is_taken_apart_to_find_out,
    batches_that_all_hold_a_row_that_gets_a_429_are_taken_apart_to_find_out,
    rows_that_an_earlier_courier_has_left_put_off_hold_up_nobody,
);

const ROWS: usize = 300;

/// Those who come while the row waits.
const LATER: usize = 30;

fn later(http: u16, retry_after: Option<Duration>, code: u16) -> Reply {
    let words = format!(r#"{{"code":{code},"message":"later"}}"#);
    Reply::Answer(Answer::new(http, retry_after, words.as_bytes()))
}

/// Some rows of the lane are put off each time: all others pass, also those that come later.
async fn hold_up_nobody(
    db: &Db,
    options: CourierOptions,
    (rows, poison): (usize, &[usize]),
    put_off: impl Fn() -> Reply + Send + Sync + 'static,
) {
    lane_of(db, rows).await;
    let bad = poison.len();
    let poison: Vec<String> = poison.iter().copied().map(number).collect();
    let sent = Counted::default();
    let counted = sent.clone();
    let longest = options.tuning.backoff.max_interval;
    let platform = move |batch: &Batch| {
        if carries(batch, &poison) {
            counted.add();
            put_off()
        } else {
            answer(200)
        }
    };
    let passed = async {
        until(db, rows - bad, SUCCEEDED).await;
        let (began, before) = (Instant::now(), sent.get());
        for nth in rows..rows + LATER {
            db.contact("u/t", &number(nth)).await;
            until(db, nth + 1 - bad, SUCCEEDED).await;
        }
        none_has_failed(db).await;
        let waits = began.elapsed().as_millis() / longest.as_millis();
        let requests = sent.get() - before;
        assert!(
            requests as u128 <= bad as u128 * (2 * waits + 10),
            "{requests} in {waits} waits"
        );
    };
    run_until(db, options, platform, passed).await;
}

async fn a_row_that_gets_a_429_each_time_holds_up_none_of_300(db: &Db) {
    hold_up_nobody(db, quick(), (ROWS, &[57]), || later(429, None, 429)).await;
}

async fn a_row_that_gets_a_429_each_time_holds_up_nobody_though_its_lane_rests_in_between(db: &Db) {
    let asked = Some(Duration::from_millis(1));
    hold_up_nobody(db, slow(), (ROWS, &[57]), move || later(200, asked, 429)).await;
}

async fn a_row_for_which_the_task_runs_each_time_holds_up_none_of_300(db: &Db) {
    hold_up_nobody(db, quick(), (ROWS, &[57]), || later(200, None, 6007)).await;
}

async fn a_row_that_gets_a_401_each_time_holds_up_none_of_300(db: &Db) {
    hold_up_nobody(db, quick(), (ROWS, &[57]), || later(401, None, 401)).await;
}

/// Each is a batch of its own, and they are the first ones.
fn one_by_one() -> CourierOptions {
    let mut options = quick();
    options.tuning.batch_size = 1;
    options
}

async fn several_rows_that_get_a_429_each_time_hold_up_nobody(db: &Db) {
    let rows = (40, &[0, 1, 2, 3, 4, 5][..]);
    hold_up_nobody(db, one_by_one(), rows, || later(429, None, 429)).await;
}

async fn several_rows_for_which_the_task_runs_each_time_hold_up_nobody(db: &Db) {
    let rows = (40, &[0, 1, 2, 3, 4, 5][..]);
    hold_up_nobody(db, one_by_one(), rows, || later(200, None, 6007)).await;
}

async fn a_batch_without_others_is_taken_apart_to_find_out(db: &Db) {
    hold_up_nobody(db, quick(), (100, &[57]), || later(429, None, 429)).await;
}

async fn batches_that_all_hold_a_row_that_gets_a_429_are_taken_apart_to_find_out(db: &Db) {
    let rows = (250, &[10, 60, 103, 203][..]);
    hold_up_nobody(db, quick(), rows, || later(429, None, 429)).await;
}

async fn rows_that_an_earlier_courier_has_left_put_off_hold_up_nobody(db: &Db) {
    const LEFT: usize = 12;
    lane_of(db, LEFT).await;
    let sent = Counted::default();
    let counted = sent.clone();
    let puts_off = move |_: &Batch| {
        counted.add();
        later(429, None, 429)
    };
    let all_tried = async {
        while sent.get() < 2 * LEFT {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    run_until(db, one_by_one(), puts_off, all_tried).await;
    for nth in LEFT..LEFT + LATER {
        db.contact("u/t", &number(nth)).await;
    }
    let left: Vec<String> = (0..LEFT).map(number).collect();
    let sent = Counted::default();
    let counted = sent.clone();
    let platform = move |batch: &Batch| {
        if carries(batch, &left) {
            counted.add();
            later(429, None, 429)
        } else {
            answer(200)
        }
    };
    let all_pass = async {
        until(db, 1, SUCCEEDED).await;
        let before = sent.get();
        assert!(before < LEFT, "{before} requests before a new contact's");
        until(db, LATER, SUCCEEDED).await;
    };
    run_until(db, one_by_one(), platform, all_pass).await;
    none_has_failed(db).await;
}

#[tokio::test]
async fn more_batches_than_may_be_in_trouble_are_taken_apart_to_find_out() {
    let db = Db::sqlite().await;
    lane_of(&db, 1_200).await;
    let bad: Vec<String> = (0..12).map(|nth| number(nth * 100 + 7)).collect();
    let platform = move |batch: &Batch| {
        if carries(batch, &bad) {
            later(429, None, 429)
        } else {
            answer(200)
        }
    };
    run_until(&db, quick(), platform, until(&db, 100, SUCCEEDED)).await;
}

/// Batches of ten rows. Returns how many requests the platform took for 50 of them, and how many it put off.
async fn requests_for_50(may_go: impl Fn() -> bool + Send + Sync + 'static) -> (usize, usize) {
    let db = Db::sqlite().await;
    lane_of(&db, 500).await;
    let mut options = quick();
    options.tuning.batch_size = 10;
    let (taken, refused) = (Counted::default(), Counted::default());
    let (counted, sent_away) = (taken.clone(), refused.clone());
    let platform = move |_: &Batch| {
        if may_go() {
            counted.add();
            answer(200)
        } else {
            sent_away.add();
            later(429, None, 429)
        }
    };
    run_until(&db, options, platform, until(&db, 500, SUCCEEDED)).await;
    (taken.get(), refused.get())
}

#[tokio::test]
async fn a_lane_that_may_send_at_its_own_rate_sends_whole_batches() {
    let last = Arc::new(Mutex::new(None::<Instant>));
    let may_go = move || {
        let mut last = last.lock().expect("no test has failed");
        let may = last.is_none_or(|last| last.elapsed() >= Duration::from_millis(60));
        if may {
            *last = Some(Instant::now());
        }
        may
    };
    let (taken, refused) = requests_for_50(may_go).await;
    assert!(taken <= 60, "{taken} for 50, {refused} put off");
}

#[tokio::test]
async fn a_limit_that_puts_off_every_other_request_by_chance_hardly_takes_batches_apart() {
    let (taken, refused) = requests_for_50(|| rand::random_bool(0.5)).await;
    assert!(taken <= 60, "{taken} for 50, {refused} put off");
}
