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

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;
use uuid::Uuid;

pub use super::journal::Journaled;
use super::span::to_seconds;
use super::{
    Change, Close, Final, Hold, JournalEntry, Lease, Postpone, Recorded, RowOutcome, Write,
};
use crate::contact::{ContactId, Lane};
use crate::settlement::FailKind;

#[cfg(test)]
mod tests;

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

/// A lane, for databases that take their lists as JSON.
#[derive(Debug, Serialize)]
pub(super) struct LaneKey<'a> {
    pub(super) user_id: &'a str,
    pub(super) task_id: &'a str,
}

impl<'a> From<&'a Lane> for LaneKey<'a> {
    fn from(lane: &'a Lane) -> Self {
        Self {
            user_id: lane.user_id(),
            task_id: lane.task_id(),
        }
    }
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

/// The rows of a new batch, for databases that take their lists as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Departing<'a> {
    id: Uuid,
    contacts: &'a [ContactId],
}

impl<'a> Departing<'a> {
    /// Of new batches only those that are about to be sent.
    pub(super) fn of(opens: &[Opened<'a>]) -> Vec<Self> {
        let sending = opens.iter().filter(|opened| opened.state == "sending");
        sending
            .map(|opened| Self {
                id: opened.id,
                contacts: opened.contacts,
            })
            .collect()
    }
}

/// A new row of the journal.
#[derive(Debug, Serialize)]
pub struct Opened<'a> {
    pub id: Uuid,
    pub parent_id: Option<Uuid>,
    pub(super) user_id: &'a str,
    pub(super) task_id: &'a str,
    pub lease_token: i64,
    /// A JSON array.
    pub(super) contact_ids: String,
    /// A JSON object.
    pub(super) options: String,
    pub state: &'static str,
    pub(super) attempts: i32,
    pub maybe_delivered: bool,
    /// The same contacts as in `contact_ids`.
    #[serde(skip)]
    contacts: &'a [ContactId],
}

/// For [`Change::Resend`].
#[derive(Debug, Serialize)]
pub struct Resent {
    pub id: Uuid,
    pub(super) attempts: i32,
}

/// For [`Postpone`].
#[derive(Debug, Serialize)]
pub struct Postponed<'a> {
    pub id: Uuid,
    pub(super) attempts: i32,
    pub maybe_delivered: bool,
    pub(super) failing: bool,
    /// `None`, in `answer` too: the old value stays.
    pub(super) outcome: Option<&'a str>,
    pub(super) answer: Option<String>,
}

/// For [`Close`].
#[derive(Debug, Serialize)]
pub struct Closed<'a> {
    pub id: Uuid,
    pub(super) attempts: i32,
    pub outcome: &'a str,
    pub(super) answer: String,
}

/// Rows of a batch that are `succeeded`.
#[derive(Debug)]
pub struct Succeeded {
    pub(super) batch_id: Uuid,
    pub(super) attempts: i32,
    /// By id.
    pub rows: Vec<i64>,
}

/// A row that is `failed`; without `batch_id` it keeps the one it has.
#[derive(Debug, Serialize)]
pub struct Failed<'a> {
    pub id: i64,
    pub(super) attempts: i32,
    pub(super) batch_id: Option<Uuid>,
    pub fail_kind: &'a str,
    pub(super) fail_cause: String,
}

impl Failed<'_> {
    /// A row that was in no request.
    pub(super) fn without_batch(id: i64, kind: FailKind, cause: &str) -> Self {
        Self {
            id,
            attempts: 0,
            batch_id: None,
            fail_kind: kind.as_str(),
            fail_cause: storable(cause),
        }
    }
}

/// The state of a batch, and how many requests have carried it.
#[derive(Debug, Serialize)]
pub(super) struct Standing {
    id: Uuid,
    state: &'static str,
    attempts: i32,
}

/// Why a lane is on hold, if it is.
#[derive(Debug, Serialize)]
pub(super) struct Held<'a> {
    user_id: &'a str,
    task_id: &'a str,
    reason: Option<&'a str>,
}

