//! A rate: the requests per second that the settings allow, and their distance in time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Requests are spaced a hundredth further apart than the rate says. Timers and networks shift each
/// request by some milliseconds; with this margin, a window of a second at the platform's end still
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
    /// Makes a rate. The settings allow 0.001 to 1,000,000 requests per second, so the period is
    /// never zero.
    pub(super) fn new(per_second: f64, burst: u32) -> Self {
        Self {
            per_second: per_second.clamp(0.001, 1_000_000.0),
            burst: burst.max(1),
        }
    }

    pub(super) fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Returns how far back the first request of a burst may lie.
    pub(super) fn burst_span(&self) -> Duration {
        self.period() * (self.burst - 1)
    }

    /// Returns how late a request may be without the punctual requests behind it breaking the rate.
    /// This is the margin of a period, or of a second if the rate is above one per second.
    pub(super) fn tolerance(&self) -> Duration {
        Duration::from_secs_f64((MARGIN - 1.0) / self.per_second.min(1.0))
    }

    /// Returns the time between two requests.
    pub(super) fn period(&self) -> Duration {
        Duration::from_secs_f64(MARGIN / self.per_second)
    }

    /// Returns how many requests a window may hold, and its length: a second, or a little more for
    /// a rate with a fraction. Below one per second it is the time of one request.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to 1,000,000"
    )]
    pub(super) fn window(&self) -> (usize, Duration) {
        let whole = self.per_second.ceil();
        let burst = usize::try_from(self.burst - 1).unwrap_or(usize::MAX);
        let room = (whole as usize).saturating_add(burst);
        (room, Duration::from_secs_f64(whole / self.per_second))
    }

    /// Whether the window has room for one more request behind these, which are in order. Fails with the
    /// instant until which it is full.
    pub(super) fn room(&self, behind: &VecDeque<Instant>, now: Instant) -> Result<(), Instant> {
        let (room, window) = self.window();
        // The request that has to leave the window before another may go.
        let first = behind.len().checked_sub(room);
        match first.and_then(|first| behind.get(first)) {
            // A microsecond more, because the window includes both of its ends.
            Some(first) if now.saturating_duration_since(*first) <= window => {
                Err(*first + window + Duration::from_micros(1))
            }
            _ => Ok(()),
        }
    }
}
