//! The records of a plan: plain values, one for each row that a statement writes or looks at.

use serde::Serialize;
use uuid::Uuid;

use crate::contact::{ContactId, Lane};
use crate::outbox::span::to_seconds;
use crate::outbox::{Hold, JournalEntry, Lease, Postpone};
use crate::settlement::FailKind;

/// A lane, for databases that take their lists as JSON.
#[derive(Debug, Serialize)]
pub(in crate::outbox) struct LaneKey<'a> {
    pub(in crate::outbox) user_id: &'a str,
    pub(in crate::outbox) task_id: &'a str,
}

impl<'a> From<&'a Lane> for LaneKey<'a> {
    fn from(lane: &'a Lane) -> Self {
        Self {
            user_id: lane.user_id(),
            task_id: lane.task_id(),
        }
    }
}

/// A new row of the journal.
#[derive(Debug, Serialize)]
pub struct Opened<'a> {
    pub id: Uuid,
    pub parent_id: Option<Uuid>,
    pub(in crate::outbox) user_id: &'a str,
    pub(in crate::outbox) task_id: &'a str,
    pub lease_token: i64,
    /// A JSON array.
    pub(in crate::outbox) contact_ids: String,
    /// A JSON object.
    pub(in crate::outbox) options: String,
    pub state: &'static str,
    pub(in crate::outbox) attempts: i32,
    pub maybe_delivered: bool,
    /// The same contacts as in `contact_ids`.
    #[serde(skip)]
    contacts: &'a [ContactId],
}

/// For [`Change::Resend`](crate::outbox::Change::Resend).
#[derive(Debug, Serialize)]
pub struct Resent {
    pub id: Uuid,
    pub(in crate::outbox) attempts: i32,
}

/// For [`Postpone`].
#[derive(Debug, Serialize)]
pub struct Postponed<'a> {
    pub id: Uuid,
    pub(in crate::outbox) attempts: i32,
    pub maybe_delivered: bool,
    pub(in crate::outbox) failing: bool,
    /// `None`, in `answer` too: the old value stays.
    pub(in crate::outbox) outcome: Option<&'a str>,
    pub(in crate::outbox) answer: Option<String>,
}

/// For [`Close`](crate::outbox::Close).
#[derive(Debug, Serialize)]
pub struct Closed<'a> {
    pub id: Uuid,
    pub(in crate::outbox) attempts: i32,
    pub outcome: &'a str,
    pub(in crate::outbox) answer: String,
}

/// Rows of a batch that are `succeeded`.
#[derive(Debug)]
pub struct Succeeded {
    pub(in crate::outbox) batch_id: Uuid,
    pub(in crate::outbox) attempts: i32,
    /// By id.
    pub rows: Vec<i64>,
}

/// A row that is `failed`; without `batch_id` it keeps the one it has.
#[derive(Debug, Serialize)]
pub struct Failed<'a> {
    pub id: i64,
    pub(in crate::outbox) attempts: i32,
    pub(in crate::outbox) batch_id: Option<Uuid>,
    pub fail_kind: &'a str,
    pub(in crate::outbox) fail_cause: String,
}

impl Failed<'_> {
    /// A row that was in no request.
    pub(in crate::outbox) fn without_batch(id: i64, kind: FailKind, cause: &str) -> Self {
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
pub(in crate::outbox) struct Standing {
    pub(super) id: Uuid,
    pub(super) state: &'static str,
    pub(super) attempts: i32,
}

/// Why a lane is on hold, if it is.
#[derive(Debug, Serialize)]
pub(in crate::outbox) struct Held<'a> {
    pub(super) user_id: &'a str,
    pub(super) task_id: &'a str,
    pub(super) reason: Option<&'a str>,
}

/// A lane's hold, or its end where `reason` is `None`.
#[derive(Debug, Serialize)]
pub(in crate::outbox) struct LaneChanged<'a> {
    pub(in crate::outbox) user_id: &'a str,
    pub(in crate::outbox) task_id: &'a str,
    pub(in crate::outbox) failures: i32,
    pub(in crate::outbox) delay: Option<f64>,
    pub(in crate::outbox) reason: Option<&'a str>,
    pub(in crate::outbox) message: Option<String>,
    pub(in crate::outbox) needs_person: bool,
}

/// The rows of a new batch, for databases that take their lists as JSON.
#[derive(Debug, Serialize)]
pub(in crate::outbox) struct Departing<'a> {
    id: Uuid,
    contacts: &'a [ContactId],
}

impl<'a> Departing<'a> {
    /// Of new batches only those that are about to be sent.
    pub(in crate::outbox) fn of(opens: &[Opened<'a>]) -> Vec<Self> {
        let sending = opens.iter().filter(|opened| opened.state == "sending");
        sending
            .map(|opened| Self {
                id: opened.id,
                contacts: opened.contacts,
            })
            .collect()
    }
}

impl<'a> Opened<'a> {
    pub(in crate::outbox) fn new(
        lease: &'a Lease,
        entry: &'a JournalEntry,
        state: &'static str,
    ) -> Self {
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
    pub(super) fn new(id: Uuid, attempts: u32) -> Self {
        Self {
            id,
            attempts: count(attempts),
        }
    }
}

impl<'a> Postponed<'a> {
    pub(super) fn new(postpone: &'a Postpone) -> Self {
        let of_lane = postpone.hold.as_ref();
        let of_lane = of_lane.map(|hold| (hold.reason, &hold.message));
        let own = postpone.apart.as_ref();
        let why = own.map(|apart| (apart.reason, &apart.message)).or(of_lane);
        Self {
            id: postpone.batch.0,
            attempts: count(postpone.attempts),
            maybe_delivered: postpone.maybe_delivered,
            failing: postpone.failing,
            outcome: why.map(|(reason, _)| reason),
            answer: why.map(|(_, message)| storable(message)),
        }
    }
}

impl<'a> LaneChanged<'a> {
    pub(super) fn new((lane, hold): (&'a Lane, Option<&'a Hold>)) -> Self {
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
pub(super) fn count(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// Replaces NUL characters. The platform's words may hold one, and PostgreSQL's text cannot: the
/// whole transaction would be refused, and again at every try.
pub fn storable(words: &str) -> String {
    words.replace('\0', "\u{fffd}")
}

/// JSON text of a plain value.
pub(in crate::outbox) fn json(value: &impl Serialize) -> String {
    // Ids, booleans and strings always serialize; an empty text would be refused by the table.
    serde_json::to_string(value).unwrap_or_default()
}
