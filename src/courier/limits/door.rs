//! A door of the platform, for tests: it lets in a limited number of requests a second.

use std::collections::VecDeque;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// How the platform counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counts {
    /// Any window of a second.
    Sliding,
    /// Each second by its clock.
    Fixed,
    /// Tokens that come evenly; up to a second's worth is kept.
    Bucket,
}

pub(super) const ALL: [Counts; 3] = [Counts::Sliding, Counts::Fixed, Counts::Bucket];

/// A platform that accepts a limited number of requests a second.
pub(super) struct Platform {
    counts: Counts,
    pub(super) limit: u32,
    window: Duration,
    came: VecDeque<Duration>,
    tokens: f64,
    at: Duration,
}

impl Platform {
    pub(super) fn new(counts: Counts, limit: u32) -> Self {
        Self::of_windows(counts, limit, SECOND)
    }

    /// A platform that accepts a limited number of requests in each window.
    pub(super) fn of_windows(counts: Counts, limit: u32, window: Duration) -> Self {
        Self {
            counts,
            limit,
            window,
            came: VecDeque::new(),
            tokens: f64::from(limit),
            at: Duration::ZERO,
        }
    }

    pub(super) fn lets_in(&mut self, at: Duration) -> bool {
        let limit = f64::from(self.limit);
        let earned = at.saturating_sub(self.at).div_duration_f64(self.window) * limit;
        let nth = |at: Duration| at.as_nanos() / self.window.as_nanos();
        (self.tokens, self.at) = ((self.tokens + earned).min(limit), at.max(self.at));
        let old = |came: &Duration| match self.counts {
            Counts::Fixed => nth(*came) < nth(at),
            Counts::Sliding | Counts::Bucket => *came + self.window <= at,
        };
        while self.came.front().is_some_and(old) {
            self.came.pop_front();
        }
        let has_room = match self.counts {
            Counts::Bucket => self.tokens >= 1.0,
            Counts::Sliding | Counts::Fixed => self.came.len() < self.limit as usize,
        };
        if has_room {
            self.came.push_back(at);
            self.tokens -= 1.0;
        }
        has_room
    }
}

/// A day at the platform: the accepted and the refused requests of each second.
pub(super) struct Day {
    pub(super) let_in: Vec<u32>,
    pub(super) refused: Vec<u32>,
}

impl Day {
    fn sum(of: &[u32], from: usize) -> f64 {
        f64::from(of[from..].iter().sum::<u32>())
    }

    /// Returns the accepted and the refused requests from a second on.
    pub(super) fn sums(&self, from: usize) -> (f64, f64) {
        (
            Self::sum(&self.let_in, from),
            Self::sum(&self.refused, from),
        )
    }

    /// Returns the use of a limit from a second on, and the share of requests that was refused.
    pub(super) fn shares(&self, limit: u32, from: usize) -> (f64, f64) {
        let (good, bad) = self.sums(from);
        let seconds = f64::from(u32::try_from(self.let_in.len() - from).unwrap());
        (good / (f64::from(limit) * seconds), bad / (good + bad))
    }
}
