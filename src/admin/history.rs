//! The last hour, sample by sample, for the charts of the status page.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::picture::Pictures;
use crate::lock::lock;
use crate::telemetry::metrics::{self, Totals};

/// The time between two samples.
const STEP: Duration = Duration::from_secs(10);

/// An hour of samples.
const SAMPLES: usize = 360;

/// The changes between two looks, and the state at the second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    succeeded_per_second: f64,
    failed_per_second: f64,
    pending: Option<u64>,
    oldest: Option<f64>,
}

/// A bounded number of samples, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<VecDeque<Sample>>);

/// The samples as columns.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Charts {
    step_seconds: u64,
    succeeded: Vec<f64>,
    failed: Vec<f64>,
    /// `null`: not known.
    pending: Vec<Option<u64>>,
    oldest_seconds: Vec<Option<f64>>,
}

impl History {
    /// Takes one sample after the other.
    pub(super) async fn keep(&self, pictures: &Pictures) {
        let mut beat = interval(STEP);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut before, mut at) = (metrics::totals(), beat.tick().await);
        loop {
            beat.tick().await;
            let (totals, now) = (metrics::totals(), Instant::now());
            let (pending, oldest) = pictures.backlog();
            self.add(sample(before, totals, now - at, pending, oldest));
            (before, at) = (totals, now);
        }
    }

    fn add(&self, sample: Sample) {
        let mut samples = lock(&self.0);
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// Returns the samples of at most an hour.
    pub(super) fn charts(&self) -> Charts {
        let samples = lock(&self.0);
        Charts {
            step_seconds: STEP.as_secs(),
            succeeded: samples.iter().map(|s| s.succeeded_per_second).collect(),
            failed: samples.iter().map(|s| s.failed_per_second).collect(),
            pending: samples.iter().map(|s| s.pending).collect(),
            oldest_seconds: samples.iter().map(|s| s.oldest).collect(),
        }
    }
}

fn sample(
    before: Totals,
    now: Totals,
    passed: Duration,
    pending: Option<u64>,
    oldest: Option<Duration>,
) -> Sample {
    let rate = |before: u64, now: u64| {
        let contacts = u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX);
        // Rounded, because nobody reads more digits, and the page is sent every few seconds.
        (f64::from(contacts) / passed.as_secs_f64().max(0.001) * 100.0).round() / 100.0
    };
    Sample {
        succeeded_per_second: rate(before.succeeded, now.succeeded),
        failed_per_second: rate(before.failed, now.failed),
        pending,
        oldest: oldest.map(|oldest| oldest.as_secs_f64().round()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(succeeded: u64, failed: u64) -> Totals {
        Totals {
            succeeded,
            failed,
            ..Totals::default()
        }
    }

    #[test]
    fn a_sample_tells_rates_by_the_time_that_really_passed() {
        let (before, now) = (totals(100, 4), totals(700, 34));
        let sample = sample(before, now, Duration::from_secs(20), Some(9), None);
        let expected = Sample {
            succeeded_per_second: 30.0,
            failed_per_second: 1.5,
            pending: Some(9),
            oldest: None,
        };
        assert_eq!(sample, expected);
    }

    #[test]
    fn no_more_than_an_hour_is_kept() {
        let history = History::default();
        for second in 0..500 {
            history.add(sample(
                totals(0, 0),
                totals(0, 0),
                STEP,
                Some(second),
                Some(Duration::from_secs(second)),
            ));
        }
        let charts = history.charts();
        assert_eq!(charts.pending.len(), 360);
        assert_eq!(charts.pending.first(), Some(&Some(140)));
        assert_eq!(charts.oldest_seconds.last(), Some(&Some(499.0)));
        assert_eq!(charts.step_seconds * 360, 3_600);
    }
}
