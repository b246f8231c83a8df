//! The bulletin: the state that this courier publishes with each heartbeat. People read it from the
//! database, because only the courier itself knows it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::gates::Gates;
use super::limits::RateLimiter;
use super::locks::Locks;
use super::tuning::{Tuner, Tuning};
use crate::lock::lock;
use crate::outbox::{Chore, ClosedGate, LearnedRate, Standing};
use crate::telemetry::event::BreakerLeft;
use crate::telemetry::metrics;

/// The speed is an average over about the last minute.
const MEMORY: Duration = Duration::from_secs(30);

/// The time between two looks at how many contacts have ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A speed is told when the work was watched for so long.
const ENOUGH: Duration = Duration::from_secs(5);

pub(super) struct Bulletin {
    gates: Mutex<Gates>,
    locks: Arc<Locks>,
    limiter: Arc<RateLimiter>,
    tuner: Tuner,
    /// Whether the rates are this courier's alone.
    has_own_rates: bool,
    /// What this courier does by itself that only one should do.
    chores: Vec<Chore>,
    /// Notified when there is news that people wait for.
    news: Notify,
    speed: Mutex<Speed>,
}

impl Bulletin {
    /// The bulletin of a courier that has done nothing yet.
    pub(super) fn new(
        limiter: Arc<RateLimiter>,
        tuner: Tuner,
        has_own_rates: bool,
        chores: Vec<Chore>,
    ) -> Self {
        Self {
            gates: Mutex::default(),
            locks: Arc::default(),
            limiter,
            tuner,
            has_own_rates,
            chores,
            news: Notify::new(),
            speed: Mutex::new(Speed::new(ended(), Instant::now())),
        }
    }

