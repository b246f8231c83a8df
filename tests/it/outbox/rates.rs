//! Rates that couriers share: slices that never overlap.

use std::ops::RangeInclusive;
use std::time::Duration;

use contact_courier::outbox::{LearnedRate, RateClaim};
use tokio::time::Instant;

use crate::support::app::App;
use crate::support::{Db, on_every_database};

on_every_database!(
    slices_of_a_rate_follow_one_another_and_begin_now_when_nobody_claimed_for_a_while,
    rates_of_different_names_know_nothing_of_each_other,
    a_slice_may_begin_as_far_back_as_the_burst_says,
    a_slice_begins_as_far_ahead_as_the_claim_leads,
    claims_that_are_made_at_the_same_time_do_not_overlap,
    what_was_learned_of_the_rate_is_there_for_the_next_courier,
    rates_that_nobody_has_used_for_a_week_are_forgotten,
);

const MINUTE: i64 = 60_000_000;

async fn claim(db: &Db, name: &str, burst: Duration) -> i64 {
    let claim = RateClaim {
        name,
        span: Duration::from_mins(1),
        burst,
        lead: Duration::ZERO,
        furthest: Duration::MAX,
        restart: Duration::ZERO,
    };
    db.outbox.claim_rate(&claim).await.expect("claims")
}

/// Claims, and checks the result, which counts from the call on and includes the wait for a session: it
/// may be later by the time of the call, and by a rounded clock.
pub(super) async fn begins_in(micros: i64, claim: impl Future<Output = i64>) {
    begins_within(micros..=micros, claim).await;
}

/// The same for a result that depends on the time since an earlier claim.
async fn begins_within(right: RangeInclusive<i64>, claim: impl Future<Output = i64>) -> i64 {
    let asked = Instant::now();
    let told = claim.await;
    let took = i64::try_from(asked.elapsed().as_micros()).expect("a short time");
    let right = *right.start()..=right.end() + took + 1_000;
    assert!(right.contains(&told), "{told} is not in {right:?}");
    told
}

async fn slices_of_a_rate_follow_one_another_and_begin_now_when_nobody_claimed_for_a_while(
    db: &Db,
) {
    begins_in(0, claim(db, "all", Duration::ZERO)).await;
    // A minute behind the first, less the time that has passed.
    let second = begins_within(1..=MINUTE, claim(db, "all", Duration::ZERO)).await;
    begins_within(second + 1..=2 * MINUTE, claim(db, "all", Duration::ZERO)).await;
    db.execute("UPDATE rate_budget SET given_until = given_until - 3600000000")
        .await;
    begins_in(0, claim(db, "all", Duration::ZERO)).await;
}

async fn rates_of_different_names_know_nothing_of_each_other(db: &Db) {
    begins_in(0, claim(db, "user:a", Duration::ZERO)).await;
    begins_in(0, claim(db, "user:A", Duration::ZERO)).await;
}

async fn a_slice_may_begin_as_far_back_as_the_burst_says(db: &Db) {
    let burst = Duration::from_secs(9);
    begins_in(-9_000_000, claim(db, "all", burst)).await;
}

async fn a_slice_begins_as_far_ahead_as_the_claim_leads(db: &Db) {
    let claim = RateClaim {
        name: "all",
        span: Duration::from_mins(1),
        burst: Duration::ZERO,
        lead: Duration::from_secs(5),
        furthest: Duration::MAX,
        restart: Duration::ZERO,
    };
    let claims = async || db.outbox.claim_rate(&claim).await.expect("claims");
    begins_in(5_000_000, claims()).await;
    // Behind the first slice, which is further ahead than the second leads.
    begins_within(MINUTE..=MINUTE + 5_000_000, claims()).await;
}

async fn claims_that_are_made_at_the_same_time_do_not_overlap(db: &Db) {
    let claims = (0..8).map(|_| {
        let outbox = std::sync::Arc::clone(&db.outbox);
        tokio::spawn(async move {
            let claim = RateClaim {
                name: "all",
                span: Duration::from_mins(1),
                burst: Duration::ZERO,
                lead: Duration::ZERO,
                furthest: Duration::MAX,
                restart: Duration::ZERO,
            };
            outbox.claim_rate(&claim).await.expect("claims")
        })
    });
    let claims: Vec<_> = claims.collect();
    let mut begins = Vec::new();
    for claim in claims {
        begins.push(claim.await.expect("a claim"));
    }
    begins.sort_unstable();
    // Each result counts from the beginning of its own call, and the calls are seconds apart at
    // most.
    for (nth, begins) in (0..).zip(&begins) {
        let expected = nth * MINUTE;
        assert!(
            (expected - 5_000_000..=expected + 5_000_000).contains(begins),
            "{begins}"
        );
    }
    assert_eq!(db.count("FROM rate_budget").await, 1);
}

async fn what_was_learned_of_the_rate_is_there_for_the_next_courier(db: &Db) {
    let learned = async || db.outbox.learned_rate().await.expect("it can be asked");
    assert_eq!(learned().await, None);
    let mut kept = LearnedRate {
        hurt: 20.5,
        low: 14.0,
        stays_seconds: 20.0,
        seconds_ago: 3.0,
    };
    db.outbox.keep_rate(&kept).await.expect("it is kept");
    kept.hurt = 19.5;
    db.outbox.keep_rate(&kept).await.expect("it is kept");
    let hour_ago = db.now(-3_600);
    db.execute(&format!(
        "UPDATE rate_budget SET learned_at = {hour_ago} WHERE name = 'learned'"
    ))
    .await;
    let told = learned().await.expect("something was learned");
    assert!((3_603.0..3_700.0).contains(&told.seconds_ago), "{told:?}");
    kept.seconds_ago = told.seconds_ago;
    assert_eq!(told, kept);
    db.execute("UPDATE rate_budget SET learned = 'nonsense' WHERE name = 'learned'")
        .await;
    assert_eq!(learned().await, None);
}

/// Keeps a learned rate, and three rates of which one was used last longer than a week ago.
pub(super) async fn some_are_unused(db: &Db) {
    let learned = LearnedRate {
        hurt: 20.5,
        low: 14.0,
        stays_seconds: 20.0,
        seconds_ago: 3.0,
    };
    db.outbox.keep_rate(&learned).await.expect("it is kept");
    for (name, unused_days) in [("all", 0), ("user:lately", 6), ("user:gone", 8)] {
        claim(db, name, Duration::ZERO).await;
        let micros = unused_days * 86_400_000_000_i64;
        db.execute(&format!(
            "UPDATE rate_budget SET given_until = given_until - {micros} WHERE name = '{name}'"
        ))
        .await;
    }
}

async fn rates_that_nobody_has_used_for_a_week_are_forgotten(db: &Db) {
    some_are_unused(db).await;
    db.outbox.forget_rates().await.expect("it forgets");
    assert_eq!(db.count("FROM rate_budget").await, 3);
    let gone = "FROM rate_budget WHERE name = 'user:gone'";
    assert_eq!(db.count(gone).await, 0);
}

/// The app keeps the file locked for a second.
#[tokio::test]
async fn the_wait_for_a_turn_is_no_part_of_a_slice() {
    let db = Db::sqlite().await;
    let app = App::locks_the_instances(&db).await;
    let app = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.ends().await;
    };
    let (told, ()) = tokio::join!(claim(&db, "all", Duration::ZERO), app);
    assert!(told >= 500_000, "{told}");
}
