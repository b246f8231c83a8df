//! The source of chance: one number, printed, that can be given again.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Returns the seed of a run: that of `COURIER_TEST_SEED`, or otherwise a new one.
pub(crate) fn seed() -> u64 {
    let seed = told().unwrap_or_else(|| u64::from(rand::random::<u32>()));
    say(&format!("COURIER_TEST_SEED={seed}"));
    seed
}

/// Prints a line for the reader of the test's output: `cargo test` shows it when the test fails.
#[expect(clippy::print_stdout, reason = "the test harness keeps it")]
pub(crate) fn say(what: &str) {
    println!("{what}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by its environment what to repeat"
)]
fn told() -> Option<u64> {
    let text = std::env::var("COURIER_TEST_SEED").ok()?;
    Some(text.parse().expect("COURIER_TEST_SEED is a number"))
}

/// The dice of a seed.
pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.random_range(0..end)
    }

    /// Returns true once in `n` times.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Returns one element of a list that is not empty.
    pub(crate) fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        let nth = self.below(list.len() as u64);
        list[usize::try_from(nth).unwrap()].clone()
    }
}
