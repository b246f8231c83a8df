//! The courier against a scripted platform, on every database: situations that the real binary
//! meets too rarely to wait for.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use contact_courier::batch::Batch;
use contact_courier::contact::ContactId;
use contact_courier::courier::lifecycle::Lifecycle;
use contact_courier::courier::{Courier, CourierOptions, Until};
use contact_courier::outbox::{Backlog, Change};
use contact_courier::platform::client::Platform;
use contact_courier::platform::verdict::{Answer, Reply};

use crate::support::{Db, entry, on_every_database, on_every_server};

mod put_off;
mod turned_away;

/// Answers by a rule.
struct Scripted<F>(F);

#[async_trait]
impl<F: Fn(&Batch) -> Reply + Send + Sync + 'static> Platform for Scripted<F> {
    async fn deliver(&self, batch: &Batch) -> Reply {
        (self.0)(batch)
    }
}

fn answer(code: u16) -> Reply {
    saying(code, "")
}

fn saying(code: u16, words: &str) -> Reply {
    with_body(&format!(
        "{{\"code\":{code},\"message\":\"{words}\",\"data\":[]}}"
    ))
}

fn with_body(body: &str) -> Reply {
    Reply::Answer(Answer::new(200, None, body.as_bytes()))
}

/// Counts the contacts that have this end.
async fn ended(db: &Db, end: &str) -> i64 {
    let rest = format!("FROM contact_outbox WHERE coalesce(fail_kind, status) = '{end}'");
    db.count(&rest).await
}

fn options(linger: Duration) -> CourierOptions {
    let mut options = CourierOptions {
        poll_interval: Duration::from_millis(20),
        ..CourierOptions::default()
    };
    let tuning = &mut options.tuning;
    tuning.linger = linger;
    tuning.limits.requests_per_second = 10_000.0;
    // Longer than a courier holds a lane for: after one failure a lane is left for a later run.
    tuning.backoff.initial_interval = Duration::from_hours(1);
    tuning.backoff.max_interval = Duration::from_hours(1);
    options
}

async fn run(
    db: &Db,
    platform: impl Fn(&Batch) -> Reply + Send + Sync + 'static,
    options: CourierOptions,
) -> Backlog {
    let outbox = Arc::clone(&db.outbox);
    let courier = Courier::new(outbox, Arc::new(Scripted(platform)), options);
    courier
        .run(Lifecycle::new(), Until::Done)
        .await
        .expect("the database works")
        .expect("it ends by itself")
}

on_every_database!(
    while_the_platform_says_when_to_come_back_nothing_is_sent,
    lanes_of_a_user_that_is_refused_do_not_stand_in_the_way_of_others,
    an_outage_does_not_burn_a_lane_whose_batches_must_not_be_sent_twice,
    an_outage_burns_a_single_batch_at_each_try,
    a_row_from_the_future_is_sent_at_once_though_the_lane_would_linger,
    three_culprits_in_a_batch_that_is_refused_as_a_whole_are_found_within_the_bound,
    a_lane_whose_rows_are_all_refused_with_the_same_words_pauses_and_says_so,
    a_lane_of_whose_rows_no_answer_tells_what_became_pauses_and_says_so,
    rows_that_break_a_rule_are_read_in_bounded_numbers_and_all_of_them_end,
    a_row_that_makes_the_platform_fail_each_time_ends_alone,
    a_row_that_makes_the_platform_fail_each_time_does_not_hold_up_its_lane,
    one_row_that_fails_each_time_holds_up_none_of_500,
    two_rows_that_fail_each_time_hold_up_none_of_500,
    ten_rows_that_fail_each_time_hold_up_none_of_500,
    a_row_that_fails_each_time_holds_up_nothing_after_a_restart_in_the_middle_of_the_search,
    a_row_that_fails_each_time_does_not_hold_a_lane_that_has_no_other,
    a_lane_full_of_rows_that_fail_each_time_has_a_bounded_number_of_batches_open,
    a_batch_that_fails_by_itself_is_taken_apart_though_its_lane_rests_in_between,
    failures_that_nobody_is_named_for_come_to_an_end,
    a_task_that_ends_after_a_lost_answer_judges_no_row,
    a_row_that_is_there_already_does_not_tell_that_the_task_goes_on,
    a_row_that_was_never_refused_before_is_not_judged_by_what_the_task_took,
    a_row_whose_answer_was_lost_is_rejected_if_the_task_takes_others_behind_its_refusal,
    an_adopted_row_that_may_have_arrived_and_breaks_a_rule_names_its_batch,
    a_list_that_names_nobody_puts_no_number_in_twice,
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
    let mut options = options(Duration::ZERO);
    options.tuning.batch_size = 5;
    options.tuning.max_in_flight_per_lane = 1;
    let left = run(db, |_| answer(503), options).await;
    let unconfirmed = "FROM contact_outbox WHERE fail_kind = 'unconfirmed'";
    assert_eq!(
        db.count(unconfirmed).await,
        5,
        "the batch that was sent, and no other"
    );
    assert_eq!((left.due, left.held), (0, 45));
}

