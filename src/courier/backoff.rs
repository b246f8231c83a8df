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
    /// The wait after the first failure.
    pub initial_interval: Duration,
    /// The longest wait.
    pub max_interval: Duration,
    /// Each wait is this many times the last one.
    pub multiplier: f64,
    /// The share by which a wait is made longer or shorter at random, 0 to 1.
    pub jitter: f64,
}

/// The shortest wait of a lane that waits for a person.
const FOR_A_PERSON: Duration = Duration::from_secs(30);

impl BackoffPolicy {
    /// Returns the wait after the n-th failure in a row of a lane that waits for a person: 30 s or
    /// more, made longer at random, and never longer than `max_interval`.
    pub fn delay_for_a_person(&self, failures: u32) -> Duration {
        // A jitter of j around this middle never falls below the interval itself.
        let middle = 1.0 + self.jitter / 2.0;
        let slow = Self {
            initial_interval: FOR_A_PERSON.max(self.initial_interval).mul_f64(middle),
            jitter: self.jitter / 2.0 / middle,
            ..*self
        };
        slow.delay(failures)
    }

    /// Returns the wait after the n-th failure in a row, counted from 1. The jitter keeps lanes
    /// that failed together from coming back together. The wait is never longer than
    /// `max_interval`.
    pub fn delay(&self, failures: u32) -> Duration {
        let interval = self.interval(failures);
        let mut policy = ExponentialBackoff {
            current_interval: interval,
            max_interval: self.max_interval,
            multiplier: self.multiplier,
            randomization_factor: self.jitter,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        let wait = policy.next_backoff().unwrap_or(interval);
        wait.min(self.max_interval)
    }

    /// Returns the wait without jitter: the first interval times the multiplier, n - 1 times over.
    fn interval(&self, failures: u32) -> Duration {
        let steps = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.initial_interval.as_secs_f64() * self.multiplier.powi(steps);
        // A time that no clock can count is longer than any maximum.
        let interval = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        interval.min(self.max_interval)
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
        assert_eq!(POLICY.delay(0), POLICY.initial_interval);
    }

    #[test]
    fn with_a_multiplier_of_one_every_wait_is_the_first() {
        let steady = BackoffPolicy {
            multiplier: 1.0,
            ..POLICY
        };
        for failures in [1, 2, u32::MAX] {
            assert_eq!(steady.delay(failures), POLICY.initial_interval);
        }
    }

    #[test]
    fn a_lane_that_waits_for_a_person_begins_at_thirty_seconds() {
        let second = Duration::from_secs(1);
        let waits = (1..=5).map(|n| POLICY.delay_for_a_person(n));
        let expected = [30, 60, 120, 240, 300].map(|seconds| second * seconds);
        assert!(waits.eq(expected));
        let jittered = BackoffPolicy {
            jitter: 0.5,
            ..POLICY
        };
        for _ in 0..100 {
            let wait = jittered.delay_for_a_person(1);
            assert!((second * 30..=second * 46).contains(&wait), "{wait:?}");
        }
        let short = BackoffPolicy {
            max_interval: second,
            ..POLICY
        };
        assert_eq!(short.delay_for_a_person(1), second);
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
