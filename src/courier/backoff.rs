//! Backoff: how long a lane waits after its n-th failure in a row.
//!
//! The only module that uses the `backoff` crate, which has had no release for years: its policy
//! can be replaced here and nowhere else.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// The settings `retry.*` that shape the waiting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackoffPolicy {
    /// After the first failure.
    pub initial_interval: Duration,
    /// No wait is longer.
    pub max_interval: Duration,
    /// Each wait is so many times the last one.
    pub multiplier: f64,
    /// By which share a wait is made longer or shorter at random, 0 to 1.
    pub jitter: f64,
}

/// From here on the interval has long reached any sensible maximum.
const MAX_STEPS: u32 = 64;

impl BackoffPolicy {
    /// The wait after the n-th failure in a row, counted from 1. Jittered, so that lanes that
    /// failed together do not come back together, and never longer than `max_interval`.
    pub fn delay(&self, failures: u32) -> Duration {
        let mut policy = ExponentialBackoff {
            current_interval: self.initial_interval,
            initial_interval: self.initial_interval,
            randomization_factor: 0.0,
            multiplier: self.multiplier,
            max_interval: self.max_interval,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        for _ in 1..failures.clamp(1, MAX_STEPS) {
            policy.next_backoff();
        }
        policy.randomization_factor = self.jitter;
        policy
            .next_backoff()
            .unwrap_or(self.max_interval)
            .min(self.max_interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: BackoffPolicy = BackoffPolicy {
        initial_interval: Duration::from_millis(500),
        max_interval: Duration::from_mins(5),
        multiplier: 2.0,
        jitter: 0.0,
    };

    #[test]
    fn without_jitter_the_waits_double_up_to_the_maximum() {
        let waits: Vec<u128> = (1..=11).map(|n| POLICY.delay(n).as_millis()).collect();
        let expected = [
            500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000,
        ];
        assert_eq!(waits, expected);
        assert_eq!(POLICY.delay(u32::MAX), POLICY.max_interval);
    }

    proptest! {
        #[test]
        fn a_jittered_wait_stays_within_its_share_and_under_the_maximum(
            failures in 1u32..100, jitter in 0.0f64..=1.0,
        ) {
            let steady = POLICY.delay(failures).as_secs_f64();
            let wait = BackoffPolicy { jitter, ..POLICY }.delay(failures);
            prop_assert!(wait <= POLICY.max_interval);
            prop_assert!(wait.as_secs_f64() >= steady * (1.0 - jitter) - 0.001);
            prop_assert!(wait.as_secs_f64() <= steady * (1.0 + jitter) + 0.001);
        }
    }
}