/// A lane's hold, or its end where `reason` is `None`.
#[derive(Debug, Serialize)]
pub(super) struct LaneChanged<'a> {
    pub(super) user_id: &'a str,
    pub(super) task_id: &'a str,
    pub(super) failures: i32,
    pub(super) delay: Option<f64>,
    pub(super) reason: Option<&'a str>,
    pub(super) message: Option<String>,
    pub(super) needs_person: bool,
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
        Change::Open(_) | Change::Refuse(_) | Change::Hold(_) | Change::Recover => None,
    };
    writes.iter().filter_map(named).collect()
}

impl<'a> Plan<'a> {
    /// Plans the writes, given the present token of each lane and the state of each named batch.
    pub fn new(
        writes: &'a [Write],
        tokens: &HashMap<Lane, i64>,
        batches: &HashMap<Uuid, Journaled>,
    ) -> Self {
        let mut planner = Planner {
            plan: Self::default(),
            batches,
            holds: BTreeMap::new(),
            closing: HashSet::new(),
        };
        for (nth, write) in writes.iter().enumerate() {
            let answer = if tokens.get(&write.lease.lane) == Some(&write.lease.token) {
                planner.take(nth, &write.lease, &write.change)
            } else {
                Recorded::Fenced
            };
            planner.plan.answers.push(answer);
        }
        let mut plan = planner.plan;
        plan.failures.sort_by_key(|row| row.id);
        plan.lanes = planner.holds.into_iter().map(LaneChanged::new).collect();
        plan
    }

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

    fn close(&mut self, lease: &'a Lease, close: &'a Close) {
        self.closes.push(Closed {
            id: close.batch.0,
            attempts: count(close.attempts),
            outcome: close.outcome,
            answer: storable(&close.answer),
        });
        self.succeed(close);
        self.fail(&close.rows, close.attempts, Some(close.batch.0));
        let children = close.children.iter();
        self.opens
            .extend(children.map(|child| Opened::new(lease, child, "waiting")));
    }

    fn succeed(&mut self, close: &Close) {
        let succeeded = close.rows.iter().filter(|row| row.end == Final::Succeeded);
        let mut rows: Vec<i64> = succeeded.map(|row| row.contact.0).collect();
        if rows.is_empty() {
            return;
        }
        rows.sort_unstable();
        self.successes.push(Succeeded {
            batch_id: close.batch.0,
            attempts: count(close.attempts),
            rows,
        });
    }

    fn fail(&mut self, rows: &'a [RowOutcome], attempts: u32, batch_id: Option<Uuid>) {
        self.failures.extend(rows.iter().filter_map(|row| {
            let Final::Failed { kind, cause } = &row.end else {
                return None;
            };
            Some(Failed {
                id: row.contact.0,
                attempts: count(attempts),
                batch_id,
                fail_kind: kind.as_str(),
                fail_cause: storable(cause),
            })
        }));
    }
}

/// A plan in the making.
struct Planner<'a, 'b> {
    plan: Plan<'a>,
    batches: &'b HashMap<Uuid, Journaled>,
    /// The last word on each lane's hold.
    holds: BTreeMap<&'a Lane, Option<&'a Hold>>,
    /// Batches that an earlier write of the same heap closes.
    closing: HashSet<Uuid>,
}

