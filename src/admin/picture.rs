//! The state of the outbox, read now and then with a time limit, for the status page and the gauges
//! of `/metrics`.
//!
//! Every question gets the last picture. This module guarantees that looking costs the database at
//! most a tenth of the time of one connection, however large the outbox is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::outbox::{
    FailedContact, FailureFilter, HeldLane, LaneOutlook, Operations, OutboxError, Overview, SHARERS,
};
use crate::telemetry::event::{DatabaseCall, OutboxSeen, OutboxUnseen};

/// The time between two looks, if each is quick.
const INTERVAL: Duration = Duration::from_secs(5);

/// The time limit of a look.
const LIMIT: Duration = Duration::from_secs(10);

/// The rest after a look, as a multiple of its time.
const REST: u32 = 9;

/// The most lanes, holds and causes of failures that are shown.
pub(super) const SHOWN: u32 = 10;

/// The most failures that are read, so that a frequent cause does not hide the others.
pub(super) const FAILURES: u32 = 100;

/// The state at one time.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) at: Instant,
    pub(super) overview: Overview,
    pub(super) lanes: Vec<LaneOutlook>,
    pub(super) held: Vec<HeldLane>,
    pub(super) failures: Vec<FailedContact>,
}

/// The last picture, and why there is no newer one.
#[derive(Clone, Debug, Default)]
pub(super) struct Latest {
    pub(super) picture: Option<Arc<Picture>>,
    pub(super) error: Option<String>,
}

/// Where the last picture is kept.
#[derive(Clone, Debug)]
pub(super) struct Pictures(watch::Sender<Latest>);

impl Default for Pictures {
    fn default() -> Self {
        Self(watch::Sender::new(Latest::default()))
    }
}

impl Pictures {
    /// Looks again and again.
    pub(super) async fn keep(&self, operations: &dyn Operations) {
        loop {
            let began = Instant::now();
            let looked = timeout(LIMIT, look(operations)).await;
            self.note(looked.unwrap_or_else(|_| Err(too_slow())));
            sleep(INTERVAL.max(began.elapsed() * REST)).await;
        }
    }

    fn note(&self, looked: Result<Picture, OutboxError>) {
        match looked {
            Ok(picture) => {
                seen(&picture.overview).emit();
                self.0.send_replace(Latest {
                    picture: Some(Arc::new(picture)),
                    error: None,
                });
            }
            Err(error) => {
                OutboxUnseen.emit();
                let error = Some(error.to_string());
                self.0.send_modify(|latest| latest.error = error);
            }
        }
    }

    pub(super) fn latest(&self) -> Latest {
        self.0.borrow().clone()
    }

    /// Returns how many contacts wait and how long the oldest has been due, if that is known now.
    pub(super) fn backlog(&self) -> (Option<u64>, Option<Duration>) {
        let latest = self.0.borrow();
        match (&latest.picture, &latest.error) {
            (Some(picture), None) => {
                let overview = &picture.overview;
                let oldest = overview.oldest_pending.unwrap_or_default();
                (Some(overview.pending.total()), Some(oldest))
            }
            _ => (None, None),
        }
    }
}

fn too_slow() -> OutboxError {
    OutboxError::Lost(format!("no answer within {} s", LIMIT.as_secs()))
}

/// The gauges of a picture.
fn seen(overview: &Overview) -> OutboxSeen {
    let lanes = &overview.lanes;
    OutboxSeen {
        pending: overview.pending.total(),
        oldest: overview.oldest_pending.unwrap_or_default(),
        // Held contacts are not gone, and nobody can tell when they will be.
        done_in: match overview.pending.due + overview.pending.held {
            0 => Some(0.0),
            _ => overview.done_in_seconds(),
        },
        lanes: [
            ("due", lanes.due),
            ("held", lanes.held),
            ("leased", lanes.leased),
            ("idle", lanes.idle),
        ],
    }
}

async fn look(operations: &dyn Operations) -> Result<Picture, OutboxError> {
    let all = FailureFilter::default();
    let overview = timed("overview", operations.overview()).await?;
    let lanes = timed("lanes", operations.lanes(SHARERS)).await?;
    let held = timed("paused", operations.held(SHOWN)).await?;
    let failures = timed("failures", operations.failures(&all, None, FAILURES)).await?;
    Ok(Picture {
        at: Instant::now(),
        lanes: overview.outlook(lanes, SHOWN),
        held: overview.behind_gates(held),
        overview,
        failures: failures.failures,
    })
}

async fn timed<T>(operation: &'static str, call: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = call.await;
    let took = began.elapsed();
    DatabaseCall { operation, took }.emit();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(due: u64) -> Picture {
        let mut overview = Overview::default();
        overview.pending.due = due;
        overview.oldest_pending = Some(Duration::from_mins(1));
        Picture {
            at: Instant::now(),
            overview,
            lanes: Vec::new(),
            held: Vec::new(),
            failures: Vec::new(),
        }
    }

    #[test]
    fn a_backlog_is_gone_only_when_nothing_is_due_and_nothing_held() {
        let mut overview = Overview::default();
        assert_eq!(seen(&overview).done_in, Some(0.0));
        overview.pending.deferred = 5;
        assert_eq!(seen(&overview).done_in, Some(0.0));
        overview.pending.held = 5;
        assert_eq!(seen(&overview).done_in, None);
    }

    #[test]
    fn while_the_database_is_away_the_last_picture_stays_but_no_number_is_claimed() {
        let pictures = Pictures::default();
        assert_eq!(pictures.backlog(), (None, None));
        pictures.note(Ok(picture(7)));
        assert_eq!(pictures.backlog(), (Some(7), Some(Duration::from_mins(1))));
        pictures.note(Err(too_slow()));
        assert_eq!(pictures.backlog(), (None, None));
        let latest = pictures.latest();
        assert_eq!(latest.picture.unwrap().overview.pending.due, 7);
        assert!(latest.error.unwrap().contains("no answer within 10 s"));
        pictures.note(Ok(picture(8)));
        assert_eq!(pictures.latest().error, None);
    }
}
