//! Ending contacts before they are sent.
//!
//! A contact can be cancelled as long as it surely was not delivered: it is pending, and in no
//! batch that is on its way or may have arrived. This is checked while the lane's row is locked. A
//! courier locks the same row to journal batches. So either the journal comes first, and the
//! contact is left, or the contact is final, and no batch goes out with it.

use std::collections::HashMap;
use std::time::Duration;

use crate::contact::{ContactId, Lane};
use crate::outbox::rows::{self, Columns};
use crate::settlement::FailKind;

/// The begin of the cause of a cancelled contact that may be in its task all the same.
macro_rules! in_doubt_words {
    () => {
        "may be in the task by an earlier send, before a requeue; "
    };
}

/// Whether a cause (a column) is one of these; the same in every SQL.
macro_rules! cancelled_in_doubt {
    ($cause:literal) => {
        concat!(
            "coalesce(",
            $cause,
            " LIKE '",
            $crate::outbox::operations::in_doubt_words!(),
            "%', false)"
        )
    };
}

pub(in crate::outbox) use {cancelled_in_doubt, in_doubt_words};

const IN_DOUBT: &str = in_doubt_words!();

/// A longer cause is cut, in characters.
const LONGEST_CAUSE: usize = 500;

/// Returns the cause of a cancelled contact that may be in its task by an earlier send.
pub(in crate::outbox) fn in_doubt(cause: &str) -> String {
    let cause = format!("{IN_DOUBT}{cause}");
    cause.chars().take(LONGEST_CAUSE).collect()
}

/// Whether an operator has ended a contact with this cause, and may have typed a part of it.
pub(super) fn is_of_a_cancel(kind: Option<&str>, cause: &str) -> bool {
    kind == Some(FailKind::Cancelled.as_str()) || cause.starts_with(IN_DOUBT)
}

/// Selects pending contacts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingFilter {
    pub user_id: Option<String>,
    pub task_id: Option<String>,
    /// Only contacts that were inserted at most so long ago.
    pub created_since: Option<Duration>,
}

/// The pending contacts of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingLane {
    pub lane: Lane,
    /// How many contacts pass the filter.
    pub contacts: u64,
    /// At most so many of them are on their way, or may have arrived.
    pub on_their_way: u64,
}

/// A contact that an operator named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedContact {
    pub id: ContactId,
    pub lane: Lane,
    /// `pending`, `succeeded` or `failed`.
    pub status: String,
    /// The key by which it was named, if it was.
    pub key: Option<String>,
}

impl NamedContact {
    /// Whether it is still to be sent.
    pub fn is_pending(&self) -> bool {
        self.status == "pending"
    }
}

/// The names by which contacts are given.
#[derive(Clone, Copy, Debug)]
pub enum Names<'a> {
    Ids(&'a [ContactId]),
    /// `idempotency_key`s.
    Keys(&'a [&'a str]),
}

/// The fate of contacts that were to be cancelled. Contacts that are final already are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cancelled {
    pub cancelled: u64,
    /// On their way, or may have arrived: left as they are.
    pub on_their_way: u64,
    /// Another session keeps their rows locked: left as they are.
    pub locked: u64,
}

impl std::ops::AddAssign for Cancelled {
    fn add_assign(&mut self, other: Self) {
        self.cancelled += other.cancelled;
        self.on_their_way += other.on_their_way;
        self.locked += other.locked;
    }
}

/// The lanes of the counts, with how many of their contacts are on their way.
pub(in crate::outbox) fn pending_lanes<C: Columns>(
    counts: &[C],
    going: &[(Lane, Vec<i64>)],
) -> Vec<PendingLane> {
    let mut on_their_way: HashMap<&Lane, u64> = HashMap::new();
    for (lane, contacts) in going {
        *on_their_way.entry(lane).or_default() += contacts.len() as u64;
    }
    let lane = |row: &C| {
        let lane = rows::lane(row)?;
        let contacts = u64::try_from(row.integer("contacts")?).ok()?;
        let going = on_their_way.get(&lane).copied().unwrap_or_default();
        Some(PendingLane {
            on_their_way: going.min(contacts),
            contacts,
            lane,
        })
    };
    counts.iter().filter_map(lane).collect()
}

/// The contacts of open batches that are on their way or may have arrived, with their lane.
pub(in crate::outbox) fn going<C: Columns>(rows: &[C]) -> sqlx::Result<Vec<(Lane, Vec<i64>)>> {
    rows.iter()
        .filter_map(|row| Some((rows::lane(row)?, row.contacts("contact_ids").transpose()?)))
        .map(|(lane, contacts)| Ok((lane, contacts?)))
        .collect()
}

pub(in crate::outbox) fn named_contact(row: &impl Columns) -> Option<NamedContact> {
    Some(NamedContact {
        id: ContactId(row.integer("id")?),
        lane: rows::lane(row)?,
        status: row.text("status").unwrap_or_default(),
        key: row.text("idempotency_key"),
    })
}
