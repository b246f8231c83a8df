//! The retry budget: second sends stay a bounded share of all requests.
//!
//! Each success pays for one retry. A trickle pays for retries that find out whether the platform
//! is back. While the platform is half down, at most about every second request is a retry, so
//! first sends are not crowded out. While it is down, only the trickle is left. Pure: `now` is an
//! argument.

use std::time::Duration;

use tokio::time::Instant;

/// Retries that may go without any success, as after a short outage.
const SAVED: f64 = 50.0;

/// Retries per second that are always allowed.
const TRICKLE: f64 = 2.0;

#[derive(Debug)]
pub(super) struct RetryBudget {
    saved: f64,
    at: Instant,
}

impl RetryBudget {
    /// A full budget.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            saved: SAVED,
            at: now,
        }
    }

    /// Notes that a request succeeded, or that a retry which was paid for did not go.
    pub(super) fn earn(&mut self) {
        self.saved = (self.saved + 1.0).min(SAVED);
    }

    /// Takes one retry. Fails with the wait until the next one if nothing succeeds meanwhile.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let trickled = now.saturating_duration_since(self.at).as_secs_f64() * TRICKLE;
        (self.saved, self.at) = ((self.saved + trickled).min(SAVED), now);
        if self.saved < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.saved) / TRICKLE));
        }
        self.saved -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// Sends a thousand requests a second for a minute, of which a share fails and is retried as
    /// soon as it may be. Returns the share of retries.
    fn share_of_retries(fails: impl Fn(u32) -> bool) -> f64 {
        let mut now = Instant::now();
        let mut budget = RetryBudget::new(now);
        let (mut waiting, mut retries) = (0u32, 0u32);
        for nth in 0..60_000 {
            now += MILLISECOND;
            if waiting > 0 && budget.take(now).is_ok() {
                (waiting, retries) = (waiting - 1, retries + 1);
            }
            if fails(nth) {
                waiting += 1;
            } else {
                budget.earn();
            }
        }
        f64::from(retries) / 60_000.0
    }

    #[tokio::test(start_paused = true)]
    async fn half_down_at_most_every_second_request_is_a_retry() {
        let share = share_of_retries(|nth| nth % 2 == 0);
        assert!((0.4..=0.51).contains(&share), "{share}");
        let share = share_of_retries(|nth| nth % 10 != 0);
        assert!(share <= 0.11, "{share}");
    }

    #[tokio::test(start_paused = true)]
    async fn when_nothing_succeeds_a_trickle_is_left() {
        let share = share_of_retries(|_| true);
        assert!((share * 60_000.0 - SAVED - TRICKLE * 60.0).abs() < 2.0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_to_wait_is_told_for_how_long() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(now);
        while budget.take(now).is_ok() {}
        let wait = budget.take(now).unwrap_err();
        assert!(budget.take(now + wait + MILLISECOND).is_ok());
    }
}
