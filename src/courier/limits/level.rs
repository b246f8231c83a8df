//! The level: which part of the configured rate is used. It halves when the platform answers 429
//! and climbs back steadily (additive increase, multiplicative decrease).
//!
//! Pure: `now` is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// From the lowest level back to the full rate takes so long.
const CLIMB: Duration = Duration::from_mins(1);

/// The level never falls below this, because some request has to find out whether the platform has
/// room.
const LOWEST: f64 = 1.0 / 64.0;

/// The level since it was last lowered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    low: f64,
    since: Option<Instant>,
}

impl Default for Level {
    fn default() -> Self {
        Self {
            low: 1.0,
            since: None,
        }
    }
}

impl Level {
    /// The part of the rate that may be used, above 0 to 1.
    pub(super) fn at(&self, now: Instant) -> f64 {
        let Some(since) = self.since else { return 1.0 };
        let climbed = now.saturating_duration_since(since).as_secs_f64() / CLIMB.as_secs_f64();
        (self.low + climbed).min(1.0)
    }

    /// Lowers the level, because the platform said "too many" to a request that went at `sent`.
    /// Ignores requests that went before the level was last lowered. Returns whether it was
    /// lowered.
    pub(super) fn lower(&mut self, sent: Instant, now: Instant) -> bool {
        if self.since.is_some_and(|since| sent < since) {
            return false;
        }
        self.low = (self.at(now) / 2.0).max(LOWEST);
        self.since = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(level: f64, expected: f64) -> bool {
        (level - expected).abs() < 1e-9
    }

    #[tokio::test(start_paused = true)]
    async fn the_level_halves_and_climbs_back_steadily() {
        let now = Instant::now();
        let mut level = Level::default();
        assert!(close(level.at(now), 1.0));
        assert!(level.lower(now, now));
        assert!(close(level.at(now), 0.5));
        assert!(close(level.at(now + CLIMB / 4), 0.75));
        assert!(close(level.at(now + CLIMB), 1.0));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_were_under_way_together_halve_it_once() {
        let sent = Instant::now();
        let now = sent + Duration::from_millis(50);
        let mut level = Level::default();
        assert!(level.lower(sent, now));
        assert!(!level.lower(sent, now + Duration::from_millis(1)));
        assert!(close(level.at(now), 0.5));
        assert!(level.lower(now, now));
        assert!(close(level.at(now), 0.25));
    }

    #[tokio::test(start_paused = true)]
    async fn it_never_falls_to_nothing() {
        let now = Instant::now();
        let mut level = Level::default();
        for _ in 0..20 {
            level.lower(now, now);
        }
        assert!(close(level.at(now), LOWEST));
    }
}
