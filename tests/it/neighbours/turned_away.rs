//! Users that get a 401 or 429 alone, and a good one beside them.

use std::time::Duration;

use tokio::time::timeout;

use super::trouble::{Street, users};
use crate::support::Db;

/// Good contacts, one after the other.
const GOOD: usize = 10;

/// Users that are turned away.
const BAD: usize = 2;

/// The first wait of all. The longest one is as long.
const WAIT: &str = "2s";

/// The most requests of others while a good contact waits.
const OTHERS: usize = 2 * BAD;

/// A good contact that has not come by then does not come.
const NEVER: Duration = Duration::from_secs(20);

#[tokio::test]
async fn users_whose_token_is_refused_alone_do_not_hold_up_a_good_one() {
    serves_a_good_user_beside("stranger").await;
}

#[tokio::test]
async fn users_that_are_told_not_now_alone_do_not_hold_up_a_good_one() {
    serves_a_good_user_beside("limited").await;
}

async fn serves_a_good_user_beside(bad: &str) {
    let db = Db::sqlite().await;
    let waits = [
        ("retry.initial_interval", WAIT),
        ("retry.max_interval", WAIT),
    ];
    let street = Street::of(&db, &waits, users(bad, BAD)).await;
    let mut before = street.platform.until(|came| !came.is_empty()).await.len();
    for nth in 0..GOOD {
        let row = format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone)
             VALUES ('good', 'task', '131{nth:08}')"
        );
        db.execute(&row).await;
        let count = |came: &[String]| came.iter().filter(|user| *user == "good").count();
        let came = street.platform.until(|came| count(came) > nth);
        let came = timeout(NEVER, came).await.expect("the good contact comes");
        let others = came.len() - 1 - before;
        assert!(others <= OTHERS, "{others} came before the good one {nth}");
        before = came.len();
    }
    street.program.kill().await;
}