    pub(super) fn gates(&self) -> MutexGuard<'_, Gates> {
        lock(&self.gates)
    }

    /// The lanes that wait for locks of other sessions.
    pub(super) fn locks(&self) -> &Arc<Locks> {
        &self.locks
    }

    /// Makes the next heartbeat come soon.
    pub(super) fn has_news(&self) {
        self.news.notify_one();
    }

    /// Waits for news.
    pub(super) async fn news(&self) {
        tokio::select! {
            () = self.news.notified() => {}
            () = self.locks.news() => {}
        }
    }

    /// Returns what the courier says now.
    pub(super) fn standing(&self) -> Standing {
        let now = Instant::now();
        let (gates, more_gates) = self.report_gates(now);
        let (locked, more_locked) = self.locks.report(now);
        let tuning = self.tuning();
        let limits = tuning.limits;
        Standing {
            gates,
            more_gates,
            locked,
            more_locked,
            requests_per_second: limits.requests_per_second,
            per_user: limits.per_user,
            per_lane: limits.per_lane,
            batch_size: Some(tuning.batch_size),
            rate_level: self.limiter.level(),
            contacts_per_second: self.speed(now),
            is_guest: false,
            has_own_rates: self.has_own_rates,
            chores: self.chores.clone(),
            guest_of: None,
        }
    }

    /// Watches the speed between two heartbeats. Ends when a speed can be told and could not before.
    pub(super) async fn watch_speed(&self) {
        let mut was_told = lock(&self.speed).is_told();
        loop {
            sleep(LOOK_EVERY).await;
            self.speed(Instant::now());
            let is_told = lock(&self.speed).is_told();
            if is_told && !was_told {
                return;
            }
            was_told = is_told;
        }
    }

    fn speed(&self, now: Instant) -> f64 {
        lock(&self.speed).note(ended(), now)
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

/// Contacts per second, as an average in which old values count less and less. Only the time that was
/// really watched counts: with idle time before the work, the speed would seem next to none at first.
#[derive(Debug)]
struct Speed {
    ended: u64,
    at: Instant,
    is_idle: bool,
    /// For how long the present work has been watched.
    watched: Duration,
    /// The sum of the values seen, each weighted by its age.
    sum: f64,
    /// The sum of the weights. It approaches 1 when work goes on for some time.
    weights: f64,
    average: f64,
}

impl Speed {
    fn new(ended: u64, at: Instant) -> Self {
        Self {
            ended,
            at,
            is_idle: true,
            watched: Duration::ZERO,
            sum: 0.0,
            weights: 0.0,
            average: 0.0,
        }
    }

    /// Notes how many contacts have ended by now, and returns the speed. Returns 0 before the work
    /// was watched for long [`ENOUGH`].
    fn note(&mut self, ended: u64, now: Instant) -> f64 {
        let time = now.saturating_duration_since(self.at);
        if time.is_zero() {
            return self.told();
        }
        let more = u32::try_from(ended.saturating_sub(self.ended)).unwrap_or(u32::MAX);
        (self.ended, self.at) = (ended, now);
        if self.is_idle {
            if more == 0 {
                return 0.0;
            }
            (self.is_idle, self.watched) = (false, Duration::ZERO);
            (self.sum, self.weights, self.average) = (0.0, 0.0, 0.0);
            // Nobody knows when in a longer time the work has begun.
            if time > LOOK_EVERY * 2 {
                return 0.0;
            }
        }
        let lately = f64::from(more) / time.as_secs_f64();
        let weight = 1.0 - (-time.div_duration_f64(MEMORY)).exp();
        self.sum += (lately - self.sum) * weight;
        self.weights += (1.0 - self.weights) * weight;
        self.average = self.sum / self.weights;
        self.watched += time;
        self.is_idle = self.watched >= ENOUGH && self.average < IDLE;
        self.told()
    }

    /// Whether the work goes on and was watched for long [`ENOUGH`].
    fn is_told(&self) -> bool {
        !self.is_idle && self.watched >= ENOUGH
    }

    fn told(&self) -> f64 {
        if self.is_told() { self.average } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_unknown(speed: f64) -> bool {
        speed < f64::MIN_POSITIVE
    }

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
        assert!((speed.told() - 50.0).abs() < 2.0, "{speed:?}");
        speed.note(ended, at(240));
        assert!(speed.told() < 1.0, "{speed:?}");
        speed.note(ended, at(3_600));
        assert!(is_unknown(speed.told()), "{speed:?}");
    }

    #[test]
    fn the_time_before_the_work_does_not_count() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut speed = Speed::new(0, begun);
        // The courier has waited for its database, and the first look comes late.
        assert!(is_unknown(speed.note(1_000, at(310))));
        let first = speed.note(2_000, at(320));
        assert!((first - 100.0).abs() < 0.1, "{first}");
        // Nothing is to be done for ten minutes.
        for second in 321..=920 {
            speed.note(2_000, at(second));
        }
        assert!(is_unknown(speed.told()), "{speed:?}");
        for second in 1..=10 {
            let told = speed.note(2_000 + second * 30, at(920 + second));
            if second >= 5 {
                assert!((told - 30.0).abs() < 0.1, "{second}: {told}");
            }
        }
    }

    #[test]
    fn no_speed_is_told_before_the_work_was_watched_for_some_seconds() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut speed = Speed::new(0, begun);
        // The first look comes soon, because a gate has opened.
        assert!(is_unknown(
            speed.note(1, begun + Duration::from_millis(300))
        ));
        for second in 1..=4 {
            assert!(is_unknown(speed.note(second * 100, at(second))));
        }
        let told = speed.note(500, at(5));
        assert!((95.0..=105.0).contains(&told), "{told}");
    }

    #[test]
    fn batches_that_end_seldom_have_a_speed_all_the_same() {
        let begun = Instant::now();
        let mut speed = Speed::new(0, begun);
        for second in 1..=300_u64 {
            let told = speed.note(
                second.div_ceil(15) * 100,
                begun + Duration::from_secs(second),
            );
            if second >= 60 {
                assert!((4.0..10.0).contains(&told), "{second}: {told}");
            }
        }
    }
}