/// Fails the first requests, each after a moment, and notes how many of them were out at once.
struct DownAtFirst {
    requests: AtomicUsize,
    out: AtomicUsize,
    most: Arc<AtomicUsize>,
}

#[async_trait]
impl Platform for DownAtFirst {
    async fn deliver(&self, _: &Batch) -> Reply {
        if self.requests.fetch_add(1, Ordering::SeqCst) >= 4 {
            return answer(200);
        }
        let out = self.out.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(out, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.out.fetch_sub(1, Ordering::SeqCst);
        answer(503)
    }
}

async fn an_outage_burns_a_single_batch_at_each_try(db: &Db) {
    for n in 0..60 {
        db.contact("u/t", &number(n)).await;
    }
    db.execute("UPDATE contact_outbox SET number_add_suffix = true")
        .await;
    let mut options = options(Duration::ZERO);
    options.tuning.batch_size = 5;
    options.tuning.max_in_flight_per_lane = 4;
    options.tuning.backoff.initial_interval = Duration::from_millis(100);
    let most = Arc::new(AtomicUsize::new(0));
    let platform = DownAtFirst {
        requests: AtomicUsize::new(0),
        out: AtomicUsize::new(0),
        most: Arc::clone(&most),
    };
    let courier = Courier::new(Arc::clone(&db.outbox), Arc::new(platform), options);
    let left = courier.run(Lifecycle::new(), Until::Done).await;
    assert!(left.expect("the database works").is_some());
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let ends = (ended(db, "unconfirmed").await, ended(db, "succeeded").await);
    assert_eq!(ends, (20, 40));
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

/// Returns the n-th of numbers that cannot be confused.
fn number(n: usize) -> String {
    format!("130{n:04}{n:04}")
}

/// Whether a batch carries one of these numbers.
fn carries(batch: &Batch, numbers: &[String]) -> bool {
    let mut carried = batch.contacts.iter().map(|contact| contact.phone.expose());
    carried.any(|carried| numbers.iter().any(|number| number == carried))
}

async fn three_culprits_in_a_batch_that_is_refused_as_a_whole_are_found_within_the_bound(db: &Db) {
    for n in 0..100 {
        db.contact("u/t", &number(n)).await;
    }
    let culprits = [5, 50, 99].map(number);
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let refuse = move |batch: &Batch| {
        counted.fetch_add(1, Ordering::Relaxed);
        answer(if carries(batch, &culprits) { 400 } else { 200 })
    };
    let left = run(db, refuse, options(Duration::ZERO)).await;
    assert_eq!(left, Backlog::default());
    let rejected = "FROM contact_outbox WHERE fail_kind = 'rejected'";
    assert_eq!(db.count(rejected).await, 3);
    let succeeded = "FROM contact_outbox WHERE status = 'succeeded'";
    assert_eq!(db.count(succeeded).await, 97);
    // 2·3·log2(100/3) + 3 is 33.3, and the batch itself.
    let requests = requests.load(Ordering::Relaxed);
    assert!(requests <= 34, "{requests}");
    let orphans = "FROM delivery_batch WHERE parent_id NOT IN (SELECT id FROM delivery_batch)";
    assert_eq!(db.count(orphans).await, 0);
}

async fn a_lane_whose_rows_are_all_refused_with_the_same_words_pauses_and_says_so(db: &Db) {
    for n in 0..60 {
        db.contact("u/bad", &number(n)).await;
        db.contact("u/good", &number(n)).await;
    }
    let refuse = |batch: &Batch| {
        let bad = batch.lane.task_id() == "bad";
        if bad { saying(1234, "?") } else { answer(200) }
    };
    let mut options = options(Duration::ZERO);
    options.tuning.batch_size = 20;
    options.tuning.max_in_flight_per_lane = 1;
    let left = run(db, refuse, options).await;
    assert_eq!((left.due, left.held), (0, 40));
    let rejected = "FROM contact_outbox WHERE fail_kind = 'rejected'";
    assert_eq!(db.count(rejected).await, 20, "one batch, and no other");
    let hold = "FROM delivery_lane WHERE task_id = 'bad' AND hold_reason = 'all_refused'
                AND failures = 1 AND hold_message LIKE '%1234%'";
    assert_eq!(db.count(hold).await, 1);
    let succeeded = "FROM contact_outbox WHERE status = 'succeeded'";
    assert_eq!(db.count(succeeded).await, 60, "the other lane goes on");
}

async fn a_lane_of_whose_rows_no_answer_tells_what_became_pauses_and_says_so(db: &Db) {
    for n in 0..60 {
        db.contact("u/bad", &number(n)).await;
        db.contact("u/good", &number(n)).await;
    }
    let miscount = |batch: &Batch| {
        if batch.lane.task_id() == "good" {
            return answer(200);
        }
        with_body(r#"{"code":200,"data":{"taskNumberCount":0,"fail_datas":[]}}"#)
    };
    let mut options = options(Duration::ZERO);
    options.tuning.batch_size = 20;
    options.tuning.max_in_flight_per_lane = 1;
    let left = run(db, miscount, options).await;
    assert_eq!((left.due, left.held), (0, 40));
    let unconfirmed = "FROM contact_outbox WHERE fail_kind = 'unconfirmed'";
    assert_eq!(db.count(unconfirmed).await, 20, "one batch, and no other");
    let hold = "FROM delivery_lane WHERE task_id = 'bad' AND hold_reason = 'all_refused'
                AND failures = 1 AND hold_message LIKE '%does not tell%ended so%'";
    assert_eq!(db.count(hold).await, 1);
    assert_eq!(db.count(SUCCEEDED).await, 60, "the other lane goes on");
}

async fn rows_that_break_a_rule_are_read_in_bounded_numbers_and_all_of_them_end(db: &Db) {
    const BAD: usize = 3_500;
    lane_of(db, BAD).await;
    // The table allows it, but no rule of the platform does.
    db.execute("UPDATE contact_outbox SET extra = 'x', ignore_crm = true")
        .await;
    for n in 0..50 {
        db.contact("u/t", &number(BAD + n)).await;
    }
    let left = run(db, |_| answer(200), options(Duration::ZERO)).await;
    assert_eq!(left, Backlog::default());
    let invalid = "FROM contact_outbox WHERE fail_kind = 'invalid'";
    assert_eq!(usize::try_from(db.count(invalid).await), Ok(BAD));
    assert_eq!(db.count(SUCCEEDED).await, 50);
}

async fn a_batch_that_fails_by_itself_is_taken_apart_though_its_lane_rests_in_between(db: &Db) {
    for n in 0..20 {
        db.contact("u/t", &number(n)).await;
    }
    let poison = [number(13)];
    let mut options = options(Duration::ZERO);
    // Longer than a lane keeps its place.
    options.tuning.backoff.initial_interval = Duration::from_millis(260);
    options.tuning.backoff.max_interval = Duration::from_millis(260);
    options.tuning.backoff.jitter = 0.0;
    let fail = move |batch: &Batch| answer(if carries(batch, &poison) { 500 } else { 200 });
    run(db, fail, options).await;
    // The run ends after twelve failures in a row, with a small part that is not taken apart yet.
    let succeeded = "FROM contact_outbox WHERE status = 'succeeded'";
    assert!(db.count(succeeded).await >= 15);
}

async fn a_row_that_makes_the_platform_fail_each_time_ends_alone(db: &Db) {
    for n in 0..100 {
        db.contact("u/t", &number(n)).await;
    }
    let poison = [number(57)];
    let mut options = options(Duration::ZERO);
    // After eight failures in a row the part waits for longer than the lane is held for.
    options.tuning.backoff.initial_interval = Duration::from_millis(1);
    options.tuning.backoff.multiplier = 3.0;
    options.tuning.limits.burst = NonZeroU32::new(1_000).expect("more than none");
    let fail = move |batch: &Batch| answer(if carries(batch, &poison) { 500 } else { 200 });
    run(db, fail.clone(), options.clone()).await;
    let succeeded = "FROM contact_outbox WHERE status = 'succeeded'";
    assert_eq!(db.count(succeeded).await, 99);
    // The row goes on failing, and others pass.
    let long_ago = db.now(-1_800);
    db.execute(&format!(
        "UPDATE delivery_batch SET failing_since = {long_ago} WHERE state <> 'closed'"
    ))
    .await;
    db.execute("UPDATE delivery_lane SET held_until = NULL, failures = 0")
        .await;
    db.contact("u/other", &number(1)).await;
    for _ in 0..2 {
        run(db, fail.clone(), options.clone()).await;
    }
    assert_eq!(db.count(succeeded).await, 100);
    let alone = "FROM contact_outbox WHERE fail_kind = 'unconfirmed'
                 AND fail_cause LIKE '%with this contact alone fail%'";
    assert_eq!(db.count(alone).await, 1);
}

async fn a_row_that_makes_the_platform_fail_each_time_does_not_hold_up_its_lane(db: &Db) {
    for n in 0..30 {
        db.contact("u/t", &number(n)).await;
    }
    let poison = [number(0)];
    let mut options = options(Duration::ZERO);
    options.tuning.batch_size = 1;
    options.tuning.limits.burst = NonZeroU32::new(1_000).expect("more than none");
    // After three failures in a row the lane would wait for longer than the run lasts.
    options.tuning.backoff.initial_interval = Duration::from_millis(1);
    options.tuning.backoff.multiplier = 30.0;
    options.tuning.backoff.jitter = 0.0;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let fail = move |batch: &Batch| {
        let is_poison = carries(batch, &poison);
        counted.fetch_add(usize::from(is_poison), Ordering::Relaxed);
        answer(if is_poison { 500 } else { 200 })
    };
    let left = run(db, fail.clone(), options.clone()).await;
    let succeeded = "FROM contact_outbox WHERE status = 'succeeded'";
    assert_eq!(db.count(succeeded).await, 29);
    let held = "FROM delivery_lane WHERE held_until IS NOT NULL";
    assert_eq!(db.count(held).await, 0, "only the row waits: {left:?}");
    // Other contacts do not make the row go sooner.
    db.contact("u/t", &number(99)).await;
    let before = sent.load(Ordering::Relaxed);
    run(db, fail, options).await;
    assert_eq!(db.count(succeeded).await, 30);
    assert!(sent.load(Ordering::Relaxed) <= before + 4);
}

/// Counts the requests, and the failed ones: a request with a poisoned row fails.
#[derive(Clone)]
struct Poisoned {
    poison: Arc<Vec<String>>,
    requests: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
}

impl Poisoned {
    fn new(poison: &[usize]) -> Self {
        let poison = poison.iter().copied().map(number).collect();
        Self {
            poison: Arc::new(poison),
            requests: Arc::default(),
            failed: Arc::default(),
        }
    }

    fn handle(&self, batch: &Batch) -> Reply {
        let fails = carries(batch, &self.poison);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(usize::from(fails), Ordering::Relaxed);
        answer(if fails { 500 } else { 200 })
    }

    fn platform(&self) -> impl Fn(&Batch) -> Reply + Send + Sync + use<> {
        let this = self.clone();
        move |batch: &Batch| this.handle(batch)
    }

    fn counts(&self) -> (usize, usize) {
        let count = |counted: &AtomicUsize| counted.load(Ordering::Relaxed);
        (count(&self.requests), count(&self.failed))
    }
}

/// Each wait is so many times the last one, and the first is a millisecond. A run ends when the
/// lane waits for more than five seconds.
fn steep(mut options: CourierOptions, multiplier: f64) -> CourierOptions {
    options.tuning.limits.burst = NonZeroU32::new(1_000).expect("more than none");
    options.tuning.backoff.initial_interval = Duration::from_millis(1);
    options.tuning.backoff.multiplier = multiplier;
    options.tuning.backoff.jitter = 0.0;
    options
}

const SUCCEEDED: &str = "FROM contact_outbox WHERE status = 'succeeded'";

const HELD: &str = "FROM delivery_lane WHERE held_until IS NOT NULL";

/// Inserts the first `n` numbers into a lane.
async fn lane_of(db: &Db, n: usize) {
    let rows: Vec<String> = (0..n)
        .map(|n| format!("('u', 't', '{}')", number(n)))
        .collect();
    for rows in rows.chunks(100) {
        let rows = rows.join(", ");
        let insert = "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES";
        db.execute(&format!("{insert} {rows}")).await;
    }
}

/// Delivers 500 rows in a lane, of which these fail each time. All others are delivered, and the
/// lane is never held for long. The same goes for a row that comes after a restart.
async fn holds_up_none_of_500(db: &Db, poison: &[usize], multiplier: f64, most: usize) {
    lane_of(db, 500).await;
    let poisoned = Poisoned::new(poison);
    let options = steep(options(Duration::ZERO), multiplier);
    let good = i64::try_from(500 - poison.len()).expect("few");
    let mut left = run(db, poisoned.platform(), options.clone()).await;
    // On a busy machine, a run may end while its lane still waits.
    for _ in 0..5 {
        if db.count(SUCCEEDED).await == good {
            break;
        }
        left = run(db, poisoned.platform(), options.clone()).await;
    }
    assert_eq!(db.count(SUCCEEDED).await, good, "{left:?}");
    assert_eq!(db.count(HELD).await, 0, "only the rows wait: {left:?}");
    let (requests, failed) = poisoned.counts();
    assert!(requests <= most, "{requests} requests, {failed} failed");
    // Another courier does not know what this one has learned.
    db.contact("u/t", &number(600)).await;
    let left = run(db, poisoned.platform(), options).await;
    assert_eq!(db.count(SUCCEEDED).await, good + 1, "{left:?}");
    let (again, _) = poisoned.counts();
    let tries = 6 * poison.len();
    assert!(again <= requests + 1 + tries, "{again} after {requests}");
}

async fn one_row_that_fails_each_time_holds_up_none_of_500(db: &Db) {
    holds_up_none_of_500(db, &[57], 30.0, 40).await;
}

async fn two_rows_that_fail_each_time_hold_up_none_of_500(db: &Db) {
    holds_up_none_of_500(db, &[0, 301], 30.0, 70).await;
}

async fn ten_rows_that_fail_each_time_hold_up_none_of_500(db: &Db) {
    let poison: Vec<usize> = (0..10).map(|nth| nth * 50 + nth).collect();
    // If each of the first batches fails, only their parts show that the lane does not.
    holds_up_none_of_500(db, &poison, 5.0, 400).await;
}

async fn a_row_that_fails_each_time_holds_up_nothing_after_a_restart_in_the_middle_of_the_search(
    db: &Db,
) {
    lane_of(db, 500).await;
    let poisoned = Poisoned::new(&[57]);
    let options = steep(options(Duration::ZERO), 5.0);
    // Each courier ends after a few more requests than the one before.
    for most in 1..12 {
        let life = Lifecycle::new();
        let (ends, counted) = (life.clone(), AtomicUsize::new(0));
        let answer = poisoned.platform();
        let platform = move |batch: &Batch| {
            if counted.fetch_add(1, Ordering::Relaxed) >= most {
                ends.stop();
            }
            answer(batch)
        };
        let outbox = Arc::clone(&db.outbox);
        let courier = Courier::new(outbox, Arc::new(Scripted(platform)), options.clone());
        let ended = courier.run(life, Until::Done).await;
        ended.expect("the database works");
    }
    let left = run(db, poisoned.platform(), options).await;
    assert_eq!(db.count(SUCCEEDED).await, 499, "{left:?}");
    assert_eq!(db.count(HELD).await, 0, "{left:?}");
    let (requests, failed) = poisoned.counts();
    assert!(requests <= 110, "{requests} requests, {failed} failed");
}

async fn a_row_that_fails_each_time_does_not_hold_a_lane_that_has_no_other(db: &Db) {
    db.contact("u/t", &number(0)).await;
    let poisoned = Poisoned::new(&[0]);
    let options = steep(options(Duration::ZERO), 30.0);
    run(db, poisoned.platform(), options.clone()).await;
    let (requests, _) = poisoned.counts();
    assert_eq!(requests, 4, "the next one is a long time away");
    db.contact("u/t", &number(1)).await;
    run(db, poisoned.platform(), options).await;
    assert_eq!(db.count(SUCCEEDED).await, 1);
    assert!(poisoned.counts().0 <= requests + 4, "it waits for its time");
}

async fn a_lane_full_of_rows_that_fail_each_time_has_a_bounded_number_of_batches_open(db: &Db) {
    const BATCH: usize = 10;
    lane_of(db, 2_400).await;
    let poison: Vec<usize> = (BATCH..2_400).step_by(2 * BATCH).collect();
    let poisoned = Poisoned::new(&poison);
    // A batch that has failed twice waits for longer than the run does.
    let mut options = steep(options(Duration::ZERO), 1e7);
    options.tuning.batch_size = BATCH;
    options.tuning.max_in_flight_per_lane = 1;
    let left = run(db, poisoned.platform(), options).await;
    let batches = db
        .count("FROM delivery_batch WHERE state <> 'closed'")
        .await;
    // 1,000 rows, or one more batch that was composed just before.
    assert!((100..=101).contains(&batches), "{batches}, {left:?}");
    db.execute("UPDATE delivery_lane SET held_until = NULL")
        .await;
    let leased = db.lease("u/t", db.courier().await).await;
    let rows: usize = leased.open.iter().map(|batch| batch.rows.len()).sum();
    assert!(rows <= 1_000 + BATCH, "{rows} rows are read at once");
    let more = "FROM contact_outbox WHERE status = 'pending' AND phone >= '13021'";
    assert!(db.count(more).await >= 300, "the rest has to wait");
}

/// Returns a list that names no number; numbers that are already there are in it, too.
fn nameless(batch: &Batch, bad: &[String], held: &mut HashSet<String>) -> Reply {
    let (mut count, mut causes) = (0, Vec::new());
    for contact in &batch.contacts {
        let number = contact.phone.expose().to_owned();
        if bad.contains(&number) {
            causes.push("格式不正确。");
        } else if held.insert(number) {
            count += 1;
        } else {
            causes.push("号码重复。");
        }
    }
    let entry = |cause: &&str| format!("{{\"fail_data\":\"\",\"fail_cause\":\"{cause}\"}}");
    let list: Vec<String> = causes.iter().map(entry).collect();
    let list = list.join(",");
    with_body(&format!(
        "{{\"code\":200,\"data\":{{\"taskNumberCount\":{count},\"fail_datas\":[{list}]}}}}"
    ))
}

async fn failures_that_nobody_is_named_for_come_to_an_end(db: &Db) {
    for n in 0..100 {
        db.contact("u/t", &number(n)).await;
    }
    let bad = [3, 40, 97].map(number);
    let (requests, held) = (AtomicUsize::new(0), Mutex::default());
    let (requests, held) = (Arc::new(requests), Arc::new(held));
    let (counted, task) = (Arc::clone(&requests), Arc::clone(&held));
    let platform = move |batch: &Batch| {
        counted.fetch_add(1, Ordering::Relaxed);
        nameless(batch, &bad, &mut task.lock().expect("nobody panicked"))
    };
    let left = run(db, platform, options(Duration::ZERO)).await;
    assert_eq!(left, Backlog::default());
    assert_eq!(ended(db, "succeeded").await, 97);
    assert_eq!(ended(db, "rejected").await, 3);
    assert_eq!(held.lock().expect("nobody panicked").len(), 97);
    let requests = requests.load(Ordering::Relaxed);
    assert!(requests < 200, "{requests}");
}

/// The task takes the first batch of `batch_size` rows, whose answer is lost, and the second one. Then
/// the task ends.
async fn lost_then_taken_then_ended(db: &Db, rows: usize, batch_size: usize) {
    for n in 0..rows {
        db.contact("u/t", &number(n)).await;
    }
    let requests = AtomicUsize::new(0);
    let platform = move |_: &Batch| match requests.fetch_add(1, Ordering::Relaxed) {
        0 => answer(503),
        1 => answer(200),
        _ => saying(422, "任务已结束"),
    };
    let mut options = options(Duration::ZERO);
    options.tuning.batch_size = batch_size;
    options.tuning.backoff.initial_interval = Duration::from_millis(20);
    run(db, platform, options).await;
}

async fn a_task_that_ends_after_a_lost_answer_judges_no_row(db: &Db) {
    lost_then_taken_then_ended(db, 8, 4).await;
    assert_eq!(ended(db, "succeeded").await, 4);
    assert_eq!(ended(db, "rejected").await, 0);
    assert!(ended(db, "unconfirmed").await > 0);
}

/// Imports all rows and loses the answers of these requests, of `batch_size` rows each. Then it says
/// "already there" so often, and then the task has ended.
async fn lost_then_there_then_ended(db: &Db, batch_size: usize, lost: usize, there: usize) {
    for n in 0..4 {
        db.contact("u/t", &number(n)).await;
    }
    let requests = AtomicUsize::new(0);
    let platform = move |_: &Batch| match requests.fetch_add(1, Ordering::Relaxed) {
        nth if nth < lost => answer(503),
        nth if nth < lost + there => saying(422, "号码重复"),
        _ => saying(422, "任务已结束"),
    };
    let mut options = options(Duration::ZERO);
    options.tuning.batch_size = batch_size;
    options.tuning.backoff.initial_interval = Duration::from_millis(20);
    run(db, platform, options).await;
}

async fn a_row_that_is_there_already_does_not_tell_that_the_task_goes_on(db: &Db) {
    // The whole batch is refused, then its first row alone.
    lost_then_there_then_ended(db, 4, 1, 2).await;
    assert_eq!(ended(db, "succeeded").await, 1);
    assert_eq!(ended(db, "unconfirmed").await, 3, "all are in the task");
}

async fn a_row_that_was_never_refused_before_is_not_judged_by_what_the_task_took(db: &Db) {
    lost_then_taken_then_ended(db, 2, 1).await;
    assert_eq!(ended(db, "succeeded").await, 1);
    assert_eq!(ended(db, "unconfirmed").await, 1, "it is in the task");
}

async fn a_row_whose_answer_was_lost_is_rejected_if_the_task_takes_others_behind_its_refusal(
    db: &Db,
) {
    for n in 0..4 {
        db.contact("u/t", &number(n)).await;
    }
    let requests = AtomicUsize::new(0);
    let bad = number(3);
    let platform = move |batch: &Batch| {
        if requests.fetch_add(1, Ordering::Relaxed) == 0 {
            return answer(503);
        }
        if batch.contacts.iter().any(|c| c.phone.expose() == bad) {
            return saying(422, "号码格式错误");
        }
        let counted = batch.contacts.len();
        with_body(&format!(
            "{{\"code\":200,\"data\":{{\"taskNumberCount\":{counted}}}}}"
        ))
    };
    let mut options = options(Duration::ZERO);
    options.tuning.backoff.initial_interval = Duration::from_millis(20);
    run(db, platform, options).await;
    assert_eq!(ended(db, "succeeded").await, 3);
    assert_eq!(ended(db, "rejected").await, 1);
}

async fn an_adopted_row_that_may_have_arrived_and_breaks_a_rule_names_its_batch(db: &Db) {
    let (before, row) = (db.courier().await, db.contact("u/t", &number(1)).await);
    let lease = db.lease("u/t", before).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.outbox.release(&lease).await.expect("releases");
    // Rows may be no longer than that by now.
    let mut options = options(Duration::ZERO);
    options.request.max_contact_bytes = 1;
    run(db, |_| answer(200), options).await;
    assert_eq!(ended(db, "unconfirmed").await, 1);
    let story = db.operations.story(ContactId(row)).await;
    let contact = story.expect("reads").expect("it is there").contact;
    assert_eq!(contact.batch_id, Some(batch.batch.to_string()));
    assert_eq!(contact.attempts, 1);
}

/// The platform skips the bad number, imports the others, and reports a failure whose name is nobody's.
/// With a suffix of its own it takes a number as often as it comes.
async fn a_list_that_names_nobody_puts_no_number_in_twice(db: &Db) {
    for n in 0..4 {
        db.contact("u/t", &number(n)).await;
    }
    db.execute("UPDATE contact_outbox SET number_add_suffix = true")
        .await;
    let held: Arc<Mutex<Vec<String>>> = Arc::default();
    let (task, bad) = (Arc::clone(&held), number(2));
    let platform = move |batch: &Batch| {
        let numbers = batch.contacts.iter().map(|c| c.phone.expose().to_owned());
        let (refused, taken): (Vec<_>, Vec<_>) = numbers.partition(|number| *number == bad);
        task.lock().expect("nobody panicked").extend(taken);
        if refused.is_empty() {
            return answer(200);
        }
        with_body(
            r#"{"code":422,"status":"error","message":"部分号码有误","data":{"fail_datas":[{"fail_data":"130xxxx","fail_cause":"格式不正确。"}]}}"#,
        )
    };
    run(db, platform, options(Duration::ZERO)).await;
    let mut held = held.lock().expect("nobody panicked").clone();
    held.sort_unstable();
    assert_eq!(held, [number(0), number(1), number(3)]);
    assert_eq!(ended(db, "unconfirmed").await, 4);
}

async fn while_the_platform_says_when_to_come_back_nothing_is_sent(db: &Db) {
    for lane in 0..20 {
        db.contact(&format!("u/t{lane:02}"), "13000001111").await;
    }
    let wait = Duration::from_secs(1);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    let platform = move |_: &Batch| {
        let mut calls = noted.lock().expect("nobody panicked");
        calls.push(Instant::now());
        if calls.len() > 3 {
            return answer(200);
        }
        Reply::Answer(Answer::new(429, Some(wait), b""))
    };
    let mut options = options(Duration::ZERO);
    options.tuning.max_in_flight = 1;
    let left = run(db, platform, options).await;
    assert_eq!((left.due, left.held), (0, 0));
    let calls = calls.lock().expect("nobody panicked");
    // Each of the first three was answered with 429: the next one came when that time was over.
    for pair in calls[..4].windows(2) {
        assert!(pair[1] - pair[0] >= wait, "{:?}", pair[1] - pair[0]);
    }
    assert_eq!(calls.len(), 23);
}

/// Runs on servers alone, because it takes several couriers at once.
mod sharing {
    use super::*;

    on_every_server!(couriers_that_share_a_rate_do_not_break_it_together);

    async fn couriers_that_share_a_rate_do_not_break_it_together(db: &Db) {
        const RATE: usize = 20;
        for lane in 0..6 {
            for n in 0..10 {
                db.contact(&format!("u/t{lane}"), &format!("130{n:02}00{n:04}"))
                    .await;
            }
        }
        let sent = Arc::new(Mutex::new(Vec::new()));
        let couriers = (0..2).map(|_| {
            let sent = Arc::clone(&sent);
            let mut options = options(Duration::ZERO);
            options.tuning.batch_size = 1;
            options.tuning.limits.requests_per_second = 20.0;
            options.shared_limits = true;
            let platform = move |_: &Batch| {
                sent.lock().expect("nobody panicked").push(Instant::now());
                answer(200)
            };
            run(db, platform, options)
        });
        Box::pin(both(couriers)).await;
        let sent = sent.lock().expect("nobody panicked");
        assert_eq!(sent.len(), 60);
        let second = Duration::from_secs(1);
        for first in sent.iter() {
            let within = sent
                .iter()
                .filter(|at| **at >= *first && **at - *first <= second);
            // A courier may be delayed between its slot and its request, and two that share nothing send
            // twice the rate.
            let within = within.count();
            assert!(within <= RATE + RATE / 5, "{within} within a second");
        }
    }

    /// Runs both at the same time.
    async fn both(mut couriers: impl Iterator<Item = impl Future<Output = Backlog>>) {
        let (one, other) = (couriers.next(), couriers.next());
        let (one, other) = (one.expect("a courier"), other.expect("another"));
        tokio::join!(one, other);
    }
}
