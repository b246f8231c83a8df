//! The database: its troubles, its speed, and what is in it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::DATABASE;
use crate::outbox::OutboxError;
use crate::telemetry::metrics::{LANE_STATES, METRICS};

/// The database may forget what it has confirmed when the power fails.
pub struct NotDurable;

impl NotDurable {
    /// Logs it.
    pub fn emit(&self) {
        warn!(target: DATABASE,
            "the database's innodb_flush_log_at_trx_commit is not 1: after a crash or a loss of \
             power contacts may be sent twice"
        );
    }
}

/// Another server than before takes the writes.
pub struct DatabaseMoved<'a> {
    /// Where the last one is.
    pub from: &'a str,
    /// Where this one is.
    pub to: &'a str,
}

impl DatabaseMoved<'_> {
    /// Logs it.
    pub fn emit(&self) {
        info!(target: DATABASE, from = self.from, server = self.to, "another server is used now");
    }
}

/// What was done long ago was deleted.
pub struct Pruned {
    /// How many contacts.
    pub contacts: u64,
    /// How many batches of the journal.
    pub batches: u64,
    /// How long it took.
    pub took: Duration,
}

impl Pruned {
    /// Logs it.
    pub fn emit(&self) {
        info!(target: DATABASE,
            contacts = self.contacts,
            batches = self.batches,
            duration_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "deleted what ended longer ago than retention.older_than"
        );
    }
}

/// What was done long ago could not be deleted.
pub struct PruningFailed<'a> {
    /// Why.
    pub error: &'a str,
}

impl PruningFailed<'_> {
    /// Logs it.
    pub fn emit(&self) {
        warn!(target: DATABASE,
            error = self.error,
            "cannot delete what is older than retention.older_than; trying again later"
        );
    }
}

/// What is asked of the database, as far as one may work while another does not: a server that has
/// become read-only still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseWork {
    /// Looking for lanes.
    Search,
    /// Taking lanes, and giving them back.
    Lease,
    /// Reading contacts.
    Read,
    /// Writing what became of them.
    Write,
    /// Telling that the courier lives.
    Heartbeat,
    /// Claiming a part of a shared rate.
    Rate,
    /// Letting lanes go that waited for another token.
    Token,
}

/// What failed and was not tried again for so long is no trouble any more.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// Tells when the database goes away and when it is back, once each for an outage. It is back when
/// all that failed works again, by calls that began after the failure; and what began before it was
/// back, and fails late, is no other outage.
#[derive(Debug, Default)]
pub struct DatabaseWatch(Mutex<Trouble>);

#[derive(Debug, Default)]
struct Trouble {
    /// What does not work.
    failing: Vec<Failing>,
    /// When the last outage was over.
    back: Option<Instant>,
}

#[derive(Debug)]
struct Failing {
    work: DatabaseWork,
    since: Instant,
    why: String,
}

impl DatabaseWatch {
    /// A call that began then has ended. That another session has locked a row is no trouble.
    pub fn note<T>(&self, work: DatabaseWork, began: Instant, answer: &Result<T, OutboxError>) {
        match answer {
            Ok(_) => self.works(work, began),
            Err(OutboxError::Locked(_)) => {}
            Err(error) => self.fails(work, began, error),
        }
    }

    /// A call succeeded that began then.
    pub fn works(&self, work: DatabaseWork, began: Instant) {
        let mut trouble = self.lock();
        if trouble.failing.is_empty() {
            return;
        }
        trouble.failing.retain(|failing| {
            let works = failing.work == work && failing.since <= began;
            !works && failing.since.elapsed() < FORGOTTEN
        });
        if trouble.failing.is_empty() {
            trouble.back = Some(Instant::now());
            info!(target: DATABASE, "the database answers again");
        }
    }

