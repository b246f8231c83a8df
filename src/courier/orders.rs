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

/// Reads take at most one part in this many of the time: all pauses that are in force are read, and there may be
/// very many.
const SHARE: u32 = 5;

/// However long a read takes, the next one is no later.
const LONGEST: Duration = Duration::from_secs(5);

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
            context.notes.hasten(scope, Instant::now());
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
    let mut took = Duration::ZERO;
    loop {
        sleep(pause_after(took)).await;
        let asked = Instant::now();
        let has_answered = read().await;
        took = if has_answered {
            asked.elapsed()
        } else {
            sleep(RETRY).await;
            // What the database did not answer has cost it nothing.
            Duration::ZERO
        };
    }
}

/// Returns how long to wait after a read that took so long.
fn pause_after(took: Duration) -> Duration {
    (took * (SHARE - 1)).clamp(INTERVAL, LONGEST)
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
                sleep(Duration::from_millis(150)).await;
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

    #[test]
    fn reads_of_many_orders_take_a_bounded_share_of_the_time() {
        let millis = Duration::from_millis;
        for (took, pause) in [(0, 250), (60, 250), (200, 800), (60_000, 5_000)] {
            assert_eq!(pause_after(millis(took)), millis(pause), "{took} ms");
        }
    }
}
