//! Users that are told "too many" alone, beside the backlog of a good one.

use std::time::Duration;

use tokio::time::timeout;

use super::trouble::{Street, users};
use crate::support::Db;

/// Requests a second.
const RATE: usize = 50;

/// Contacts of the good user, one in each request: twelve seconds' worth.
const GOOD: usize = 12 * RATE;

/// They are through by then at most.
const SOON: Duration = Duration::from_secs(24);

#[tokio::test]
async fn many_users_that_are_told_not_now_alone_do_not_slow_a_good_one() {
    serves_a_backlog_beside(users("limited", 20)).await;
}

#[tokio::test]
async fn a_user_that_may_send_once_a_second_does_not_slow_a_good_one() {
    serves_a_backlog_beside(vec![("slow".to_owned(), "task".to_owned()); GOOD]).await;
}

#[tokio::test]
async fn tasks_that_may_send_once_a_second_do_not_slow_others_of_their_user() {
    let slow = ("good".to_owned(), "slow".to_owned());
    serves_a_backlog_beside(vec![slow; GOOD]).await;
}

async fn serves_a_backlog_beside(others: Vec<(String, String)>) {
    let db = Db::sqlite().await;
    let rate = RATE.to_string();
    let settings = [
        ("rate_limit.requests_per_second", rate.as_str()),
        ("delivery.batch_size", "1"),
    ];
    let rows = |lanes: &[(String, String)], prefix: &str| {
        let row = |(nth, (user, task)): (usize, &(String, String))| {
            format!("('{user}', '{task}', '{prefix}{nth:08}')")
        };
        let rows: Vec<String> = lanes.iter().enumerate().map(row).collect();
        let insert = "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES";
        format!("{insert} {}", rows.join(", "))
    };
    let good = vec![("good".to_owned(), "task".to_owned()); GOOD];
    db.execute(&rows(&good, "131")).await;
    let street = Street::of(&db, &settings, Vec::new()).await;
    street.platform.until(|came| !came.is_empty()).await;
    db.execute(&rows(&others, "132")).await;
    let count = |came: &[String]| came.iter().filter(|user| *user == "good").count();
    let served = street.platform.until(|came| count(came) >= GOOD);
    let is_served = timeout(SOON, served).await.is_ok();
    let came = street.platform.came();
    let (good, all) = (count(&came), came.len());
    assert!(is_served, "{good} of {GOOD} came, of {all} requests");
    street.program.kill().await;
}
