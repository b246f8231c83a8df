//! The faults: what may go wrong with a request, how likely, and the dice that decide.
//!
//! At most one fault befalls a request, so the probabilities add up to at most 1; latency goes
//! along with any answer. Picking is pure; the dice are seeded, so that a run can be repeated.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// How likely each fault is. The default is a platform without faults.
///
/// As JSON (`POST /simulator/faults`) every key may be left out and then means none; an unknown
/// key is refused. Durations are written `"50ms"`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// How long every answer takes. The import is done before the wait: who stops waiting has lost
    /// the answer, not the import.
    #[serde(with = "humantime_serde")]
    pub latency: Duration,
    /// Up to so much longer, evenly spread.
    #[serde(with = "humantime_serde")]
    pub latency_jitter: Duration,
    /// See [`Fault::ErrorBefore`].
    pub error_before: f64,
    /// See [`Fault::ErrorAfter`].
    pub error_after: f64,
    /// See [`Fault::ResetBefore`].
    pub reset_before: f64,
    /// See [`Fault::ResetAfter`].
    pub reset_after: f64,
    /// See [`Fault::TooManyRequests`].
    pub too_many_requests: f64,
    /// See [`Fault::TaskRunning`].
    pub task_running: f64,
    /// See [`Fault::Garbled`].
    pub garbled: f64,
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// HTTP 500, nothing imported.
    ErrorBefore,
    /// HTTP 500, but the import is done.
    ErrorAfter,
    /// The connection is closed without a byte of an answer, nothing imported.
    ResetBefore,
    /// The connection is closed without a byte of an answer, but the import is done.
    ResetAfter,
    /// HTTP 429 with `Retry-After: 1`, nothing imported.
    TooManyRequests,
    /// Code 6007 under HTTP 200: the task is running, nothing imported.
    TaskRunning,
    /// HTTP 200 with half of the JSON; the import is done.
    Garbled,
}

/// Why faults cannot be as they were asked for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FaultsError {
    /// One of them is no probability.
    #[error("{fault} must be a probability between 0 and 1, not {value}")]
    NotAProbability {
        /// The fault's key.
        fault: &'static str,
        /// What was asked for.
        value: f64,
    },
    /// At most one fault befalls a request.
    #[error("the probabilities of all faults must add up to at most 1, not {0}")]
    MoreThanOne(f64),
}

impl Faults {
    /// Refuses what is not a probability, and a sum above 1.
    pub fn check(&self) -> Result<(), FaultsError> {
        let mut sum = 0.0;
        for (fault, _, value) in self.chances() {
            if !(0.0..=1.0).contains(&value) {
                return Err(FaultsError::NotAProbability { fault, value });
            }
            sum += value;
        }
        // Ten times 0.1 is a little more than 1 in binary.
        if sum > 1.0 + 1e-9 {
            return Err(FaultsError::MoreThanOne(sum));
        }
        Ok(())
    }

    /// The fault that a roll in `0..1` means.
    fn pick(&self, roll: f64) -> Option<Fault> {
        let mut edge = 0.0;
        for (_, fault, chance) in self.chances() {
            edge += chance;
            if roll < edge {
                return Some(fault);
            }
        }
        None
    }

    fn chances(&self) -> [(&'static str, Fault, f64); 7] {
        [
            ("error_before", Fault::ErrorBefore, self.error_before),
            ("error_after", Fault::ErrorAfter, self.error_after),
            ("reset_before", Fault::ResetBefore, self.reset_before),
            ("reset_after", Fault::ResetAfter, self.reset_after),
            (
                "too_many_requests",
                Fault::TooManyRequests,
                self.too_many_requests,
            ),
            ("task_running", Fault::TaskRunning, self.task_running),
            ("garbled", Fault::Garbled, self.garbled),
        ]
    }
}

/// What the dice say about one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Draw {
    /// What goes wrong, if anything.
    pub(super) fault: Option<Fault>,
    /// How long the answer waits.
    pub(super) latency: Duration,
}

/// The faults in force and the dice.
#[derive(Debug)]
pub(super) struct Dice {
    faults: Faults,
    rng: StdRng,
}

impl Dice {
    /// Refuses faults that do not [`Faults::check`].
    pub(super) fn new(seed: u64, faults: Faults) -> Result<Self, FaultsError> {
        faults.check()?;
        Ok(Self {
            faults,
            rng: StdRng::seed_from_u64(seed),
        })
    }

