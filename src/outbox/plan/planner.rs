//! How a plan is made: each write goes into its statements, if its lease is good.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::records::{Closed, Failed, LaneChanged, Opened, Postponed, Resent, Succeeded};
use super::records::{count, storable};
use super::{Plan, Send};
use crate::contact::{ContactId, Lane};
use crate::outbox::journal::Journaled;
use crate::outbox::{Change, Close, Final, Hold, Lease, Recorded, RowOutcome, Write};

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
            Change::RefuseSent {
                batch,
                attempts,
                rows,
            } => self.plan.fail(rows, *attempts, Some(batch.0)),
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
