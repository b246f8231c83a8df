//! The pulse: whether the courier's loops are turning, for health checks.
//!
//! Each loop reports its turns here. A loop that has ended, is blocked or waits in vain falls
//! silent. A database that does not respond silences no loop: each call has a time limit of its
//! own, and a restart of the courier would not help. Readiness reports such a database.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A loop that misses more turns than this counts as standing still.
const TURNS: u32 = 3;

/// A loop with a shorter interval is judged by this interval, because a host may be busy for a
/// moment.
const LEAST_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Pulse {
    /// Cancelled when the courier begins to work.
    begun: CancellationToken,
    pub(super) scout: Beat,
    pub(super) heartbeat: Beat,
    /// One for each writer of the recorder.
    pub(super) writers: Box<[Beat]>,
}

#[derive(Debug)]
pub(super) struct Beat {
    name: &'static str,
    interval: Duration,
    origin: Instant,
    /// The time of the last turn, in milliseconds since `origin`.
    turned: AtomicU64,
}

/// The state of a loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopReport {
    pub name: &'static str,
    /// The time since its last turn.
    pub silent_for: Duration,
    /// The longest time that the loop may be silent.
    pub limit: Duration,
}

impl LoopReport {
    pub fn is_turning(&self) -> bool {
        self.silent_for <= self.limit
    }
}

impl Pulse {
    /// The pulse of loops that are about to begin: the scout turns once per poll interval, the
    /// heartbeat three times per lease.
    pub(super) fn new(poll_interval: Duration, beat_interval: Duration, writers: usize) -> Self {
        Self {
            begun: CancellationToken::new(),
            scout: Beat::new("scout", poll_interval),
            heartbeat: Beat::new("heartbeat", beat_interval),
            writers: (0..writers.max(1))
                .map(|_| Beat::new("recorder", LEAST_INTERVAL))
                .collect(),
        }
    }

    /// Notes that the courier works from now on.
    pub(super) fn begin(&self) {
        self.begun.cancel();
    }

    /// Resolves when the courier works.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Waits for the database before the loops begin. All loops count as turning meanwhile.
    pub(super) async fn all_turning<T>(&self, waits: impl Future<Output = T>) -> T {
        tokio::pin!(waits);
        loop {
            self.beats().for_each(Beat::turn);
            if let Ok(done) = tokio::time::timeout(LEAST_INTERVAL, &mut waits).await {
                self.beats().for_each(Beat::turn);
                return done;
            }
        }
    }

    pub(super) fn is_turning(&self) -> bool {
        self.report().iter().all(LoopReport::is_turning)
    }

    pub fn report(&self) -> Vec<LoopReport> {
        self.beats().map(Beat::report).collect()
    }

    fn beats(&self) -> impl Iterator<Item = &Beat> {
        [&self.scout, &self.heartbeat]
            .into_iter()
            .chain(&self.writers)
    }
}

impl Beat {
    fn new(name: &'static str, interval: Duration) -> Self {
        Self {
            name,
            interval: interval.max(LEAST_INTERVAL),
            origin: Instant::now(),
            turned: AtomicU64::new(0),
        }
    }

    pub(super) fn turn(&self) {
        let since = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.turned.store(since, Ordering::Relaxed);
    }

    /// Waits for the loop's work, or for the database. The loop counts as turning meanwhile, as
    /// long as it is polled.
    pub(super) async fn turning<T>(&self, waits: impl Future<Output = T>) -> T {
        tokio::pin!(waits);
        loop {
            self.turn();
            if let Ok(done) = tokio::time::timeout(self.interval, &mut waits).await {
                self.turn();
                return done;
            }
        }
    }

    fn report(&self) -> LoopReport {
        let turned = Duration::from_millis(self.turned.load(Ordering::Relaxed));
        LoopReport {
            name: self.name,
            silent_for: self.origin.elapsed().saturating_sub(turned),
            limit: self.interval * TURNS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(10);

    fn standing(pulse: &Pulse) -> Vec<&'static str> {
        let still = |report: &LoopReport| !report.is_turning();
        let reports = pulse.report().into_iter();
        reports.filter(still).map(|report| report.name).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_leaves_three_turns_out_stands_still() {
        let pulse = Pulse::new(Duration::from_secs(10), Duration::from_secs(20), 1);
        tokio::time::advance(Duration::from_secs(30)).await;
        pulse.writers[0].turn();
        assert_eq!(standing(&pulse), [""; 0]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(standing(&pulse), ["scout"]);
        pulse.scout.turn();
        assert_eq!(standing(&pulse), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_waits_for_its_work_or_the_database_is_turning() {
        let pulse = Pulse::new(Duration::from_secs(1), LONG, 1);
        pulse.writers[0].turning(tokio::time::sleep(LONG)).await;
        assert_eq!(standing(&pulse), ["scout"]);
    }

    #[tokio::test(start_paused = true)]
    async fn before_the_loops_begin_a_wait_for_the_database_turns_them_all() {
        let pulse = Pulse::new(Duration::from_secs(1), LONG, 2);
        pulse.all_turning(tokio::time::sleep(LONG)).await;
        assert_eq!(standing(&pulse), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_interval_does_not_make_a_busy_host_look_ill() {
        let pulse = Pulse::new(Duration::from_millis(50), LONG, 1);
        tokio::time::advance(Duration::from_secs(15)).await;
        assert_eq!(standing(&pulse), [""; 0]);
    }
}
