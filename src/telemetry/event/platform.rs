//! Events of requests to the platform, and of the limits on them.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::target::PLATFORM;
use crate::batch::Batch;
use crate::platform::verdict::Verdict;
use crate::telemetry::metrics::METRICS;

/// A request waited for the rate limits.
#[derive(Debug, Default)]
pub struct RateLimitWait {
    /// The time in all.
    pub waited: Duration,
}

impl RateLimitWait {
    /// Adds the time that one of the limits takes.
    pub async fn during<T>(&mut self, limit: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let ready = limit.await;
        self.waited += began.elapsed();
        ready
    }

    pub fn emit(&self) {
        METRICS.requests.limited.observe(self.waited.as_secs_f64());
    }
}

/// A request goes out. It counts as in flight until the value is dropped.
#[derive(Debug)]
#[must_use = "the request is in flight as long as this is held"]
pub struct RequestSent {
    at: Instant,
}

impl RequestSent {
    pub fn emit(batch: &Batch) -> Self {
        METRICS.requests.in_flight.inc();
        let contacts = u32::try_from(batch.contacts.len()).unwrap_or(u32::MAX);
        METRICS.requests.contacts.observe(contacts.into());
        Self { at: Instant::now() }
    }

    /// Ends the wait: the answer has come, or surely will not. Returns how long it took.
    pub fn answered(self) -> Duration {
        self.at.elapsed()
    }
}

impl Drop for RequestSent {
    fn drop(&mut self) {
        METRICS.requests.in_flight.dec();
    }
}

/// A request has come to its end.
pub struct RequestEnded<'a> {
    pub batch: &'a Batch,
    pub verdict: &'a Verdict,
    /// The time from sending to the end of the answer.
    pub took: Duration,
}

impl RequestEnded<'_> {
    /// Counts and measures it. The log has a line for the batch; this one is for details.
    pub fn emit(&self) {
        let Self {
            batch,
            verdict,
            took,
        } = self;
        let outcome = verdict.outcome();
        METRICS.requests.ended.with_label_values(&[outcome]).inc();
        METRICS.requests.duration.observe(took.as_secs_f64());
        debug!(
            target: PLATFORM,
            batch = %batch.id,
            lane = %batch.lane,
            outcome,
            contacts = batch.contacts.len(),
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "request ended"
        );
    }
}

/// The breaker opens, or closes again.
pub struct BreakerMoved {
    /// Whether the breaker now holds requests back.
    pub open: bool,
}

impl BreakerMoved {
    /// Logs it and sets the gauge.
    pub fn emit(&self) {
        METRICS.requests.breaker_open.set(i64::from(self.open));
        if self.open {
            warn!(target: PLATFORM, "the platform fails again and again; requests are held back");
        } else {
            info!(target: PLATFORM, "the platform answers again; requests go on");
        }
    }
}

/// The breaker no longer holds requests back, because no lane comes to it.
pub struct BreakerLeft;

impl BreakerLeft {
    /// Logs it and sets the gauge.
    pub fn emit(&self) {
        METRICS.requests.breaker_open.set(0);
        info!(target: PLATFORM, "the breaker keeps nothing back any more: nobody has come to it for a minute");
    }
}

/// The rate in use has changed.
pub struct RateLevel {
    /// The part of the configured rate, 0 to 1.
    pub level: f64,
}

impl RateLevel {
    pub fn emit(&self) {
        METRICS.requests.rate_level.set(self.level);
        // Named `percent`, because `level` is the log's own; without digits that nobody needs.
        let percent = format_args!("{:.1}", self.level * 100.0);
        debug!(target: PLATFORM, %percent, "the rate has changed");
    }
}

/// The token file cannot be used while the courier runs.
pub struct TokenFileUnusable<'a> {
    pub why: &'a str,
}

impl TokenFileUnusable<'_> {
    pub fn emit(&self) {
        warn!(target: PLATFORM,
            why = self.why,
            "the token file cannot be used; the last good token stays in use"
        );
    }
}

/// The token file can be used again, and holds the token that stayed in use.
pub struct TokenFileUsableAgain;

impl TokenFileUsableAgain {
    pub fn emit(&self) {
        warn!(target: PLATFORM, "the token file can be used again, and holds the same token");
    }
}

/// The token file holds another token.
pub struct TokenChanged {
    /// Lanes that were on hold because of the token and go on.
    pub lanes: u64,
}

impl TokenChanged {
    pub fn emit(&self) {
        info!(target: PLATFORM,
            lanes = self.lanes,
            "the token has changed; what waited for another one goes on"
        );
    }
}
