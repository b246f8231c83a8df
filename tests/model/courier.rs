//! A courier's memory: the lane that it has leased, and its batches under way.

use contact_courier::batch::BatchId;
use contact_courier::platform::verdict::{self, Closing, Rules, Verdict};
use contact_courier::platform::verdict::{Outcome, Reply};
use contact_courier::settlement::{FailKind, Final};

use super::case::{Case, Flaw, Id, to_row};
use super::rows::Rows;

/// One courier. Without a lease it knows nothing, as after a start or a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Courier {
    /// The token of its lease; 0: it has none.
    pub(crate) token: u8,
    /// Whether it knows that the lane has another owner, and begins nothing new.
    pub(crate) lost: bool,
    /// Whether a failure that will pass was written, so that it may give the lane back for a while.
    pub(crate) held: bool,
    /// The batches under way, by id.
    pub(crate) underway: Vec<Underway>,
}

/// A batch that has no final answer yet, as in `courier::underway`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Underway {
    pub(crate) id: Id,
    pub(crate) parent: Option<Id>,
    /// Its rows that were pending when it was opened or adopted.
    pub(crate) rows: Rows,
    pub(crate) maybe_delivered: bool,
    pub(crate) phase: Phase,
}

/// The phase of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// The batch was composed, and its journal entry is handed in.
    Opening,
    /// The journal has the batch as waiting.
    Waiting,
    /// The journal has the batch as maybe on its way, and it has not been sent.
    Journalled,
    /// The request is on its way to the platform.
    Sent,
    /// The end of the batch is handed in.
    Closing(Ending),
    /// The postponement of the batch is handed in.
    Postponing,
}

/// A [`Closing`], without words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) settled: Vec<(usize, End)>,
    pub(crate) unsettled: Rows,
    pub(crate) maybe_delivered: bool,
}

/// A [`Final`], without words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    Succeeded,
    Failed(FailKind),
}

impl Courier {
    pub(crate) fn is_idle(&self) -> bool {
        self.token == 0
    }

    /// Returns the rows that the courier must not take up anew: `Occupied::rows`.
    pub(crate) fn open(&self) -> Rows {
        self.underway.iter().flat_map(|u| u.rows.iter()).collect()
    }

    pub(crate) fn add(&mut self, underway: Underway) {
        self.underway.push(underway);
        self.underway.sort_by_key(|underway| underway.id);
    }

    pub(crate) fn find(&mut self, id: Id) -> &mut Underway {
        self.underway.iter_mut().find(|u| u.id == id).unwrap()
    }

    pub(crate) fn take(&mut self, id: Id) -> Underway {
        let at = self.underway.iter().position(|u| u.id == id).unwrap();
        self.underway.remove(at)
    }

    /// `LaneAtWork::lost`: steps that were begun come to their end, nothing new is begun.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
        self.underway.retain(|u| u.phase != Phase::Waiting);
        self.rest();
    }

    /// A lane that was lost is forgotten when the last step has ended.
    pub(crate) fn rest(&mut self) {
        if self.lost && self.underway.is_empty() {
            *self = Self::default();
        }
    }
}

impl Underway {
    /// `LaneAtWork::adopt` for one batch.
    pub(crate) fn adopted(case: &Case, id: Id, rows: Rows, maybe_delivered: bool) -> Self {
        let batch = case.batch(BatchId::generate(), rows, maybe_delivered);
        let phase = if rows.is_empty() {
            Phase::Closing(Ending::vanished())
        } else if maybe_delivered && !batch.options.resend_is_safe() {
            Phase::Closing(Ending::of(&verdict::unconfirmed(&batch, "adopted")))
        } else {
            Phase::Waiting
        };
        Self {
            id,
            parent: None,
            rows,
            maybe_delivered,
            phase,
        }
    }

    /// `LaneAtWork::sent`: the reply decides what is handed in. `gives_up`: a failure that runs out
    /// was the last one.
    pub(crate) fn hear(&mut self, case: &Case, reply: &Reply, gives_up: bool) {
        let mut batch = case.batch(self.id.to_batch_id(), self.rows, self.maybe_delivered);
        self.phase = match verdict::read(&batch, reply, &Rules::default()) {
            Verdict::Close(closing) => Phase::Closing(Ending::of(&closing)),
            Verdict::Wait(wait) => {
                batch.maybe_delivered |= wait.maybe_delivered;
                self.maybe_delivered = batch.maybe_delivered;
                if gives_up && wait.reason.runs_out() {
                    Phase::Closing(Ending::of(&verdict::give_up(&batch, "too long")))
                } else {
                    Phase::Postponing
                }
            }
        };
    }

    /// Returns the smaller batches of the rows that this ending leaves open, by the program's own
    /// `Batch::split`.
    pub(crate) fn children(&self, case: &Case, token: u8, ending: &Ending) -> Vec<Self> {
        let batch = case.batch(self.id.to_batch_id(), self.rows, self.maybe_delivered);
        let unsettled: Vec<_> = ending
            .unsettled
            .iter()
            .map(|row| case.contact(row).id)
            .collect();
        batch
            .split(
                &unsettled,
                unsettled.len().div_ceil(2),
                ending.maybe_delivered,
                BatchId::generate,
            )
            .iter()
            .map(|child| {
                let rows: Rows = child.contacts.iter().map(|c| to_row(c.id.0)).collect();
                Self {
                    id: Id { token, rows },
                    parent: Some(self.id),
                    rows,
                    maybe_delivered: child.maybe_delivered && !case.is(Flaw::ChildrenForget),
                    phase: Phase::Waiting,
                }
            })
            .collect()
    }
}

impl Ending {
    fn of(closing: &Closing) -> Self {
        let settled = closing.settled.iter().map(|row| {
            let end = match row.end {
                Final::Succeeded => End::Succeeded,
                Final::Failed { kind, .. } => End::Failed(kind),
            };
            (to_row(row.contact.0), end)
        });
        Self {
            outcome: closing.outcome,
            settled: settled.collect(),
            unsettled: closing.unsettled.iter().map(|c| to_row(c.0)).collect(),
            maybe_delivered: closing.maybe_delivered,
        }
    }

    /// `vanished` of `courier::lane`.
    fn vanished() -> Self {
        Self {
            outcome: Outcome::Vanished,
            settled: Vec::new(),
            unsettled: Rows::default(),
            maybe_delivered: false,
        }
    }
}
