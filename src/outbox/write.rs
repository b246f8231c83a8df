//! Writes that the courier hands to the outbox, as plain values.

use std::sync::Arc;
use std::time::Duration;

use super::Lease;
use crate::batch::BatchId;
use crate::contact::{ContactId, RequestOptions};
use crate::settlement::{Final, RowOutcome};

/// One write in the name of a lease.
#[derive(Clone, Debug)]
pub struct Write {
    /// The right to write. If the lane has a newer token by now, nothing is written.
    pub lease: Arc<Lease>,
    /// The change.
    pub change: Change,
}

/// A change in the journal, and its other writes in the same transaction.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new batch is about to be sent.
    Open(JournalEntry),
    /// A batch is about to be sent again.
    Resend {
        /// The batch.
        batch: BatchId,
        /// How many requests have carried its rows, this one included.
        attempts: u32,
        /// Its rows that are about to go out.
        contacts: Vec<ContactId>,
    },
    /// A send failed for a passing reason and the batch waits, and its lane with it; or the send
    /// was called off.
    Postpone(Postpone),
    /// A batch has its final answer: its rows are settled, its children opened.
    Close(Close),
    /// Rows that break a rule are settled without ever being sent.
    Refuse(Vec<RowOutcome>),
    /// Rows of an open batch that break a rule by now are settled. An earlier send of the batch may have
    /// delivered them.
    RefuseSent {
        /// The batch.
        batch: BatchId,
        /// How many requests carried its rows.
        attempts: u32,
        /// How they end.
        rows: Vec<RowOutcome>,
    },
    /// The lane waits, though the batch that showed why is closed.
    Hold(Hold),
    /// The lane gets on again after failures: its count of failures is zero and nothing holds it.
    Recover,
}

impl Change {
    /// Returns about how many bytes its statements take.
    pub fn bytes(&self) -> usize {
        const RECORD: usize = 200;
        const ID: usize = 20;
        let cause = |row: &RowOutcome| match &row.end {
            Final::Failed { cause, .. } => RECORD + cause.len(),
            Final::Succeeded => ID,
        };
        let causes = |rows: &[RowOutcome]| rows.iter().map(cause).sum::<usize>();
        let entry = |entry: &JournalEntry| RECORD + ID * entry.contacts.len();
        match self {
            Self::Open(new) => entry(new),
            Self::Resend { contacts, .. } => RECORD + ID * contacts.len(),
            Self::Close(close) => {
                let children: usize = close.children.iter().map(entry).sum();
                RECORD + close.answer.len() + causes(&close.rows) + children
            }
            Self::Refuse(rows) | Self::RefuseSent { rows, .. } => causes(rows),
            Self::Postpone(_) | Self::Hold(_) | Self::Recover => RECORD,
        }
    }

    /// Returns the contacts whose rows it writes.
    pub fn settles(&self) -> impl Iterator<Item = ContactId> {
        let rows = match self {
            Self::Close(close) => close.rows.as_slice(),
            Self::Refuse(rows) | Self::RefuseSent { rows, .. } => rows,
            Self::Open(_)
            | Self::Resend { .. }
            | Self::Postpone(_)
            | Self::Hold(_)
            | Self::Recover => &[],
        };
        rows.iter().map(|row| row.contact)
    }
}

/// A batch as the journal keeps it.
#[derive(Clone, Debug)]
pub struct JournalEntry {
    /// The batch's id.
    pub batch: BatchId,
    /// The batch that it was split off.
    pub parent: Option<BatchId>,
    /// Its rows in sending order.
    pub contacts: Vec<ContactId>,
    /// The options of its request.
    pub options: RequestOptions,
    /// How many requests have carried its rows, the one that is about to be sent included.
    pub attempts: u32,
    /// Whether an earlier send may have reached the platform.
    pub maybe_delivered: bool,
}

/// A send that failed for a passing reason, or was called off.
#[derive(Clone, Debug)]
pub struct Postpone {
    /// The batch that waits.
    pub batch: BatchId,
    /// How many requests have carried its rows so far.
    pub attempts: u32,
    /// Whether one of them may have reached the platform.
    pub maybe_delivered: bool,
    /// Whether the time until `retry.give_up_after` runs: it stands still while a person has to
    /// act (a refused token, a running task).
    pub failing: bool,
    /// The reason, for the journal and for the lane; `None`: the lane does not wait with it, or the send was
    /// called off before a byte of it went out, which says nothing about either.
    pub hold: Option<Hold>,
    /// The reason, for the journal alone, if the batch waits apart from its lane.
    pub apart: Option<Apart>,
}

/// Why a batch waits that does not hold up its lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// One word for programs, as for a [`Hold`].
    pub reason: &'static str,
    /// The platform's words, or ours, for people; never a number or a token.
    pub message: String,
}

/// Why a lane waits, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// One word for programs (`server_error`, `unauthorized`, `task_running` …).
    pub reason: &'static str,
    /// The platform's words, or ours, for people; never a number or a token.
    pub message: String,
    /// The time from now on, by the database's clock.
    pub delay: Duration,
    /// How many failures in a row the lane has now had.
    pub failures: u32,
    /// Whether a person has to act: the time until `retry.give_up_on_holds_after` begins to run.
    pub needs_person: bool,
}

/// The end of a batch.
#[derive(Clone, Debug)]
pub struct Close {
    /// The batch.
    pub batch: BatchId,
    /// How many requests carried its rows; added to each settled row's `attempts`.
    pub attempts: u32,
    /// The verdict, in one word for programs.
    pub outcome: &'static str,
    /// The platform's words, or ours, for people; never a number or a token.
    pub answer: String,
    /// The rows that are final now.
    pub rows: Vec<RowOutcome>,
    /// Smaller batches for the rows that are not final.
    pub children: Vec<JournalEntry>,
}

/// The fate of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The write is done, now or by an earlier try whose commit was not seen.
    Done,
    /// Nothing was written, because these rows of the batch are not pending (any more): an app has
    /// deleted them, or they were read where other sessions' writes had not arrived yet. The batch
    /// must not be sent with them.
    Stale(Vec<ContactId>),
    /// The lane has another owner by now; nothing was written.
    Fenced,
}
