//! Deleting old data: final contacts, and closed batches of the journal whose contacts are all
//! gone.
//!
//! There is no index for it, because every settling would pay for one. Instead, both tables are
//! walked along their primary keys, which follow the time: ids of contacts count up, and ids of
//! batches begin with the time when they were made. The walk ends at the first step in which no row
//! was made before the limit, because a younger row cannot have ended before it.
//!
//! The time in the id of a batch is the host's, and that clock may have been wrong for a while.
//! Then its batches stand among batches of another time, with young ones before old ones. So the
//! walk of batches does not end before it has come to ids that say they are younger than the limit.
//! (If the clock was ahead, such batches go when that time has come.) Only the database's clock
//! decides which rows are deleted.

use std::collections::HashSet;
use std::time::Duration;

use uuid::Uuid;

use crate::outbox::rows::Columns;
use crate::outbox::span::{to_duration, to_seconds};

/// The rows to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// Only rows that ended longer ago than this.
    pub older_than: Duration,
    /// Counts the rows and leaves them.
    pub dry_run: bool,
}

/// One small step of a walk.
#[derive(Clone, Debug, PartialEq)]
pub struct PruneStep<Id> {
    /// How many rows of the table were deleted, or would have been.
    pub pruned: u64,
    /// The rule that does not let the step delete its rows, in the database's words: an app may refer to one
    /// of them. They stay, and the walk goes on behind them.
    pub refused: Option<String>,
    /// The age of the last one looked at, for the progress.
    pub reached: Duration,
    /// The row behind which the next step begins; `None`: the walk is over.
    pub next: Option<Id>,
}

/// The rows that a step has read.
pub(in crate::outbox) struct PrunePage<Id> {
    /// The ids of rows that are old enough.
    pub(in crate::outbox) old: Vec<Id>,
    reached: Duration,
    next: Option<Id>,
}

impl<Id: Clone> PrunePage<Id> {
    /// Makes a page out of at most `limit` rows with `old`, `made_before` and `age`. `is_before`
    /// tells by a row's id whether old rows may stand behind it.
    pub(in crate::outbox) fn new<C: Columns>(
        rows: &[C],
        limit: usize,
        id: impl Fn(&C) -> Option<Id>,
        is_before: impl Fn(&C) -> bool,
    ) -> Self {
        let is = |row: &C, what: &str| row.flag(what).unwrap_or_default();
        let last = rows.last();
        let goes_on = rows.len() >= limit
            && (rows.iter().any(|row| is(row, "made_before")) || last.is_some_and(is_before));
        Self {
            old: rows
                .iter()
                .filter(|row| is(row, "old"))
                .filter_map(&id)
                .collect(),
            reached: to_duration(last.and_then(|row| row.seconds("age"))),
            next: last.filter(|_| goes_on).and_then(id),
        }
    }

    /// Returns the step that deleted so many rows, or none because a rule refused it.
    pub(in crate::outbox) fn step(self, pruned: Result<u64, String>) -> PruneStep<Id> {
        let (pruned, refused) = match pruned {
            Ok(pruned) => (pruned, None),
            Err(rule) => (0, Some(rule)),
        };
        PruneStep {
            pruned,
            refused,
            reached: self.reached,
            next: self.next,
        }
    }
}

/// Whether a batch, by the time in its id, was made before the limit by the database's clock
/// (`now`).
pub(in crate::outbox) fn says_it_is_older(row: &impl Columns, than: Duration) -> bool {
    let id = row.text("id").and_then(|id| Uuid::parse_str(&id).ok());
    let made = id.and_then(|id| id.get_timestamp());
    let (Some(made), Some(now)) = (made, row.seconds("now")) else {
        return false;
    };
    let (seconds, nanos) = made.to_unix();
    let made = Duration::new(seconds, nanos).as_secs_f64();
    made < now - to_seconds(than)
}

/// The old batches of a page with the contacts that they held.
pub(in crate::outbox) fn holding<C: Columns>(rows: &[C]) -> sqlx::Result<Vec<(String, Vec<i64>)>> {
    rows.iter()
        .filter(|row| row.flag("old").unwrap_or_default())
        .filter_map(|row| Some((row.text("id")?, row.contacts("contact_ids").transpose()?)))
        .map(|(id, contacts)| Ok((id, contacts?)))
        .collect()
}

/// Returns the batches whose contacts are all gone.
pub(in crate::outbox) fn bereft(
    holding: Vec<(String, Vec<i64>)>,
    standing: &HashSet<i64>,
) -> Vec<String> {
    holding
        .into_iter()
        .filter(|(_, contacts)| contacts.iter().all(|contact| !standing.contains(contact)))
        .map(|(id, _)| id)
        .collect()
}

/// How many contacts a step looks at.
pub(in crate::outbox) const CONTACTS: usize = 1_000;

/// How many batches a step looks at; each holds up to a hundred contacts.
pub(in crate::outbox) const BATCHES: usize = 100;
