//! A platform that is down for lanes of a single row each.

use super::trouble::{Street, users};
use crate::support::Db;
use crate::world::until;

/// Lanes of as many users.
const LANES: usize = 8;

/// The log's words when the breaker opens.
const OPENS: &str = "the platform fails again and again";

#[tokio::test]
async fn single_rows_that_fail_in_many_lanes_open_the_breaker_again() {
    let db = Db::sqlite().await;
    let settings = [
        ("retry.initial_interval", "20ms"),
        ("retry.max_interval", "50ms"),
    ];
    let street = Street::of(&db, &settings, users("broken", LANES)).await;
    // By then each row counts as one that fails by itself.
    let tried = "FROM delivery_batch WHERE attempts > 3";
    let lanes = i64::try_from(LANES).unwrap();
    until("each row has failed", async || {
        db.count(tried).await == lanes
    })
    .await;
    Street::insert(&db, &users("good", 1)).await;
    street.program.says("the platform answers again").await;
    until("the breaker opens again", async || {
        street.program.log().matches(OPENS).count() > 1
    })
    .await;
    street.program.kill().await;
}
