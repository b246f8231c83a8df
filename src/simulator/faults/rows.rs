//! The faults of a single number, and the luck that decides about them.
//!
//! The luck of a number depends on the seed, its task, the number and how often its import was
//! tried, and on nothing else: neither on the order of requests nor on the numbers beside it.

use serde::{Deserialize, Serialize};

/// The probability of each fault of a single number, which meets at most one in an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RowFaults {
    /// See [`RowFault::Dropped`].
    pub dropped: f64,
    /// See [`RowFault::Uncounted`].
    pub uncounted: f64,
    /// See [`RowFault::Blacklisted`].
    pub blacklisted: f64,
}

/// A fault of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowFault {
    /// The number is passed over in silence: not held, not counted, not listed.
    Dropped,
    /// The number is held, but neither counted nor listed.
    Uncounted,
    /// The number is refused in words of its own, every time: this depends on the number, not the
    /// import.
    Blacklisted,
}

impl RowFaults {
    /// Returns each probability with its key.
    pub(super) fn chances(&self) -> [(&'static str, f64); 3] {
        [
            ("rows.dropped", self.dropped),
            ("rows.uncounted", self.uncounted),
            ("rows.blacklisted", self.blacklisted),
        ]
    }
}

/// The luck of the numbers of one task.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulator) struct RowLuck {
    faults: RowFaults,
    /// The seed and the task.
    hash: u64,
}

impl RowLuck {
    /// Returns the luck of a task's numbers.
    pub(in crate::simulator) fn new(faults: RowFaults, seed: u64, user: &str, task: &str) -> Self {
        let hash = absorb(absorb(scatter(seed), user.as_bytes()), task.as_bytes());
        Self { faults, hash }
    }

    /// Returns the fault of a number when its import is tried for the n-th time.
    pub(in crate::simulator) fn of(&self, number: &str, nth: u32) -> Option<RowFault> {
        if self.faults == RowFaults::default() {
            return None;
        }
        let person = absorb(self.hash, number.as_bytes());
        if roll(person) < self.faults.blacklisted {
            return Some(RowFault::Blacklisted);
        }
        let luck = roll(absorb(person, &nth.to_le_bytes()));
        if luck < self.faults.dropped {
            Some(RowFault::Dropped)
        } else if luck < self.faults.dropped + self.faults.uncounted {
            Some(RowFault::Uncounted)
        } else {
            None
        }
    }
}

/// FNV-1a, with the length at the end, so that two texts in a row cannot be mistaken for other two.
fn absorb(hash: u64, bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    scatter(bytes.iter().fold(hash, fold) ^ bytes.len() as u64)
}

/// The last steps of `SplitMix64`: each input bit affects all output bits.
fn scatter(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Returns a number in `0..1`, made of the upper 32 bits.
fn roll(hash: u64) -> f64 {
    let upper = u32::try_from(hash >> 32).unwrap_or(u32::MAX);
    f64::from(upper) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EACH_A_TENTH: RowFaults = RowFaults {
        dropped: 0.1,
        uncounted: 0.1,
        blacklisted: 0.1,
    };

    fn luck(seed: u64, task: &str) -> RowLuck {
        RowLuck::new(EACH_A_TENTH, seed, "user", task)
    }

    fn number(n: u32) -> String {
        format!("130{n:08}")
    }

    #[test]
    fn each_fault_befalls_about_as_many_numbers_as_asked_for() {
        let luck = luck(1, "task");
        for (wanted, share) in [
            (Some(RowFault::Blacklisted), 0.1),
            (Some(RowFault::Dropped), 0.09),
            (Some(RowFault::Uncounted), 0.09),
        ] {
            let hit = (0..10_000).filter(|n| luck.of(&number(*n), 1) == wanted);
            let hit = f64::from(u32::try_from(hit.count()).unwrap());
            assert!((hit / 10_000.0 - share).abs() < 0.02, "{wanted:?}: {hit}");
        }
    }

    #[test]
    fn another_seed_another_task_and_another_try_have_another_luck() {
        let of = |luck: RowLuck, nth| (0..200).map(move |n| luck.of(&number(n), nth));
        let first: Vec<_> = of(luck(1, "task"), 1).collect();
        for other in [
            of(luck(2, "task"), 1).collect::<Vec<_>>(),
            of(luck(1, "other"), 1).collect(),
            of(luck(1, "task"), 2).collect(),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn who_is_on_the_black_list_stays_on_it() {
        let luck = luck(1, "task");
        let listed = |nth| {
            let is_listed = move |n: &u32| luck.of(&number(*n), nth) == Some(RowFault::Blacklisted);
            (0..500).filter(is_listed).collect::<Vec<_>>()
        };
        assert_eq!(listed(1), listed(7));
        assert!(!listed(1).is_empty());
    }

    proptest! {
        #[test]
        fn the_luck_of_a_number_is_always_the_same(
            seed: u64, task in "\\PC{0,10}", number in "\\PC{0,20}", nth: u32,
        ) {
            prop_assert_eq!(luck(seed, &task).of(&number, nth), luck(seed, &task).of(&number, nth));
            let certain = RowLuck::new(
                RowFaults { dropped: 1.0, ..RowFaults::default() }, seed, "user", &task);
            prop_assert_eq!(certain.of(&number, nth), Some(RowFault::Dropped));
            let none = RowLuck::new(RowFaults::default(), seed, "user", &task);
            prop_assert_eq!(none.of(&number, nth), None);
        }

        #[test]
        fn a_roll_is_at_least_zero_and_less_than_one(hash: u64) {
            prop_assert!((0.0..1.0).contains(&roll(hash)));
        }
    }
}
