//! The bulletin: the state that this courier publishes with each heartbeat. People read it from the
//! database, because only the courier itself knows it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::gates::Gates;
use super::limits::RateLimiter;
use super::tuning::{Tuner, Tuning};
use crate::lock::lock;
use crate::outbox::{ClosedGate, LearnedRate, Standing};
use crate::telemetry::event::BreakerLeft;
use crate::telemetry::metrics;

/// The speed is an average over about the last minute.
const MEMORY: Duration = Duration::from_secs(30);

pub(super) struct Bulletin {
    gates: Mutex<Gates>,
    limiter: Arc<RateLimiter>,
    tuner: Tuner,
    /// Whether the rates are this courier's alone.
    has_own_rates: bool,
    /// Notified when there is news that people wait for.
    news: Notify,
    speed: Mutex<Speed>,
}

impl Bulletin {
    /// The bulletin of a courier that has done nothing yet.
    pub(super) fn new(limiter: Arc<RateLimiter>, tuner: Tuner, has_own_rates: bool) -> Self {
        Self {
            gates: Mutex::default(),
            limiter,
            tuner,
            has_own_rates,
            news: Notify::new(),
            speed: Mutex::new(Speed::new(ended(), Instant::now())),
        }
    }

    pub(super) fn gates(&self) -> MutexGuard<'_, Gates> {
        lock(&self.gates)
    }

    /// Makes the next heartbeat come soon.
    pub(super) fn has_news(&self) {
        self.news.notify_one();
    }

    /// Waits for news.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Returns what the courier says now.
    pub(super) fn standing(&self) -> Standing {
        let now = Instant::now();
        let (gates, more_gates) = self.report_gates(now);
        let tuning = self.tuning();
        let limits = tuning.limits;
        Standing {
            gates,
            more_gates,
            requests_per_second: limits.requests_per_second,
            per_user: limits.per_user,
            per_lane: limits.per_lane,
            batch_size: Some(tuning.batch_size),
            rate_level: self.limiter.level(),
            contacts_per_second: lock(&self.speed).note(ended(), now),
            is_guest: false,
            has_own_rates: self.has_own_rates,
            guest_of: None,
        }
    }

    /// Returns the closed gates, and how many more there are. Leaves out gates of users for whom
    /// nothing waits.
    fn report_gates(&self, now: Instant) -> (Vec<ClosedGate>, usize) {
        let mut gates = self.gates();
        let was_open = gates.breaker_is_open();
        gates.forget_left(now);
        if was_open && !gates.breaker_is_open() {
            BreakerLeft.emit();
        }
        gates.report(now)
    }

    /// Returns the settings that can change, as they are now.
    pub(super) fn tuning(&self) -> Arc<Tuning> {
        self.tuner.current()
    }

    /// Whether the rates are this courier's alone.
    pub(super) fn has_own_rates(&self) -> bool {
        self.has_own_rates
    }

    /// Returns what the courier has learned of the platform's rate.
    pub(super) fn learned(&self) -> Option<LearnedRate> {
        self.limiter.learned()
    }
}

/// Returns how many contacts this process has brought to their end.
fn ended() -> u64 {
    let totals = metrics::totals();
    totals.succeeded + totals.failed
}

/// Slower than this, in contacts per second, the courier counts as idle.
const IDLE: f64 = 0.05;

/// Contacts per second, as an average in which old values count less and less. Idle time before the
/// work does not count: with it, the speed would seem next to none for the first seconds of work.
#[derive(Debug)]
struct Speed {
    ended: u64,
    at: Instant,
    /// The sum of the values seen, each weighted by its age.
    sum: f64,
    /// The sum of the weights. It approaches 1 when work goes on for some time.
    weights: f64,
    per_second: f64,
}

impl Speed {
    fn new(ended: u64, at: Instant) -> Self {
        Self {
            ended,
            at,
            sum: 0.0,
            weights: 0.0,
            per_second: 0.0,
        }
    }

    /// Notes how many contacts have ended by now, and returns the speed.
    fn note(&mut self, ended: u64, now: Instant) -> f64 {
        let time = now.saturating_duration_since(self.at);
        if time.is_zero() {
            return self.per_second;
        }
        let more = u32::try_from(ended.saturating_sub(self.ended)).unwrap_or(u32::MAX);
        let mut seconds = time.as_secs_f64();
        if more > 0 && self.per_second < IDLE {
            (self.sum, self.weights) = (0.0, 0.0);
            // A single batch that ended just before does not make a speed yet.
            seconds = seconds.max(1.0);
        }
        let lately = f64::from(more) / seconds;
        let weight = 1.0 - (-time.div_duration_f64(MEMORY)).exp();
        self.sum += (lately - self.sum) * weight;
        self.weights += (1.0 - self.weights) * weight;
        self.per_second = self.sum / self.weights;
        // A speed too small to show counts as zero.
        if self.per_second < 0.001 {
            self.per_second = 0.0;
        }
        (self.ended, self.at) = (ended, now);
        self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_follows_the_last_minute() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut speed = Speed::new(1_000, begun);
        let mut ended = 1_000;
        for beat in 1..=12 {
            ended += 500;
            speed.note(ended, at(beat * 10));
        }
        assert!((speed.per_second - 50.0).abs() < 2.0, "{speed:?}");
        speed.note(ended, at(240));
        assert!(speed.per_second < 1.0, "{speed:?}");
        speed.note(ended, at(3_600));
        assert!(speed.per_second < f64::MIN_POSITIVE, "{speed:?}");
    }

    #[test]
    fn the_time_of_idleness_does_not_count_when_work_begins() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let mut speed = Speed::new(0, begun);
        for beat in 1..=60 {
            assert!(speed.note(0, at(beat * 10_000)) < f64::MIN_POSITIVE);
        }
        // The first look comes soon, because a gate has opened.
        let first = speed.note(100, at(600_300));
        assert!((50.0..101.0).contains(&first), "{first}");
        let mut ended = 100;
        for beat in 1..=6 {
            ended += 1_000;
            speed.note(ended, at(600_300 + beat * 10_000));
        }
        assert!((speed.per_second - 100.0).abs() < 2.0, "{speed:?}");
    }
}
