//! Deleting what is old: final contacts, and closed batches of the journal that tell of none.
//!
//! There is no index for it, which every settling would pay for. Both tables are walked along their
//! primary keys instead, which follow the time: ids of contacts count up, ids of batches begin with
//! the time of their making. The walk ends at the first step in which nothing was made before the
//! limit, for what is younger cannot have ended before it.

use std::collections::HashSet;
use std::time::Duration;

use crate::outbox::rows::Columns;
use crate::outbox::span::to_duration;

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
    /// The age of the last one looked at, for the progress.
    pub reached: Duration,
    /// Behind which row the next step begins; `None`: the walk is over.
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
    /// A page out of at most `limit` rows with `old`, `made_before` and `age`.
    pub(in crate::outbox) fn new<C: Columns>(
        rows: &[C],
        limit: usize,
        id: impl Fn(&C) -> Option<Id>,
    ) -> Self {
        let is = |row: &C, what: &str| row.flag(what).unwrap_or_default();
        let goes_on = rows.len() >= limit && rows.iter().any(|row| is(row, "made_before"));
        let last = rows.last();
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

    /// The step that deleted so many.
    pub(in crate::outbox) fn step(self, pruned: u64) -> PruneStep<Id> {
        PruneStep {
            pruned,
            reached: self.reached,
            next: self.next,
        }
    }
}

/// The old batches of a page with the contacts that they held.
pub(in crate::outbox) fn holding<C: Columns>(rows: &[C]) -> sqlx::Result<Vec<(String, Vec<i64>)>> {
    rows.iter()
        .filter(|row| row.flag("old").unwrap_or_default())
        .filter_map(|row| Some((row.text("id")?, row.contacts("contact_ids").transpose()?)))
        .map(|(id, contacts)| Ok((id, contacts?)))
        .collect()
}

/// Returns those of the batches none of whose contacts is there any more.
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

/// How many batches a step looks at; a hundred contacts stand in each.
pub(in crate::outbox) const BATCHES: usize = 100;