    /// A call failed that began then.
    pub fn fails(&self, work: DatabaseWork, began: Instant, error: &OutboxError) {
        let why = error.to_string();
        let mut trouble = self.lock();
        let is_late = trouble.back.is_some_and(|back| began < back) && error.is_transient();
        let is_told = trouble.failing.iter().any(|failing| failing.why == why);
        let goes_on = !trouble.failing.is_empty() && error.is_transient();
        if is_late || is_told || goes_on {
            debug!(target: DATABASE, error = why, "database trouble goes on");
        } else {
            error!(target: DATABASE, error = why, "database trouble; trying again");
        }
        if is_late {
            return;
        }
        trouble.failing.retain(|failing| failing.work != work);
        trouble.failing.push(Failing {
            work,
            since: Instant::now(),
            why,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Trouble> {
        // The values are replaced whole, so a panic elsewhere cannot have left one half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call of the database has ended, well or not.
pub struct DatabaseCall {
    /// The name of the call.
    pub operation: &'static str,
    /// How long it took.
    pub took: Duration,
}

impl DatabaseCall {
    /// Measures it.
    pub fn emit(&self) {
        METRICS
            .outbox
            .calls
            .with_label_values(&[self.operation])
            .observe(self.took.as_secs_f64());
    }
}

/// What is in the outbox was looked at.
pub struct OutboxSeen {
    /// Contacts that are not final.
    pub pending: u64,
    /// How long the oldest of those that are due has been due; zero if there is none.
    pub oldest: Duration,
    /// Lanes by state.
    pub lanes: [(&'static str, u64); 4],
}

impl OutboxSeen {
    /// Sets the gauges.
    pub fn emit(&self) {
        METRICS.outbox.pending.set(precise(self.pending));
        METRICS.outbox.oldest.set(self.oldest.as_secs_f64());
        for (state, lanes) in self.lanes {
            let gauge = METRICS.outbox.lanes.with_label_values(&[state]);
            gauge.set(precise(lanes));
        }
    }
}

/// What is in the outbox cannot be looked at.
pub struct OutboxUnseen;

impl OutboxUnseen {
    /// Takes back what the gauges said: a number that was true an hour ago would mislead.
    pub fn emit(&self) {
        METRICS.outbox.pending.set(f64::NAN);
        METRICS.outbox.oldest.set(f64::NAN);
        for state in LANE_STATES {
            METRICS
                .outbox
                .lanes
                .with_label_values(&[state])
                .set(f64::NAN);
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; it is precise up to nine thousand million million"
)]
fn precise(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::LogFormat;
    use crate::telemetry::logging::tests::logged;

    fn away() -> OutboxError {
        OutboxError::Lost("connection reset".into())
    }

    fn logged_lines(act: impl FnOnce()) -> Vec<String> {
        let text = logged(LogFormat::Pretty, "info", act);
        text.lines().map(str::to_owned).collect()
    }

    /// What is said of an outage, line by line.
    fn told(act: impl Fn(&DatabaseWatch)) -> Vec<String> {
        let watch = DatabaseWatch::default();
        logged_lines(|| act(&watch))
    }

    async fn later() -> Instant {
        tokio::time::advance(Duration::from_secs(1)).await;
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn reading_well_is_no_end_of_trouble_with_writing() {
        let times = [later().await, later().await];
        let lines = told(|watch| {
            for began in times {
                watch.fails(DatabaseWork::Write, began, &away());
                watch.works(DatabaseWork::Search, Instant::now());
                watch.works(DatabaseWork::Read, Instant::now());
                watch.fails(DatabaseWork::Heartbeat, began, &away());
            }
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("database trouble; trying again"));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_back_once_when_all_that_failed_works_again() {
        let began = later().await;
        let lines = told(|watch| {
            watch.fails(DatabaseWork::Write, began, &away());
            watch.fails(DatabaseWork::Search, began, &away());
            let now = Instant::now();
            watch.works(DatabaseWork::Search, now);
            watch.works(DatabaseWork::Write, now);
            watch.works(DatabaseWork::Write, now);
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].contains("the database answers again"));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_of_the_outage_that_end_after_it_begin_no_other() {
        let (before, during) = (later().await, later().await);
        let now = later().await;
        let lines = told(|watch| {
            watch.fails(DatabaseWork::Search, before, &away());
            // An answer to what was asked before the failure says nothing.
            watch.works(DatabaseWork::Search, during);
            watch.works(DatabaseWork::Search, now);
            watch.fails(DatabaseWork::Write, during, &away());
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_tried_any_more_keeps_nobody_waiting_for_the_end() {
        let watch = DatabaseWatch::default();
        watch.fails(DatabaseWork::Rate, Instant::now(), &away());
        tokio::time::advance(FORGOTTEN).await;
        let lines = logged_lines(|| watch.works(DatabaseWork::Search, Instant::now()));
        assert_eq!(lines.len(), 1, "{lines:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn another_refusal_is_told_each_and_a_lock_is_no_trouble() {
        let refused = |why: &str| Err::<(), _>(OutboxError::Failed(why.into()));
        let lines = told(|watch| {
            let now = Instant::now();
            watch.note(DatabaseWork::Write, now, &refused("no right to write"));
            watch.note(DatabaseWork::Write, now, &refused("no right to write"));
            watch.note(DatabaseWork::Write, now, &refused("no such column"));
            let locked = Err::<(), _>(OutboxError::Locked("a row".into()));
            watch.note(DatabaseWork::Lease, now, &locked);
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
    }
}