impl<'a> Planner<'a, '_> {
    /// Takes in a write whose lease is good.
    fn take(&mut self, nth: usize, lease: &'a Lease, change: &'a Change) -> Recorded {
        match change {
            Change::Open(entry) => {
                self.plan.opens.push(Opened::new(lease, entry, "sending"));
                self.send(nth, entry.batch.0, &entry.contacts, true);
            }
            Change::Refuse(rows) => self.plan.fail(rows, 0, None),
            Change::Hold(hold) => {
                self.holds.insert(&lease.lane, Some(hold));
            }
            Change::Recover => {
                self.holds.insert(&lease.lane, None);
            }
            Change::Resend {
                batch,
                attempts,
                contacts,
            } => match self.find(batch.0, lease) {
                Open::Yes => {
                    self.plan.resends.push(Resent::new(batch.0, *attempts));
                    self.send(nth, batch.0, contacts, false);
                }
                Open::Closed | Open::No => return Recorded::Fenced,
            },
            Change::Postpone(postpone) => match self.find(postpone.batch.0, lease) {
                Open::Yes => {
                    self.plan.postpones.push(Postponed::new(postpone));
                    if let Some(hold) = &postpone.hold {
                        self.holds.insert(&lease.lane, Some(hold));
                    }
                }
                Open::Closed | Open::No => return Recorded::Fenced,
            },
            Change::Close(close) => match self.find(close.batch.0, lease) {
                Open::Yes if self.closing.insert(close.batch.0) => self.plan.close(lease, close),
                Open::Yes | Open::Closed => {}
                Open::No => return Recorded::Fenced,
            },
        }
        Recorded::Done
    }

    fn send(&mut self, nth: usize, batch: Uuid, contacts: &'a [ContactId], is_new: bool) {
        self.plan.sends.push(Send {
            nth,
            batch,
            contacts,
            is_new,
        });
    }

    fn find(&self, batch: Uuid, lease: &Lease) -> Open {
        match self.batches.get(&batch) {
            Some(batch) if batch.lease_token != lease.token => Open::No,
            Some(batch) if batch.closed => Open::Closed,
            Some(_) => Open::Yes,
            None => Open::No,
        }
    }
}

/// Whether a batch may be written to in the name of a lease.
enum Open {
    /// The batch is open, and this lease has it.
    Yes,
    /// This very lease has closed the batch: an earlier try was committed.
    Closed,
    /// The journal does not have the batch in this lease's name.
    No,
}

impl<'a> Opened<'a> {
    pub(super) fn new(lease: &'a Lease, entry: &'a JournalEntry, state: &'static str) -> Self {
        Self {
            id: entry.batch.0,
            parent_id: entry.parent.map(|parent| parent.0),
            user_id: lease.lane.user_id(),
            task_id: lease.lane.task_id(),
            lease_token: lease.token,
            contact_ids: json(&entry.contacts),
            options: json(&entry.options),
            state,
            attempts: count(entry.attempts),
            maybe_delivered: entry.maybe_delivered,
            contacts: &entry.contacts,
        }
    }
}

impl Resent {
    fn new(id: Uuid, attempts: u32) -> Self {
        Self {
            id,
            attempts: count(attempts),
        }
    }
}

impl<'a> Postponed<'a> {
    fn new(postpone: &'a Postpone) -> Self {
        Self {
            id: postpone.batch.0,
            attempts: count(postpone.attempts),
            maybe_delivered: postpone.maybe_delivered,
            failing: postpone.failing,
            outcome: postpone.hold.as_ref().map(|hold| hold.reason),
            answer: postpone.hold.as_ref().map(|hold| storable(&hold.message)),
        }
    }
}

impl<'a> LaneChanged<'a> {
    fn new((lane, hold): (&'a Lane, Option<&'a Hold>)) -> Self {
        Self {
            user_id: lane.user_id(),
            task_id: lane.task_id(),
            failures: hold.map_or(0, |hold| count(hold.failures)),
            delay: hold.map(|hold| to_seconds(hold.delay)),
            reason: hold.map(|hold| hold.reason),
            message: hold.map(|hold| storable(&hold.message)),
            needs_person: hold.is_some_and(|hold| hold.needs_person),
        }
    }
}

/// Returns a count as the tables keep it.
fn count(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// Replaces NUL characters. The platform's words may hold one, and PostgreSQL's text cannot: the
/// whole transaction would be refused, and again at every try.
fn storable(words: &str) -> String {
    words.replace('\0', "\u{fffd}")
}

/// How many different ids there are: a write that is handed in twice counts once.
pub(super) fn distinct(ids: impl IntoIterator<Item = Uuid>) -> usize {
    ids.into_iter().collect::<HashSet<Uuid>>().len()
}

/// JSON text of a plain value.
pub(super) fn json(value: &impl Serialize) -> String {
    // Ids, booleans and strings always serialize; an empty text would be refused by the table.
    serde_json::to_string(value).unwrap_or_default()
}
