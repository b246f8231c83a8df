//! A rate: what the settings allow, and how far apart requests lie to keep it.

use std::time::Duration;

/// Requests are spaced a hundredth further apart than the rate says. Timers and networks shift
/// each by some milliseconds; with this much room a window of a second at the platform's end still
/// holds no more than the rate.
const MARGIN: f64 = 1.01;

/// Requests per second, and how many may go at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    per_second: f64,
    /// At least 1.
    pub(super) burst: u32,
}

impl Rate {
    /// The settings allow 0.001 to 1,000,000 requests per second, so the period is never zero.
    pub(super) fn new(per_second: f64, burst: u32) -> Self {
        Self {
            per_second: per_second.clamp(0.001, 1_000_000.0),
            burst: burst.max(1),
        }
    }

    /// The time between two requests.
    pub(super) fn period(&self) -> Duration {
        Duration::from_secs_f64(MARGIN / self.per_second)
    }

    /// How many requests a window of a second may hold; `None` below one per second, where the
    /// period says all.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to 1,000,000"
    )]
    pub(super) fn per_second(&self) -> Option<usize> {
        let burst = usize::try_from(self.burst - 1).unwrap_or(usize::MAX);
        (self.per_second >= 1.0).then(|| (self.per_second.floor() as usize).saturating_add(burst))
    }
}