    /// Changes the faults from the next draw on; the dice roll on.
    pub(super) fn change(&mut self, faults: Faults) -> Result<(), FaultsError> {
        faults.check()?;
        self.faults = faults;
        Ok(())
    }

    /// Decides about the next request. The dice are rolled as often whatever the faults are, so the
    /// n-th request meets the same luck when another probability is changed.
    pub(super) fn draw(&mut self) -> Draw {
        let roll: f64 = self.rng.random();
        let wait: f64 = self.rng.random();
        Draw {
            fault: self.faults.pick(roll),
            latency: self.faults.latency + self.faults.latency_jitter.mul_f64(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stormy() -> Faults {
        Faults {
            latency: Duration::from_millis(5),
            latency_jitter: Duration::from_millis(10),
            error_before: 0.1,
            error_after: 0.1,
            reset_before: 0.1,
            reset_after: 0.1,
            too_many_requests: 0.1,
            task_running: 0.1,
            garbled: 0.1,
        }
    }

    fn draws(seed: u64, faults: Faults) -> Vec<Draw> {
        let mut dice = Dice::new(seed, faults).unwrap();
        (0..500).map(|_| dice.draw()).collect()
    }

    #[test]
    fn the_same_seed_repeats_the_same_faults_and_another_seed_does_not() {
        assert_eq!(draws(7, stormy()), draws(7, stormy()));
        assert_ne!(draws(7, stormy()), draws(8, stormy()));
    }

    #[test]
    fn by_default_nothing_goes_wrong() {
        assert!(
            draws(1, Faults::default())
                .iter()
                .all(|d| *d == Draw::default())
        );
    }

    #[test]
    fn a_certain_fault_always_strikes() {
        let faults = Faults {
            garbled: 1.0,
            ..Faults::default()
        };
        assert!(
            draws(1, faults)
                .iter()
                .all(|d| d.fault == Some(Fault::Garbled))
        );
    }

    #[test]
    fn latency_stays_between_its_base_and_its_base_plus_jitter() {
        let (low, high) = (Duration::from_millis(5), Duration::from_millis(15));
        assert!(
            draws(3, stormy())
                .iter()
                .all(|d| (low..=high).contains(&d.latency))
        );
    }

    #[test]
    fn what_is_no_probability_is_refused_by_name() {
        for value in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let faults = Faults {
                task_running: value,
                ..Faults::default()
            };
            let said = faults.check().unwrap_err().to_string();
            assert!(
                said.starts_with("task_running must be a probability"),
                "{said}"
            );
        }
    }

    #[test]
    fn probabilities_that_add_up_to_more_than_one_are_refused() {
        let faults = Faults {
            error_before: 0.6,
            error_after: 0.6,
            ..Faults::default()
        };
        assert_eq!(faults.check(), Err(FaultsError::MoreThanOne(1.2)));
    }

    #[test]
    fn an_unknown_key_is_refused_and_absent_keys_mean_none() {
        let faults: Faults = serde_json::from_str(r#"{"latency":"50ms","garbled":0.5}"#).unwrap();
        assert_eq!(faults.latency, Duration::from_millis(50));
        assert!(faults.error_after.abs() < f64::EPSILON);
        let said = serde_json::from_str::<Faults>(r#"{"gargled":0.5}"#)
            .unwrap_err()
            .to_string();
        assert!(said.contains("unknown field `gargled`"), "{said}");
    }

    proptest! {
        #[test]
        fn each_fault_gets_its_own_share_of_the_rolls(
            weights in proptest::array::uniform8(0.0..1.0f64),
            roll in 0.0..1.0f64,
        ) {
            let sum: f64 = weights.iter().sum::<f64>() + 1e-9;
            let share = weights.map(|w| w / sum);
            let faults = Faults {
                error_before: share[0],
                error_after: share[1],
                reset_before: share[2],
                reset_after: share[3],
                too_many_requests: share[4],
                task_running: share[5],
                garbled: share[6],
                ..Faults::default()
            };
            prop_assert_eq!(faults.check(), Ok(()));
            let nth = faults.pick(roll).map_or(7, |hit| {
                faults.chances().iter().position(|(_, fault, _)| *fault == hit).unwrap()
            });
            let below: f64 = share[..nth].iter().sum();
            prop_assert!(below <= roll + 1e-9);
            prop_assert!(nth == 7 || roll < below + share[nth] + 1e-9);
        }
    }
}
