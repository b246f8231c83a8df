//! The dice that decide about requests: seeded, so that a run can be repeated.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::kind::Fault;
use super::settings::Faults;

/// The dice's decision about one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::simulator) struct Draw {
    /// The fault, if any.
    pub(in crate::simulator) fault: Option<Fault>,
    /// How long the answer waits.
    pub(in crate::simulator) latency: Duration,
    /// The status of the answer if the fault is an error.
    pub(in crate::simulator) error_status: u16,
}

#[derive(Debug)]
pub(in crate::simulator) struct Dice(StdRng);

impl Dice {
    /// Returns the dice of a seed.
    pub(in crate::simulator) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Decides about the next request. The number of rolls does not depend on the faults, so the
    /// n-th request meets the same luck when another probability is changed.
    pub(in crate::simulator) fn draw(&mut self, faults: &Faults) -> Draw {
        let roll: f64 = self.0.random();
        let wait: f64 = self.0.random();
        let status: u64 = self.0.random();
        let statuses = &faults.error_statuses;
        // A remainder by the length is below it, and the check refuses an empty list.
        let nth = status.checked_rem(statuses.len() as u64).unwrap_or(0);
        let nth = usize::try_from(nth).unwrap_or(0);
        Draw {
            fault: faults.pick(roll),
            latency: faults.latency + faults.latency_jitter.mul_f64(wait),
            error_status: statuses.get(nth).copied().unwrap_or(500),
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
            error_statuses: vec![500, 502, 503],
            ..Faults::default()
        }
    }

    fn draws(seed: u64, faults: &Faults) -> Vec<Draw> {
        let mut dice = Dice::new(seed);
        (0..500).map(|_| dice.draw(faults)).collect()
    }

    #[test]
    fn another_seed_meets_another_luck() {
        assert_ne!(draws(7, &stormy()), draws(8, &stormy()));
    }

    #[test]
    fn by_default_nothing_goes_wrong() {
        let calm = |d: &Draw| d.fault.is_none() && d.latency.is_zero();
        assert!(draws(1, &Faults::default()).iter().all(calm));
    }

    #[test]
    fn a_certain_fault_always_strikes() {
        let faults = Faults {
            garbled: 1.0,
            ..Faults::default()
        };
        let garbled = |d: &Draw| d.fault == Some(Fault::Garbled);
        assert!(draws(1, &faults).iter().all(garbled));
    }

    #[test]
    fn latency_stays_between_its_base_and_its_base_plus_jitter() {
        let (low, high) = (Duration::from_millis(5), Duration::from_millis(15));
        let within = |d: &Draw| (low..=high).contains(&d.latency);
        assert!(draws(3, &stormy()).iter().all(within));
    }

    #[test]
    fn every_status_of_an_error_comes_up() {
        let drawn = draws(3, &stormy());
        for status in [500, 502, 503] {
            assert!(drawn.iter().any(|d| d.error_status == status), "{status}");
        }
    }

    proptest! {
        #[test]
        fn the_same_seed_repeats_the_same_luck_and_other_chances_do_not_shift_it(
            seed: u64, chance in 0.0..0.3f64,
        ) {
            prop_assert_eq!(draws(seed, &stormy()), draws(seed, &stormy()));
            let worse = Faults { error_before: 0.1 + chance, ..stormy() };
            for (before, after) in draws(seed, &stormy()).iter().zip(draws(seed, &worse)) {
                prop_assert_eq!(before.latency, after.latency);
                let spared = after.fault.is_none();
                prop_assert!(!spared || before.fault.is_none());
            }
        }
    }
}
