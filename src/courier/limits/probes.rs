//! The budget for probes: lanes that wait for a person are tried with a bounded share of the rate.
//!
//! A thousand lanes with a wrong task would otherwise take the whole rate from the lanes that are
//! well. Pure: `now` is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// The share of the rate for all probes together.
const SHARE: f64 = 0.1;

/// The probes that may go at once after a pause, so that a few such lanes are not slowed down.
const SAVED: f64 = 5.0;

#[derive(Debug)]
pub(super) struct ProbeBudget {
    saved: f64,
    at: Instant,
}

impl ProbeBudget {
    /// A full budget.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            saved: SAVED,
            at: now,
        }
    }

    /// Takes one probe, at this rate of all requests. Fails with the wait until the next one.
    pub(super) fn take(&mut self, per_second: f64, now: Instant) -> Result<(), Duration> {
        let rate = per_second * SHARE;
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        (self.saved, self.at) = ((self.saved + earned).min(SAVED), now);
        if self.saved < 1.0 {
            let wait = (1.0 - self.saved) / rate;
            return Err(Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX));
        }
        self.saved -= 1.0;
        Ok(())
    }

    /// Gives back a probe that did not go.
    pub(super) fn give_back(&mut self) {
        self.saved = (self.saved + 1.0).min(SAVED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn probes_take_a_tenth_of_the_rate() {
        let start = Instant::now();
        let mut budget = ProbeBudget::new(start);
        let (mut now, mut probes) = (start, 0);
        while now - start < Duration::from_mins(1) {
            match budget.take(50.0, now) {
                Ok(()) => probes += 1,
                Err(wait) => now += wait + Duration::from_micros(1),
            }
        }
        assert!((300..=306).contains(&probes), "{probes}");
    }
}
