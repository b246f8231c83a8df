//! Retuning: hands a new tuning at once to the parts that keep a rate or a size of their own.

use std::sync::Arc;

use super::context::Context;

/// Changes rates and permits whenever the tuning changes. Never returns while the courier works.
pub(super) async fn follow(context: &Context) {
    let mut changes = context.tuner.changes();
    // The tuning may have changed since the limits and permits were made.
    changes.mark_changed();
    // The sender lives as long as the borrow of the tuner.
    while changes.changed().await.is_ok() {
        let tuning = Arc::clone(&changes.borrow_and_update());
        context.limiter.change(&tuning.limits);
        context.permits.resize(tuning.max_in_flight);
    }
}
