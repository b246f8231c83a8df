//! What bad lanes leave of the rate, good lanes can use.

use super::trouble::{Street, tasks, users};
use crate::support::Db;

/// Requests per second: few enough for a busy machine.
const RATE: f64 = 20.0;

/// Lanes in each kind of trouble.
const OF_EACH: usize = 80;

/// Good lanes of one row each, and so many requests.
const GOOD: usize = 60;

/// The first of them do not count: the courier has to find them.
const BEGINNING: usize = 5;

#[tokio::test]
async fn what_bad_lanes_leave_of_the_rate_is_used_by_good_ones() {
    let db = Db::sqlite().await;
    let mut bad = tasks("broken", OF_EACH);
    for kind in ["missing", "running", "forbidden"] {
        bad.extend(users(kind, OF_EACH));
    }
    let rate = RATE.to_string();
    let settings = [("rate_limit.requests_per_second", rate.as_str())];
    let street = Street::of(&db, &settings, bad).await;
    street.platform.until(|came| came.len() >= OF_EACH).await;
    let before = street.platform.came().len();
    Street::insert(&db, &users("good", GOOD)).await;
    let is_good = |user: &&String| user.starts_with("good");
    let count = |came: &[String]| came.iter().filter(is_good).count();
    street.platform.until(|came| count(came) >= GOOD).await;
    let (came, instants) = (street.platform.came(), street.platform.instants());
    let good = came.iter().enumerate().skip(before);
    let good: Vec<usize> = good
        .filter(|(_, user)| is_good(user))
        .map(|(nth, _)| nth)
        .collect();
    let (from, to) = (good[BEGINNING], good[GOOD - 1]);
    let others = to - from - (GOOD - 1 - BEGINNING);
    // Probes get a tenth of the rate, and retries two requests a second.
    assert!(others <= GOOD / 2, "{others} others came among {GOOD}");
    // It is 95 % on a quiet machine, and less on a busy one. Where lanes stood in the way, it was a
    // twentieth.
    let seconds = (instants[to] - instants[from]).as_secs_f64();
    let room = u32::try_from((to - from) * 5).unwrap();
    assert!(
        f64::from(room) >= RATE * seconds,
        "{} requests in {seconds} s",
        to - from
    );
    street.program.kill().await;
}
