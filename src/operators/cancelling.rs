//! Ends pending contacts before they are sent.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::chosen::{Chosen, Found, GivenKey, Missed};
use super::history::{by, note};
use super::progress::Progress;
use super::reason::{LONGEST, Reason};
use crate::contact::{ContactId, Lane};
use crate::mask::mask_key;
use crate::outbox::{Action, Cancelled, Operations, OutboxError, PendingFilter, PendingLane};

/// How many contacts one transaction cancels.
const CHUNK: usize = 500;

/// The counts of a cancellation.
#[derive(Debug, Default)]
pub struct CancelTally {
    pub pending: u64,
    /// At most so many of them are left: they are on their way, or may have arrived.
    pub on_their_way: u64,
    pub lanes: u64,
    /// How many of the names match no pending contact.
    pub unmatched: u64,
    /// The first ids among those names, with the status of the contact; `None`: it is not there.
    pub missed: Vec<Missed<ContactId>>,
    /// The first keys among those names, likewise.
    pub missed_keys: Vec<Missed<GivenKey>>,
}

impl CancelTally {
    /// The counts of named contacts, of which so many are on their way.
    fn of_names(found: &Found, on_their_way: u64) -> Self {
        Self {
            pending: found.pending.values().map(|ids| ids.len() as u64).sum(),
            on_their_way,
            lanes: found.pending.len() as u64,
            unmatched: found.named - found.matched,
            missed: found.missed.clone(),
            missed_keys: found.missed_keys.clone(),
        }
    }

    /// The counts of a filter.
    fn of_lanes(lanes: &[PendingLane]) -> Self {
        Self {
            pending: lanes.iter().map(|lane| lane.contacts).sum(),
            on_their_way: lanes.iter().map(|lane| lane.on_their_way).sum(),
            lanes: lanes.len() as u64,
            unmatched: 0,
            missed: Vec::new(),
            missed_keys: Vec::new(),
        }
    }

    /// How many contacts are cancelled at least, however many are on their way.
    pub fn at_least(&self) -> u64 {
        self.pending.saturating_sub(self.on_their_way)
    }

    /// The names that match no pending contact, each with its contact's status. A key has its place among
    /// those that were given.
    fn missed(&self) -> Vec<serde_json::Value> {
        let missed = self.missed.iter();
        let ids = missed.map(|(id, status)| json!({"id": id.0, "status": status}));
        let keys = self.missed_keys.iter();
        let keys = keys.map(|(given, status)| {
            json!({"key": mask_key(&given.key), "place": given.place, "status": status})
        });
        ids.chain(keys).collect()
    }

    /// The counts and the result, for programs.
    pub fn json(&self, done: &Cancelled, dry_run: bool) -> serde_json::Value {
        json!({
            "pending": self.pending, "cancelled": done.cancelled,
            "left_on_their_way": if dry_run { self.on_their_way } else { done.on_their_way },
            "left_locked": done.locked, "unmatched": self.unmatched, "missed": self.missed(), "dry_run": dry_run,
        })
    }
}

/// The contacts to cancel, counted.
#[derive(Debug)]
pub struct Cancellation {
    tally: CancelTally,
    parts: Parts,
    /// When the contacts were counted: ages are counted back from this instant.
    noted: Instant,
}

#[derive(Debug)]
enum Parts {
    Named(Found),
    /// Up to the last contact that was there when they were counted.
    Lanes(PendingFilter, Vec<PendingLane>, ContactId),
}

