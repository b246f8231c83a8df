//! Users that get a 401 or 429 alone, and a good one beside them.

use std::time::Duration;

use tokio::time::timeout;

use super::trouble::{Street, users};
use crate::support::Db;

/// Good contacts, one after the other.
const GOOD: usize = 10;

/// Users that are turned away.
const BAD: usize = 2;

/// More of them than are taken for the only ones.
const MANY: usize = 8;

/// The first wait of all. The longest one is as long.
const WAIT: &str = "2s";

/// A good contact that has not come by then does not come.
const NEVER: Duration = Duration::from_secs(20);

#[tokio::test]
async fn users_whose_token_is_refused_alone_do_not_hold_up_a_good_one() {
    serves_a_good_user_beside("stranger", BAD, |_| 0).await;
}

#[tokio::test]
async fn users_that_are_told_not_now_alone_do_not_hold_up_a_good_one() {
    serves_a_good_user_beside("limited", BAD, |_| 0).await;
}

#[tokio::test]
async fn many_users_that_are_told_not_now_alone_do_not_hold_up_new_tasks_of_a_good_one() {
    serves_a_good_user_beside("limited", MANY, |nth| nth).await;
}

/// The n-th good contact goes into the task with the number that `task` returns. While it waits, each of the
/// others comes twice at the most.
async fn serves_a_good_user_beside(bad: &str, others: usize, task: impl Fn(usize) -> usize) {
    let db = Db::sqlite().await;
    let waits = [
        ("retry.initial_interval", WAIT),
        ("retry.max_interval", WAIT),
    ];
    let street = Street::of(&db, &waits, users(bad, others)).await;
    let mut before = street.platform.until(|came| !came.is_empty()).await.len();
    for nth in 0..GOOD {
        let row = format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone)
             VALUES ('good', 'task-{}', '131{nth:08}')",
            task(nth)
        );
        db.execute(&row).await;
        let count = |came: &[String]| came.iter().filter(|user| *user == "good").count();
        let came = street.platform.until(|came| count(came) > nth);
        let came = timeout(NEVER, came).await.expect("the good contact comes");
        let came_before = came.len() - 1 - before;
        assert!(
            came_before <= 2 * others,
            "{came_before} came before the good one {nth}"
        );
        before = came.len();
    }
    street.program.kill().await;
}
