//! Turns a heap of writes into few statements: the thinking part of [`Outbox::record`], pure.
//!
//! `sql::recording` locks the lanes, asks for their tokens and for the named batches, and hands
//! both to [`Plan::new`]. Then it carries the plan out in the same transaction: one statement for
//! each field that is not empty, in the order of the fields. Every field is a list of plain
//! records, so that a database can take them as arrays or as JSON.
//!
//! A plan guarantees:
//!
//! - A write in the name of an old token changes nothing.
//! - A write that an earlier try has committed changes nothing again and counts as
//!   [`Recorded::Done`].
//! - Of several changes to a lane's hold the last one counts.
//! - A batch that is about to be sent with a row that is not pending is [`Recorded::Stale`].
//!
//! The model in `tests/model.rs` carries the same plans out. The parts that it needs are `pub` for
//! it, in a module that the documentation hides.
//!
//! [`Outbox::record`]: super::Outbox::record

mod planner;
mod records;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

pub use self::records::{Closed, Failed, Opened, Postponed, Resent, Succeeded, storable};
pub(super) use self::records::{Departing, Held, LaneChanged, LaneKey, Standing, json};
pub use super::journal::Journaled;
use super::{Change, Recorded, Write};
use crate::contact::{ContactId, Lane};

/// The writes, put together by kind.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// For each write, in the order of the writes.
    pub answers: Vec<Recorded>,
    /// Batches that are about to be sent, whose rows have to be pending: see [`Plan::refuse`] and
    /// [`Plan::hold_back`].
    sends: Vec<Send<'a>>,
    /// New batches; one whose id is there already is left as it is.
    pub opens: Vec<Opened<'a>>,
    /// Batches that wait again.
    pub postpones: Vec<Postponed<'a>>,
    /// Batches that are sent again.
    pub resends: Vec<Resent>,
    /// Batches that are done.
    pub closes: Vec<Closed<'a>>,
    /// Rows that the platform has, one entry for each batch: nearly all rows end like this, and all
    /// rows of a batch are alike.
    pub successes: Vec<Succeeded>,
    /// Rows that failed, by id, so that two transactions never wait for each other in a circle.
    pub failures: Vec<Failed<'a>>,
    /// Lanes whose hold changes.
    pub(super) lanes: Vec<LaneChanged<'a>>,
}

/// A batch that is about to be sent.
#[derive(Debug)]
struct Send<'a> {
    /// The index of its write.
    nth: usize,
    batch: Uuid,
    contacts: &'a [ContactId],
    /// Whether the journal does not have it yet.
    is_new: bool,
}

impl Send<'_> {
    /// Returns `Stale` for the write if some of the rows are not pending.
    fn stale(&self, stale: &HashSet<i64>) -> Option<Recorded> {
        let rows = self.contacts.iter().copied();
        let rows: Vec<ContactId> = rows.filter(|row| stale.contains(&row.0)).collect();
        (!rows.is_empty()).then_some(Recorded::Stale(rows))
    }
}

/// The lanes that the writes are about: the lanes to lock, each once, in order.
pub(super) fn lanes_of(writes: &[Write]) -> BTreeSet<&Lane> {
    writes.iter().map(|write| &write.lease.lane).collect()
}

/// The batches that must be in the journal already for the writes to take effect.
pub(super) fn batches_of(writes: &[Write]) -> Vec<Uuid> {
    let named = |write: &Write| match &write.change {
        Change::Resend { batch, .. } => Some(batch.0),
        Change::Postpone(postpone) => Some(postpone.batch.0),
        Change::Close(close) => Some(close.batch.0),
        Change::Open(_)
        | Change::Refuse(_)
        | Change::RefuseSent { .. }
        | Change::Hold(_)
        | Change::Recover => None,
    };
    writes.iter().filter_map(named).collect()
}

impl<'a> Plan<'a> {
    /// The rows of batches that are about to be sent again.
    pub(super) fn going_again(&self) -> Vec<i64> {
        let again = self.sends.iter().filter(|send| !send.is_new);
        again
            .flat_map(|send| send.contacts.iter().map(|row| row.0))
            .collect()
    }

    /// All batches that are about to be sent, and their rows.
    pub(super) fn going(&self) -> (Vec<Uuid>, Vec<i64>) {
        let rows = self.sends.iter().flat_map(|send| send.contacts);
        let batches = self.sends.iter().map(|send| send.batch);
        (batches.collect(), rows.map(|row| row.0).collect())
    }

    /// Leaves out batches that would be sent again with one of these rows, which are not pending.
    pub(super) fn hold_back(&mut self, stale: &HashSet<i64>) {
        for send in self.sends.iter().filter(|send| !send.is_new) {
            if let Some(answer) = send.stale(stale) {
                self.answers[send.nth] = answer;
                self.resends.retain(|resent| resent.id != send.batch);
            }
        }
    }

    /// Leaves out new batches that the journal has not taken in: it has only those in `sending`.
    /// The others have one of these rows, which are not pending, or the lane has been lost.
    pub(super) fn refuse(&mut self, sending: &HashSet<Uuid>, stale: &HashSet<i64>) {
        let new = self.sends.iter().filter(|send| send.is_new);
        for send in new.filter(|send| !sending.contains(&send.batch)) {
            self.answers[send.nth] = send.stale(stale).unwrap_or(Recorded::Fenced);
        }
    }

    /// How many new batches are missing in the journal for no known reason.
    pub(super) fn missing(&self, there: &HashMap<Uuid, Journaled>) -> usize {
        let is_stale = |send: &&Send<'_>| matches!(self.answers[send.nth], Recorded::Stale(_));
        let stale: HashSet<Uuid> = self
            .sends
            .iter()
            .filter(is_stale)
            .map(|s| s.batch)
            .collect();
        let ids = self.opens.iter().map(|open| open.id);
        distinct(ids.filter(|id| !there.contains_key(id) && !stale.contains(id)))
    }

    /// The rows that the plan settles.
    pub(super) fn settled(&self) -> Vec<i64> {
        let successes = self.successes.iter().flat_map(|batch| &batch.rows);
        let failures = self.failures.iter().map(|row| &row.id);
        successes.chain(failures).copied().collect()
    }

    /// The state at the end of each batch of the plan that was there before.
    pub(super) fn states(&self) -> Vec<Standing> {
        let state = |id, state, attempts| {
            let standing = Standing {
                id,
                state,
                attempts,
            };
            (id, standing)
        };
        let postponed = self.postpones.iter();
        let resent = self.resends.iter();
        let closed = self.closes.iter();
        let last: BTreeMap<Uuid, Standing> = postponed
            .map(|batch| state(batch.id, "waiting", batch.attempts))
            .chain(resent.map(|batch| state(batch.id, "sending", batch.attempts)))
            .chain(closed.map(|batch| state(batch.id, "closed", batch.attempts)))
            .collect();
        last.into_values().collect()
    }

    /// The hold that each lane of the plan has at the end.
    pub(super) fn holds(&self) -> Vec<Held<'a>> {
        let held = |lane: &LaneChanged<'a>| Held {
            user_id: lane.user_id,
            task_id: lane.task_id,
            reason: lane.reason,
        };
        self.lanes.iter().map(held).collect()
    }
}

/// How many different ids there are: a write that is handed in twice counts once.
pub(super) fn distinct(ids: impl IntoIterator<Item = Uuid>) -> usize {
    ids.into_iter().collect::<HashSet<Uuid>>().len()
}
