//! How long a lane has been waiting for a person.

use std::time::Duration;

use tokio::time::Instant;

use crate::platform::verdict::Wait;

/// How long a lane has been waiting for a person, and what follows from it.
#[derive(Default)]
pub(super) struct Patience {
    /// The beginning of the wait.
    pub(super) since: Option<Instant>,
    /// The answer because of which the rest of the lane is given up.
    pub(super) over: Option<Wait>,
}

impl Patience {
    /// Returns the patience with a lane that has been waiting for this long; zero: it does not
    /// wait.
    pub(super) fn after(waiting_for: Duration, now: Instant) -> Self {
        let since = now.checked_sub(waiting_for).unwrap_or(now);
        Self {
            since: (!waiting_for.is_zero()).then_some(since),
            over: None,
        }
    }

    /// Notes that the lane waits from now on, unless it already waits.
    pub(super) fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Notes that the lane goes on.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}