impl Cancellation {
    /// Counts the contacts.
    pub async fn plan(chosen: &Chosen, operations: &dyn Operations) -> Result<Self, OutboxError> {
        let noted = Instant::now();
        let (tally, parts) = match chosen {
            Chosen::Named { ids, keys } => {
                let found = Found::find(ids, keys, operations).await?;
                // Of their lanes only the journal is read, however many contacts wait there.
                let mut on_their_way = 0;
                for (lane, ids) in &found.pending {
                    let going = operations.on_their_way(lane).await?;
                    on_their_way += ids.iter().filter(|id| going.contains(id)).count() as u64;
                }
                let tally = CancelTally::of_names(&found, on_their_way);
                (tally, Parts::Named(found))
            }
            Chosen::Filter(filter) => {
                let last = operations.last_contact().await?;
                let lanes = operations.count_pending(filter).await?;
                let tally = CancelTally::of_lanes(&lanes);
                (tally, Parts::Lanes(filter.clone(), lanes, last))
            }
        };
        Ok(Self {
            tally,
            parts,
            noted,
        })
    }

    pub fn tally(&self) -> &CancelTally {
        &self.tally
    }

    /// Cancels what was planned, in small transactions.
    pub async fn carry_out(
        &self,
        operations: &dyn Operations,
        action: &Action,
        reason: Option<&Reason>,
        progress: Progress<'_>,
    ) -> Result<Cancelled, OutboxError> {
        let mut work = Work {
            operations,
            action,
            cause: cause(action, reason),
            progress,
            done: Cancelled::default(),
        };
        match &self.parts {
            Parts::Named(found) => {
                for (lane, ids) in &found.pending {
                    work.some(lane, ids).await?;
                }
            }
            Parts::Lanes(filter, lanes, last) => {
                for lane in lanes {
                    work.lane(&lane.lane, filter, *last, || self.noted.elapsed())
                        .await?;
                }
            }
        }
        note(operations, action, Some(0)).await;
        Ok(work.done)
    }
}

/// The `fail_cause`, of as many characters as apps expect.
fn cause(action: &Action, reason: Option<&Reason>) -> String {
    let cause = format!("cancelled {}", by(action, reason));
    if cause.chars().count() <= LONGEST {
        return cause;
    }
    let begin: String = cause.chars().take(LONGEST - 1).collect();
    begin + "…"
}

/// The work of a cancellation.
struct Work<'a> {
    operations: &'a dyn Operations,
    action: &'a Action,
    cause: String,
    progress: Progress<'a>,
    done: Cancelled,
}

impl Work<'_> {
    /// Goes once over a lane, up to the `last` contact: those that are inserted meanwhile stay.
    async fn lane(
        &mut self,
        lane: &Lane,
        filter: &PendingFilter,
        last: ContactId,
        passed: impl Fn() -> Duration,
    ) -> Result<(), OutboxError> {
        let mut after = ContactId(0);
        loop {
            let mut filter = filter.clone();
            filter.created_since = filter.created_since.map(|age| age.saturating_add(passed()));
            let ids = self.operations.pending(lane, &filter, after).await?;
            let ids: Vec<ContactId> = ids.into_iter().take_while(|id| *id <= last).collect();
            let Some(reached) = ids.last() else {
                return Ok(());
            };
            after = *reached;
            self.some(lane, &ids).await?;
        }
    }

    async fn some(&mut self, lane: &Lane, ids: &[ContactId]) -> Result<(), OutboxError> {
        for ids in ids.chunks(CHUNK) {
            let cancelled = self
                .operations
                .cancel(lane, ids, &self.cause, self.action)
                .await?;
            self.done += cancelled;
            (self.progress)(ids.len() as u64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::history::action;

    #[test]
    fn a_cause_is_as_long_as_apps_expect_at_the_most() {
        let action = action("cancel", "db1", "anna", "lane u/t");
        let caused = |text: &str| cause(&action, Reason::read(text).unwrap().as_ref());
        assert_eq!(caused("wrong list"), "cancelled by anna on db1: wrong list");
        assert_eq!(caused(""), "cancelled by anna on db1");
        let long = caused(&"号".repeat(LONGEST));
        assert_eq!(long.chars().count(), LONGEST);
        assert!(long.ends_with("号…"), "{long}");
    }
}
