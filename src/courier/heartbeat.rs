//! The heartbeat keeps this instance's leases good, and tells when they may be lost.
//!
//! A courier that could not renew its heartbeat for the lease time stops sending by itself, because
//! others may have taken over its lanes. The lease is counted from *before* the last heartbeat was
//! sent, so this side always stops first.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::beats::{SOON, interval, too_slow};
use super::bulletin::Bulletin;
use super::lifecycle::Lifecycle;
use super::pulse::Pulse;
use super::tuning::Tuning;
use super::watch::{DatabaseWatch, DatabaseWork};
use crate::outbox::{Instance, LearnedRate, Outbox, OutboxError};
use crate::telemetry::event::ClockWentBack;

/// How often a courier looks for shared rates that nobody uses any more.
const FORGET_EVERY: Duration = Duration::from_hours(24);

/// A courier begins with that so long after its start, because waiting contacts go first.
const FORGET_FIRST: Duration = Duration::from_mins(10);

/// Knows until when this instance's leases are good.
#[derive(Clone, Debug)]
pub(super) struct LeaseClock(watch::Receiver<Instant>);

impl LeaseClock {
    /// Whether leases of this instance are good now.
    pub(super) fn is_good(&self) -> bool {
        Instant::now() < *self.0.borrow()
    }
}

/// Registers the instance and keeps its heart beating until the returned task is dropped.
pub(super) async fn start(
    outbox: Arc<dyn Outbox>,
    instance: Instance,
    watch: Arc<DatabaseWatch>,
    pulse: Arc<Pulse>,
    life: Lifecycle,
    bulletin: Arc<Bulletin>,
    rates: Arc<dyn Outbox>,
) -> Result<(LeaseClock, AbortOnDropHandle<()>), OutboxError> {
    let good_until = Instant::now() + instance.lease;
    let mut clock = DatabaseClock::default();
    clock.note(outbox.beat(&instance).await?);
    // The database's clock may have gone back while no courier was there to see it.
    outbox.bring_back(longest_hold(&bulletin.tuning())).await?;
    let (sender, receiver) = watch::channel(good_until);
    let heart = Heart {
        outbox,
        instance,
        watch,
        pulse,
        bulletin,
        rates,
        clock,
        kept: None,
        forget_at: Instant::now() + FORGET_FIRST,
    };
    let task = tokio::spawn(async move {
        tokio::select! {
            () = heart.beat(sender) => {}
            () = life.killed() => {}
        }
    });
    Ok((LeaseClock(receiver), AbortOnDropHandle::new(task)))
}

/// The longest hold that the settings allow.
fn longest_hold(tuning: &Tuning) -> Duration {
    tuning.backoff.max_interval.max(tuning.longest_retry_after)
}

struct Heart {
    outbox: Arc<dyn Outbox>,
    instance: Instance,
    watch: Arc<DatabaseWatch>,
    pulse: Arc<Pulse>,
    bulletin: Arc<Bulletin>,
    /// The database that keeps the rates.
    rates: Arc<dyn Outbox>,
    clock: DatabaseClock,
    /// The rate that was last kept.
    kept: Option<LearnedRate>,
    /// When to forget the shared rates that nobody uses any more.
    forget_at: Instant,
}

impl Heart {
    async fn beat(mut self, good_until: watch::Sender<Instant>) {
        let pause = interval(self.instance.lease);
        let mut failed = false;
        loop {
            self.pulse.heartbeat.turn();
            self.wait(if failed { pause.min(SOON) } else { pause })
                .await;
            self.instance.standing = self.bulletin.standing();
            let begun = Instant::now();
            let beat = self.within(pause, self.outbox.beat(&self.instance)).await;
            failed = beat.is_err();
            if let Ok(went_back) = beat {
                good_until.send_replace(begun + self.instance.lease);
                self.clock.note(went_back);
            }
            if !failed && self.clock.is_to_be_followed {
                // A hold that the platform has asked for may end early here; then one request finds
                // out.
                let longest = self.bulletin.tuning().backoff.max_interval;
                let brought = self.within(pause, self.outbox.bring_back(longest)).await;
                self.clock.is_to_be_followed = brought.is_err();
            }
            if !failed {
                self.keep_rate(pause).await;
                self.forget_rates(pause).await;
            }
        }
    }

    /// Waits until the next heartbeat is due. News shortens the wait, but not to nothing: more news
    /// may follow. The first speed after a time without work shortens it, too.
    async fn wait(&self, pause: Duration) {
        let news = async {
            self.bulletin.news().await;
            sleep(SOON).await;
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = news => {}
            () = self.bulletin.watch_speed() => {}
        }
    }

    /// Keeps the learned rate of the platform, if it has changed.
    async fn keep_rate(&mut self, limit: Duration) {
        let Some(learned) = self.bulletin.learned() else {
            return;
        };
        let is_known = |kept: LearnedRate| {
            let seconds_ago = learned.seconds_ago;
            let kept = LearnedRate {
                seconds_ago,
                ..kept
            };
            kept == learned
        };
        if self.kept.is_some_and(is_known) {
            return;
        }
        let keep = tokio::time::timeout(limit.min(SOON), self.rates.keep_rate(&learned));
        // The next heartbeat tries again if this fails.
        if let Ok(Ok(())) = self.pulse.heartbeat.turning(keep).await {
            self.kept = Some(learned);
        }
    }

    /// Forgets the shared rates that nobody uses any more, once in a while. They are as many as users
    /// and lanes, and those come and go.
    async fn forget_rates(&mut self, limit: Duration) {
        if self.bulletin.has_own_rates() || Instant::now() < self.forget_at {
            return;
        }
        self.forget_at = Instant::now() + FORGET_EVERY;
        let forget = tokio::time::timeout(limit.min(SOON), self.rates.forget_rates());
        // A courier that may not delete leaves them to `prune`; after other trouble the next time comes.
        self.pulse.heartbeat.turning(forget).await.ok();
    }

    /// Limits a call's time: a call that hangs must not hold up the next heartbeat.
    async fn within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, OutboxError>>,
    ) -> Result<T, OutboxError> {
        let begun = Instant::now();
        let call = tokio::time::timeout(limit, call);
        let answer = self.pulse.heartbeat.turning(call).await;
        let answer = answer.unwrap_or_else(|_| Err(self.outbox.failed(begun, too_slow(limit))));
        self.watch.note(DatabaseWork::Heartbeat, begun, &answer);
        answer
    }
}

/// Whether the database's clock runs as it should.
#[derive(Default)]
struct DatabaseClock {
    /// Whether the last heartbeat found that the clock went back.
    went_back: bool,
    /// Whether holds may still end by the clock as it was before.
    is_to_be_followed: bool,
}

impl DatabaseClock {
    /// Notes what a heartbeat found. Logs once that the clock went back.
    fn note(&mut self, went_back: bool) {
        if went_back && !self.went_back {
            ClockWentBack.emit();
        }
        self.went_back = went_back;
        self.is_to_be_followed |= went_back;
    }
}
