//! Whether the courier can work: whether the database answers, is migrated, and takes writes.
//!
//! A task asks the database now and then, with a time limit; every question gets the last result.
//! The courier's own writes, at least its heartbeats, show whether the database takes writes.

use std::time::Duration;

use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout};

use crate::outbox::{Outbox, OutboxError, WriteHealth};

/// The time between two checks.
const INTERVAL: Duration = Duration::from_secs(5);

/// A database that takes longer counts as silent.
const LIMIT: Duration = Duration::from_secs(5);

/// The last result, with its time.
#[derive(Clone, Debug)]
pub(super) struct Readiness(watch::Sender<Option<Check>>);

#[derive(Clone, Debug)]
struct Check {
    at: Instant,
    answer: Result<(), Unready>,
}

/// Why the courier cannot work.
#[derive(Clone, Debug)]
struct Unready {
    trouble: Trouble,
    /// Since when it cannot work, for whichever reason.
    since: Instant,
    reason: String,
}

/// The sort of a trouble. The page says it in the reader's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Trouble {
    /// The database does not answer.
    NoAnswer,
    /// The database answers, and takes no writes.
    NoWrites,
    /// The database is not one for this courier: not migrated, or migrated by a newer one.
    Unfit,
}

impl Trouble {
    fn of(error: &OutboxError) -> Self {
        match error {
            OutboxError::Unavailable(_)
            | OutboxError::Lost(_)
            | OutboxError::LoginRefused(_)
            | OutboxError::NoFolder(_)
            | OutboxError::Untrusted(_)
            | OutboxError::NoConnection => Self::NoAnswer,
            OutboxError::ReadOnly(_) | OutboxError::Full(_) => Self::NoWrites,
            _ => Self::Unfit,
        }
    }
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub(super) struct Ready {
    status: &'static str,
    reason: String,
    /// How old the result is.
    checked_seconds_ago: Option<f64>,
    /// Of what sort the trouble is, if it is `unready`.
    trouble: Option<Trouble>,
    /// For how long it has been `unready`.
    unready_seconds: Option<f64>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Readiness {
    /// Asks the database again and again.
    pub(super) async fn keep(&self, outbox: &dyn Outbox, writes: &WriteHealth) {
        loop {
            let asked = timeout(LIMIT, outbox.check_schema()).await;
            self.note(asked, writes.trouble());
            sleep(INTERVAL).await;
        }
    }

    /// Notes the database's answer, or that there was none in time, and the trouble that keeps the
    /// courier from writing.
    fn note(&self, asked: Result<Result<(), OutboxError>, Elapsed>, trouble: Option<String>) {
        let silent = format!("the database does not answer within {} s", LIMIT.as_secs());
        let found = match (asked, trouble) {
            (Err(_), _) => Err((Trouble::NoAnswer, silent)),
            (Ok(Err(error)), _) => Err((Trouble::of(&error), error.to_string())),
            (Ok(Ok(())), Some(error)) => Err((Trouble::NoWrites, error)),
            (Ok(Ok(())), None) => Ok(()),
        };
        let at = Instant::now();
        self.0.send_modify(|last| {
            let before = last.as_ref().and_then(|check| check.answer.as_ref().err());
            let since = before.map_or(at, |unready| unready.since);
            let answer = found.map_err(|(trouble, reason)| Unready {
                trouble,
                since,
                reason,
            });
            *last = Some(Check { at, answer });
        });
    }

    pub(super) fn read(&self, stopping: bool) -> Ready {
        let check = self.0.borrow().clone();
        let (status, reason) = match &check {
            _ if stopping => ("stopping", "the courier is stopping".to_owned()),
            None => ("starting", "the database was not asked yet".to_owned()),
            Some(Check { answer: Ok(()), .. }) => (
                "ready",
                "the database answers, is migrated and takes writes".to_owned(),
            ),
            Some(Check {
                answer: Err(unready),
                ..
            }) => ("unready", unready.reason.clone()),
        };
        let unready = check.as_ref().and_then(|check| check.answer.as_ref().err());
        let unready = unready.filter(|_| !stopping);
        Ready {
            trouble: unready.map(|unready| unready.trouble),
            unready_seconds: unready.map(|unready| unready.since.elapsed().as_secs_f64()),
            status,
            reason,
            checked_seconds_ago: check.map(|check| check.at.elapsed().as_secs_f64()),
        }
    }
}

impl Ready {
    /// 503 for a courier that cannot work now.
    pub(super) fn code(&self) -> StatusCode {
        match self.status {
            "ready" => StatusCode::OK,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(asked: Result<Result<(), OutboxError>, Elapsed>) -> Ready {
        let readiness = Readiness::default();
        readiness.note(asked, None);
        readiness.read(false)
    }

    #[test]
    fn a_database_that_takes_no_writes_is_told_though_it_answers() {
        let readiness = Readiness::default();
        readiness.note(Ok(Ok(())), Some("the disk is full".into()));
        let ready = readiness.read(false);
        assert_eq!(ready.code(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ready.reason, "the disk is full");
        assert_eq!(ready.trouble, Some(Trouble::NoWrites));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trouble_is_told_since_it_began() {
        let readiness = Readiness::default();
        let seconds = || {
            let told = readiness.read(false).unready_seconds;
            told.map(|seconds| Duration::from_secs_f64(seconds).as_secs())
        };
        readiness.note(Ok(Ok(())), None);
        assert_eq!(seconds(), None);
        readiness.note(Ok(Ok(())), Some("the disk is full".into()));
        tokio::time::advance(INTERVAL).await;
        readiness.note(Ok(Err(OutboxError::Lost("gone".into()))), None);
        assert_eq!(readiness.read(false).trouble, Some(Trouble::NoAnswer));
        assert_eq!(seconds(), Some(INTERVAL.as_secs()));
        readiness.note(Ok(Ok(())), None);
        assert_eq!((seconds(), readiness.read(false).trouble), (None, None));
    }

    #[test]
    fn before_the_first_answer_nothing_is_promised() {
        let ready = Readiness::default().read(false);
        assert_eq!(ready.code(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ready.status, "starting");
    }

    #[test]
    fn a_courier_that_stops_is_not_ready_however_well_the_database_is() {
        assert_eq!(after(Ok(Ok(()))).code(), StatusCode::OK);
        let readiness = Readiness::default();
        readiness.note(Ok(Ok(())), None);
        let ready = readiness.read(true);
        assert_eq!(ready.code(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ready.status, "stopping");
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_is_silent_is_told_as_such() {
        let asked = timeout(LIMIT, std::future::pending()).await;
        let ready = after(asked);
        assert_eq!(ready.code(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ready.reason, "the database does not answer within 5 s");
    }
}
