//! The database: the outbox, the lane's lease and the journal.
//!
//! The program's own planning (`src/outbox/plan.rs`) decides what a write changes. Only the
//! statements that carry out a plan are written again here, each by its name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use contact_courier::contact::ContactId;
use contact_courier::outbox::plan::{Journaled, Plan};
use contact_courier::outbox::{
    Change, Close, Final, Hold, JournalEntry, Lease, Postpone, Recorded, RowOutcome, Write,
};
use contact_courier::platform::verdict::Outcome;
use uuid::Uuid;

use super::case::{Case, Flaw, Id, lane, to_id, to_row};
use super::courier::{End, Ending, Phase, Underway};
use super::rows::Rows;

/// The committed state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Database {
    /// The outbox: the end of each row, and the verdict of its batch.
    pub(crate) ends: Vec<Option<(End, Outcome)>>,
    /// The lane's newest token.
    pub(crate) token: u8,
    /// Whether the newest token's owner looks alive to others.
    pub(crate) leased: bool,
    /// The journal.
    pub(crate) journal: BTreeMap<Id, Entry>,
    /// Whether somebody tried to give a row another end than it had.
    pub(crate) contradicted: bool,
}

/// A row of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) parent: Option<Id>,
    pub(crate) token: u8,
    pub(crate) state: State,
    pub(crate) maybe_delivered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Sending,
    Waiting,
    Closed,
}

impl Entry {
    pub(crate) fn is_open(self) -> bool {
        self.state != State::Closed
    }
}

impl Database {
    pub(crate) fn new(case: &Case) -> Self {
        Self {
            ends: vec![None; case.numbers.len()],
            token: 0,
            leased: false,
            journal: BTreeMap::new(),
            contradicted: false,
        }
    }

