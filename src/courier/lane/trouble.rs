//! The trouble of a lane: its failures in a row, its hold, and the budget that pays for its
//! requests meanwhile. Pure: `now` is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::courier::gates::Closed;
use crate::courier::limits::Budget;

pub(super) struct Trouble {
    /// Failures in a row. Sends that were under way together count as one.
    pub(super) failures: u32,
    /// No batch is sent before this instant; the database knows it, too.
    held_until: Option<Instant>,
    /// The budget that pays for a request while the lane fails.
    pub(super) budget: Option<Budget>,
    /// Whether the next request is paid for.
    is_paid: bool,
}

impl Trouble {
    /// Returns the trouble of a leased lane. `is_paid`: a budget has paid for its first request.
    pub(super) fn before(failures: u32, budget: Option<Budget>, is_paid: bool) -> Self {
        Self {
            failures,
            held_until: None,
            budget,
            is_paid,
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.held_until.is_some()
    }

    /// Holds the lane because a send failed, and returns until when. `closed`: what this has closed.
    /// `delay`: the wait after this many failures. Behind a gate that may open early for others, the lane
    /// waits as long as it would by itself.
    pub(super) fn hold(
        &mut self,
        closed: &Closed,
        delay: impl Fn(u32) -> Duration,
        now: Instant,
    ) -> Instant {
        self.failures += u32::from(self.held_until.is_none());
        let own = || {
            self.held_until
                .unwrap_or_else(|| now + delay(self.failures))
        };
        let until = match closed.wait.map(|wait| now + wait) {
            Some(until) if closed.is_doubted => until.max(own()),
            Some(until) => until,
            None => own(),
        };
        self.held_until = Some(until);
        until
    }

    /// Lets the lane be tried at once, because the cause that the answer names may have gone since.
    /// A present hold stays. Returns the end of the hold.
    pub(super) fn hold_until_now(&mut self, now: Instant) -> Instant {
        self.failures = self.failures.max(1);
        *self.held_until.get_or_insert(now)
    }

    /// Ends the hold, but not the failures. Returns when the hold would have ended.
    pub(super) fn take_hold(&mut self) -> Option<Instant> {
        self.held_until.take()
    }

    /// Returns the budget that has to pay for the next request, if any.
    pub(super) fn budget_of_next(&self, is_retry: bool) -> Option<Budget> {
        let budget = match (self.failures > 0, is_retry) {
            (true, _) => self.budget,
            (false, true) => Some(Budget::Retries),
            (false, false) => None,
        };
        budget.filter(|_| !self.is_paid)
    }

    /// Returns the budget that has paid for a request which did not go out.
    pub(super) fn unused(&self) -> Option<Budget> {
        self.budget.filter(|_| self.is_paid)
    }

    /// Notes that the paid request goes out.
    pub(super) fn next_goes(&mut self) {
        self.is_paid = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn delay(failures: u32) -> Duration {
        MINUTE * failures
    }

    const NO_GATE: Closed = Closed {
        wait: None,
        is_about_everybody: false,
        is_doubted: false,
        is_surely_alone: false,
    };

    #[test]
    fn sends_that_fail_together_are_one_failure() {
        let now = Instant::now();
        let mut trouble = Trouble::before(1, None, false);
        assert_eq!(trouble.hold(&NO_GATE, delay, now), now + 2 * MINUTE);
        assert_eq!(
            trouble.hold(&NO_GATE, delay, now + MINUTE),
            now + 2 * MINUTE
        );
        assert_eq!(trouble.failures, 2);
        trouble.take_hold();
        assert_eq!(trouble.hold(&NO_GATE, delay, now), now + 3 * MINUTE);
    }

    #[test]
    fn a_gate_that_closes_says_for_how_long() {
        let now = Instant::now();
        let mut trouble = Trouble::before(0, None, false);
        trouble.hold(&NO_GATE, delay, now);
        let closed = |minutes| Closed {
            wait: Some(MINUTE * minutes),
            ..NO_GATE
        };
        assert_eq!(trouble.hold(&closed(9), delay, now), now + 9 * MINUTE);
        assert_eq!(trouble.failures, 1);
        assert_eq!(trouble.hold(&closed(1), delay, now), now + MINUTE);
    }

    #[test]
    fn a_gate_that_may_open_early_for_others_does_not_shorten_a_lanes_own_wait() {
        let now = Instant::now();
        let mut trouble = Trouble::before(4, None, false);
        let closed = |minutes| Closed {
            wait: Some(MINUTE * minutes),
            is_doubted: true,
            ..NO_GATE
        };
        assert_eq!(trouble.hold(&closed(1), delay, now), now + 5 * MINUTE);
        assert_eq!(trouble.hold(&closed(1), delay, now), now + 5 * MINUTE);
        assert_eq!(trouble.hold(&closed(9), delay, now), now + 9 * MINUTE);
    }

    #[test]
    fn a_lane_that_is_tried_at_once_has_failed_all_the_same() {
        let now = Instant::now();
        let mut trouble = Trouble::before(0, None, false);
        assert_eq!(trouble.hold_until_now(now), now);
        assert_eq!(trouble.failures, 1);
    }

    #[test]
    fn only_a_request_that_is_not_paid_yet_has_to_be_paid() {
        let mut trouble = Trouble::before(1, Some(Budget::Probes), true);
        assert_eq!(trouble.budget_of_next(false), None);
        trouble.next_goes();
        assert_eq!(trouble.budget_of_next(true), Some(Budget::Probes));
        trouble.failures = 0;
        assert_eq!(trouble.budget_of_next(true), Some(Budget::Retries));
        assert_eq!(trouble.budget_of_next(false), None);
    }
}
