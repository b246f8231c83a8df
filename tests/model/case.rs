//! A case: which rows are delivered, how, through how many faults, and whether the protocol is
//! broken on purpose.

use contact_courier::batch::{Batch, BatchId, Composed};
use contact_courier::contact::{Contact, Lane, OutboxRow, RequestDefaults, RequestOptions, Suffix};
use uuid::Uuid;

use super::rows::Rows;

/// What the platform says about a number, each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    /// The number is taken.
    Good,
    /// The number is refused.
    Bad,
    /// The number is already in the task.
    There,
    /// The number is neither counted nor listed as failed, and not taken.
    Ignored,
}

/// A part of the protocol that is left out, to see whether the check notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Writes in the name of an old lease take effect.
    NoFencing,
    /// The request goes out before its batch is in the journal.
    SendsBeforeJournal,
    /// The new owner of a batch that was under way does not suppose that it may have arrived.
    AdoptsAsNeverSent,
    /// A batch whose suffix the platform appends is sent again like any other.
    ResendsWithPlatformSuffix,
    /// Smaller batches do not know that their parent may have been delivered.
    ChildrenForget,
    /// Not the courier's flaw, and harmless: the platform refuses for a passing reason, and does
    /// not say so.
    AccountRefused,
    /// Not the courier's flaw: the platform refuses a number as bad that it has taken.
    FicklePlatform,
}

/// The case to explore.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Each row's number, and what the platform says about it.
    pub(crate) numbers: Vec<(&'static str, Truth)>,
    /// `delivery.batch_size`.
    pub(crate) batch_size: usize,
    /// Whether the platform goes on after a bad number, or refuses the whole request without a
    /// list.
    pub(crate) skip_error: bool,
    /// The side that appends a suffix.
    pub(crate) suffix: Suffix,
    /// The number of faults altogether.
    pub(crate) faults: u8,
    /// The flaw, if the protocol is broken on purpose.
    pub(crate) flaw: Option<Flaw>,
}

impl Case {
    /// Makes a case of all rows in one request, with bad ones skipped and no suffix.
    pub(crate) fn new(numbers: &[(&'static str, Truth)], faults: u8) -> Self {
        Self {
            numbers: numbers.to_vec(),
            batch_size: numbers.len(),
            skip_error: true,
            suffix: Suffix::None,
            faults,
            flaw: None,
        }
    }

    pub(crate) fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub(crate) fn all(&self) -> Rows {
        (0..self.numbers.len()).collect()
    }

    /// Returns the row as the courier reads it from the table.
    pub(crate) fn contact(&self, row: usize) -> Contact {
        let outbox_row = OutboxRow {
            id: to_id(row),
            phone: self.numbers[row].0.to_owned(),
            skip_error: Some(self.skip_error),
            number_add_suffix: Some(self.suffix != Suffix::None),
            ..OutboxRow::default()
        };
        let defaults = RequestDefaults {
            courier_appends_suffix: self.suffix == Suffix::Courier,
            ..RequestDefaults::default()
        };
        Contact::check(outbox_row, &defaults).unwrap()
    }

    /// Returns the batch as the courier has it in memory.
    pub(crate) fn batch(&self, id: BatchId, rows: Rows, maybe_delivered: bool) -> Batch {
        let contacts: Vec<Contact> = rows.iter().map(|row| self.contact(row)).collect();
        let options = contacts.first().map_or_else(RequestOptions::default, |c| {
            let mut options = c.options.clone();
            if self.is(Flaw::ResendsWithPlatformSuffix) {
                options.suffix = Suffix::None;
            }
            options
        });
        Batch {
            attempts: 1,
            maybe_delivered,
            ..Batch::new(id, lane(), Composed { options, contacts })
        }
    }
}

/// The one lane.
pub(crate) fn lane() -> Lane {
    Lane::new("user", "task").unwrap()
}

/// Returns the primary key of a row.
pub(crate) fn to_id(row: usize) -> i64 {
    i64::try_from(row).unwrap() + 1
}

/// Returns the row with this primary key.
pub(crate) fn to_row(id: i64) -> usize {
    usize::try_from(id - 1).unwrap()
}

/// A batch's id. Under one lease the same rows never make two batches, so token and rows identify
/// it, and equal states look equal however they were reached.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id {
    /// The token of the lease under which it was opened.
    pub(crate) token: u8,
    /// The rows with which it was opened.
    pub(crate) rows: Rows,
}

impl Id {
    pub(crate) fn to_batch_id(self) -> BatchId {
        let bits = u16::from_be_bytes([self.token, self.rows.bits()]);
        BatchId(Uuid::from_u128(bits.into()))
    }

    pub(crate) fn from_uuid(uuid: Uuid) -> Self {
        let [.., token, rows] = uuid.as_u128().to_be_bytes();
        let rows = (0..8).filter(|row| rows & 1 << row != 0).collect();
        Self { token, rows }
    }
}

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {}", self.rows, self.token)
    }
}