    pub(crate) fn pending(&self) -> Rows {
        (0..self.ends.len())
            .filter(|&row| self.ends[row].is_none())
            .collect()
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = (&Id, &Entry)> {
        self.journal.iter().filter(|(_, entry)| entry.is_open())
    }

    /// `find_lanes`, `lease_lane`: whether there is work, and no courier does it.
    pub(crate) fn may_be_leased(&self) -> bool {
        !self.leased && (!self.pending().is_empty() || self.open().next().is_some())
    }

    /// `lease_lane`, `adopt_batches`, `pending_rows`: returns the open batches, in the new owner's
    /// name.
    pub(crate) fn lease(&mut self, case: &Case) -> Vec<Underway> {
        self.token += 1;
        self.leased = true;
        let (token, pending) = (self.token, self.pending());
        let open = self.journal.iter_mut().filter(|(_, entry)| entry.is_open());
        open.map(|(&id, entry)| {
            entry.token = token;
            entry.maybe_delivered |=
                entry.state == State::Sending && !case.is(Flaw::AdoptsAsNeverSent);
            entry.state = State::Waiting;
            let rows = id.rows.and(pending);
            Underway {
                parent: entry.parent,
                ..Underway::adopted(case, id, rows, entry.maybe_delivered)
            }
        })
        .collect()
    }

    /// Carries out one transaction of `Outbox::record` with this batch's write.
    pub(crate) fn record(&mut self, case: &Case, token: u8, underway: &Underway) -> Recorded {
        let write = Write {
            lease: Arc::new(Lease {
                lane: lane(),
                token: token.into(),
                failures: 0,
            }),
            change: change(case, token, underway),
        };
        let unfenced = case.is(Flaw::NoFencing);
        let newest = if unfenced { token } else { self.token };
        let tokens = HashMap::from([(lane(), i64::from(newest))]);
        let journaled = self.journal.iter().map(|(id, entry)| {
            let journaled = Journaled {
                lease_token: if unfenced { token } else { entry.token }.into(),
                closed: !entry.is_open(),
            };
            (id.to_batch_id().0, journaled)
        });
        let batches: HashMap<Uuid, Journaled> = journaled.collect();
        let writes = [write];
        let plan = Plan::new(&writes, &tokens, &batches);
        self.carry_out(&plan);
        plan.answers[0].clone()
    }

    fn carry_out(&mut self, plan: &Plan<'_>) {
        // open_batches
        for opened in &plan.opens {
            let entry = Entry {
                parent: opened.parent_id.map(Id::from_uuid),
                token: u8::try_from(opened.lease_token).unwrap(),
                state: match opened.state {
                    "sending" => State::Sending,
                    _ => State::Waiting,
                },
                maybe_delivered: opened.maybe_delivered,
            };
            self.journal
                .entry(Id::from_uuid(opened.id))
                .or_insert(entry);
        }
        // postpone_batches
        for postponed in &plan.postpones {
            let entry = self.entry(postponed.id);
            entry.state = State::Waiting;
            entry.maybe_delivered |= postponed.maybe_delivered;
        }
        // resend_batches
        for resent in &plan.resends {
            self.entry(resent.id).state = State::Sending;
        }
        // close_batches
        for closed in &plan.closes {
            self.entry(closed.id).state = State::Closed;
        }
        self.settle(plan);
    }

    /// `settle_successes`, `settle_failures`
    fn settle(&mut self, plan: &Plan<'_>) {
        let successes = plan.successes.iter().flat_map(|batch| &batch.rows);
        let successes = successes.map(|row| (*row, None));
        let failures = plan.failures.iter();
        let failures = failures.map(|failed| (failed.id, Some(failed.fail_kind)));
        for (id, fail_kind) in successes.chain(failures) {
            let outcome = plan
                .closes
                .first()
                .and_then(|closed| outcome(closed.outcome));
            let end = (end(fail_kind), outcome.unwrap());
            let row = to_row(id);
            self.contradicted |= self.ends[row].is_some_and(|is| is != end);
            self.ends[row].get_or_insert(end);
        }
    }

    fn entry(&mut self, id: Uuid) -> &mut Entry {
        self.journal.get_mut(&Id::from_uuid(id)).unwrap()
    }
}

/// Returns the change that a batch in this phase hands in.
fn change(case: &Case, token: u8, underway: &Underway) -> Change {
    let batch = underway.id.to_batch_id();
    match &underway.phase {
        Phase::Opening => Change::Open(entry(underway)),
        Phase::Waiting | Phase::Sent => Change::Resend {
            batch,
            attempts: 1,
            contacts: entry(underway).contacts,
        },
        Phase::Closing(ending) => {
            let children = underway.children(case, token, ending);
            Change::Close(Close {
                batch,
                attempts: 1,
                outcome: ending.outcome.as_str(),
                answer: String::new(),
                rows: outcomes(ending),
                children: children.iter().map(entry).collect(),
            })
        }
        // `LaneAtWork::wait`, and `Dispatcher::take_back`.
        Phase::Postponing | Phase::Journalled => Change::Postpone(Postpone {
            batch,
            attempts: 1,
            maybe_delivered: underway.maybe_delivered,
            failing: false,
            apart: None,
            hold: Some(Hold {
                reason: "held",
                message: String::new(),
                delay: Duration::ZERO,
                failures: 0,
                needs_person: false,
            }),
        }),
    }
}

fn entry(underway: &Underway) -> JournalEntry {
    JournalEntry {
        batch: underway.id.to_batch_id(),
        parent: underway.parent.map(Id::to_batch_id),
        contacts: underway.rows.iter().map(|r| ContactId(to_id(r))).collect(),
        options: contact_courier::contact::RequestOptions::default(),
        attempts: 1,
        maybe_delivered: underway.maybe_delivered,
    }
}

fn outcomes(ending: &Ending) -> Vec<RowOutcome> {
    let outcome = |&(row, end): &(usize, End)| RowOutcome {
        contact: ContactId(to_id(row)),
        end: match end {
            End::Succeeded => Final::Succeeded,
            End::Failed(kind) => Final::Failed {
                kind,
                cause: String::new(),
            },
        },
    };
    ending.settled.iter().map(outcome).collect()
}

fn end(fail_kind: Option<&str>) -> End {
    use contact_courier::outbox::FailKind::{Duplicate, Expired, Invalid, Rejected, Unconfirmed};
    let kinds = [Invalid, Rejected, Duplicate, Unconfirmed, Expired];
    fail_kind.map_or(End::Succeeded, |word| {
        End::Failed(
            kinds
                .into_iter()
                .find(|kind| kind.as_str() == word)
                .unwrap(),
        )
    })
}

fn outcome(word: &str) -> Option<Outcome> {
    use Outcome::{GivenUp, Imported, Refused, TooLarge, Unaccounted, Unconfirmed, Vanished};
    [
        Imported,
        Unaccounted,
        Refused,
        TooLarge,
        Unconfirmed,
        GivenUp,
        Vanished,
    ]
    .into_iter()
    .find(|outcome| outcome.as_str() == word)
}
