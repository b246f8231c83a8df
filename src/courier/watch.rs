//! The watch over the database: it notices when an outage begins, and when it is over.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;
use crate::outbox::OutboxError;
use crate::telemetry::event::{DatabaseBack, DatabaseTrouble};

/// The kinds of work that the database does. One kind may work while another does not: a server
/// that has become read-only still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DatabaseWork {
    /// Looking for lanes.
    Search,
    /// Taking lanes, and giving them back.
    Lease,
    /// Reading contacts.
    Read,
    /// Writing the ends of contacts, and the journal.
    Write,
    /// Telling that the courier lives.
    Heartbeat,
    /// Claiming a part of a shared rate.
    Rate,
    /// Ending the holds of lanes that waited for another token.
    Token,
    /// Reading operators' orders.
    Orders,
}

impl DatabaseWork {
    fn only_reads(self) -> bool {
        matches!(self, Self::Search | Self::Read | Self::Orders)
    }
}

/// Failed work that was not tried again for this long no longer counts as trouble.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// Reports when the database goes away and when it is back, once each for an outage. The database
/// is back when all failed work succeeds again, by calls that began after the failure. A call that
/// began before the database was back, and fails late, is not another outage.
#[derive(Debug, Default)]
pub(super) struct DatabaseWatch(Mutex<Trouble>);

#[derive(Debug, Default)]
struct Trouble {
    failing: Vec<Failing>,
    /// When the last outage was over.
    back: Option<Instant>,
    /// When the last write that settled contacts began.
    settled: Option<Instant>,
}

#[derive(Debug)]
struct Failing {
    work: DatabaseWork,
    since: Instant,
    why: String,
}

impl DatabaseWatch {
    /// Notes the result of a call that began at `began`. Another session's lock is no trouble where
    /// the work locks rows itself. A call that only reads meets no lock, except on a whole table.
    pub(super) fn note<T>(
        &self,
        work: DatabaseWork,
        began: Instant,
        answer: &Result<T, OutboxError>,
    ) {
        match answer {
            Ok(_) => self.works(work, began),
            Err(OutboxError::Locked(_)) if !work.only_reads() => {}
            Err(error) => self.fails(work, began, error),
        }
    }

    /// Notes that a call that began at `began` succeeded.
    pub(super) fn works(&self, work: DatabaseWork, began: Instant) {
        let mut trouble = lock(&self.0);
        if trouble.failing.is_empty() {
            return;
        }
        trouble.failing.retain(|failing| {
            let works = failing.work == work && failing.since <= began;
            !works && failing.since.elapsed() < FORGOTTEN
        });
        if trouble.failing.is_empty() {
            trouble.back = Some(Instant::now());
            DatabaseBack.emit();
        }
    }

    /// Notes that a write that settled contacts succeeded, and began at `began`. Other writes need
    /// neither the right to change contacts nor a lock on them.
    pub(super) fn settles(&self, began: Instant) {
        let mut trouble = lock(&self.0);
        trouble.settled = trouble.settled.max(Some(began));
    }

    /// Whether such a write that began after `since` has succeeded.
    pub(super) fn has_settled_since(&self, since: Instant) -> bool {
        lock(&self.0).settled.is_some_and(|settled| since < settled)
    }

    /// Notes that a call that began at `began` failed.
    pub(super) fn fails(&self, work: DatabaseWork, began: Instant, error: &OutboxError) {
        let why = error.to_string();
        let mut trouble = lock(&self.0);
        let is_late = trouble.back.is_some_and(|back| began < back) && error.is_transient();
        let is_told = trouble.failing.iter().any(|failing| failing.why == why);
        let goes_on = !trouble.failing.is_empty() && error.is_transient();
        DatabaseTrouble {
            error: &why,
            is_news: !(is_late || is_told || goes_on),
        }
        .emit();
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

    /// Returns the log lines about an outage.
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
            // An answer to a call that began before the failure says nothing.
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
    async fn another_refusal_is_told_each_and_a_lock_of_rows_is_no_trouble() {
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
