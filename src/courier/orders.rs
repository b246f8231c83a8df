//! Operators' orders, read from the database a few times a second.
//!
//! [`super::pauses`] holds the pauses. A resumed lane is tried at once: the gates in its way let a
//! probe pass, and its rest ends.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::context::Context;
use super::watch::DatabaseWork;
use crate::telemetry::event::Resumed;

/// The time between two reads. So an order is in force within a second.
const INTERVAL: Duration = Duration::from_millis(250);

/// The time between two reads while the database is away.
const RETRY: Duration = Duration::from_secs(1);

/// Follows the operators' orders. Does not end.
pub(super) async fn follow(context: &Context) {
    again_and_again(async || {
        let asked = Instant::now();
        let orders = context.outbox.orders().await;
        context.watch.note(DatabaseWork::Orders, asked, &orders);
        let Ok(orders) = orders else {
            return false;
        };
        let (resumed, is_news) = context.pauses.heed(orders);
        for scope in &resumed {
            context.move_gates(|gates| gates.try_now(scope, Instant::now()));
            context.notes.forget_lanes(scope);
            Resumed { scope }.emit();
        }
        if is_news {
            context.orders.send_replace(());
        }
        true
    })
    .await;
}

/// Reads again and again; `read` returns whether the database has answered.
async fn again_and_again(mut read: impl AsyncFnMut() -> bool) {
    loop {
        sleep(INTERVAL).await;
        if !read().await {
            sleep(RETRY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_order_is_read_within_a_second_as_long_as_the_database_answers() {
        let began = Instant::now();
        let mut reads = vec![began];
        let ended = timeout(
            Duration::from_mins(1),
            again_and_again(async || {
                // The database is busy.
                sleep(Duration::from_millis(500)).await;
                reads.push(Instant::now());
                true
            }),
        );
        assert!(ended.await.is_err());
        assert!(reads.len() > 60, "{reads:?}");
        // An order that came just too late for one read is in the next.
        for pair in reads.windows(2) {
            assert!(pair[1] - pair[0] < Duration::from_secs(1), "{pair:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_is_away_is_asked_seldom() {
        let mut reads = 0;
        let away = again_and_again(async || {
            reads += 1;
            false
        });
        assert!(timeout(Duration::from_secs(10), away).await.is_err());
        assert_eq!(reads, 8);
    }
}
