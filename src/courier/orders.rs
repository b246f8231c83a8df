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
    loop {
        sleep(INTERVAL).await;
        let asked = Instant::now();
        let orders = context.outbox.orders().await;
        context.watch.note(DatabaseWork::Orders, asked, &orders);
        let Ok(orders) = orders else {
            sleep(RETRY).await;
            continue;
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
    }
}
