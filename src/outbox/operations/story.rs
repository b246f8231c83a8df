//! A contact's whole story.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::columns::{optional_seconds, seconds, to_total};
use super::failures::{masked, shown_cause, shown_key};
use super::overview::Owner;
use crate::contact::{ContactId, Phone};
use crate::outbox::rows::{Columns, to_count};
use crate::outbox::span::to_duration;
use crate::outbox::{ClosedGate, LockedLane};

/// A contact, its state and its way there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Story {
    pub contact: ContactReport,
    /// How it had ended each time before it was requeued, the first first.
    pub requeued: Vec<Requeued>,
    /// Every batch of the journal that is known to have held it, the first first.
    pub batches: Vec<BatchReport>,
    /// Its lane, if a courier ever worked it.
    pub lane: Option<LaneStanding>,
    /// The gate that keeps all requests of its user back, at every courier.
    pub gate: Option<ClosedGate>,
    /// If it is pending: how its lane waits for a lock that another session keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<LockedLane>,
    /// Where the database shows the sessions of others.
    #[serde(skip)]
    pub sessions_in: &'static str,
    /// Whether a courier runs.
    #[serde(skip)]
    pub courier_runs: bool,
    /// If it is pending: the pending contacts of its lane that stand before it, as long as none of
    /// them has a `not_before`.
    pub ahead: u64,
}

/// An instant for people's eyes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moment {
    pub at: String,
    /// How long ago; negative: in the future.
    pub seconds_ago: f64,
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.at)
    }
}

/// The columns of `contact_outbox` that concern a contact's way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContactReport {
    pub id: ContactId,
    pub user_id: String,
    pub task_id: String,
    #[serde(serialize_with = "masked")]
    pub phone: Phone,
    /// The app's own key.
    pub idempotency_key: Option<String>,
    pub status: String,
    pub fail_kind: Option<String>,
    pub fail_cause: Option<String>,
    pub attempts: u32,
    /// The last batch whose answer made it final.
    pub batch_id: Option<String>,
    pub created_at: Option<Moment>,
    pub not_before: Option<Moment>,
    pub finished_at: Option<Moment>,
    /// When its personal data was taken out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redacted_at: Option<Moment>,
}

/// An end that a requeue undid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Requeued {
    pub requeued_at: Option<Moment>,
    pub fail_kind: String,
    pub fail_cause: Option<String>,
    pub attempts: u32,
    pub batch_id: Option<String>,
    pub finished_at: Option<Moment>,
}

/// A batch of the journal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BatchReport {
    /// The id, which is also sent as `X-Request-Id`.
    pub id: String,
    pub parent_id: Option<String>,
    /// `sending`, `waiting` or `closed`.
    pub state: String,
    pub contacts: u64,
    /// How many requests carried its contacts, those of the parents included.
    pub attempts: u32,
    /// Whether an earlier send may have reached the platform.
    pub maybe_delivered: bool,
    /// The last verdict, in one word.
    pub outcome: Option<String>,
    /// The platform's words, or ours.
    pub answer: Option<String>,
    pub created_at: Option<Moment>,
    pub sent_at: Option<Moment>,
    pub closed_at: Option<Moment>,
}

/// How a lane stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LaneStanding {
    pub reason: Option<String>,
    /// The platform's words, or ours.
    pub message: Option<String>,
    #[serde(rename = "held_seconds", serialize_with = "optional_seconds")]
    pub held_for: Option<Duration>,
    /// How long until the lane is tried again; zero: nothing keeps it back.
    #[serde(rename = "next_try_in_seconds", serialize_with = "seconds")]
    pub next_try_in: Duration,
    pub failures: u32,
    /// The living courier that works the lane.
    pub owner: Option<Owner>,
}

pub(super) fn moment(row: &impl Columns, column: &str) -> Option<Moment> {
    Some(Moment {
        at: row.text(column)?,
        seconds_ago: row
            .seconds(format!("{column}_ago").as_str())
            .unwrap_or_default(),
    })
}

pub(in crate::outbox) fn contact_report(row: &impl Columns) -> ContactReport {
    let phone = Phone::new(row.text("phone").unwrap_or_default());
    ContactReport {
        id: ContactId(row.integer("id").unwrap_or_default()),
        user_id: row.text("user_id").unwrap_or_default(),
        task_id: row.text("task_id").unwrap_or_default(),
        idempotency_key: row
            .text("idempotency_key")
            .map(|key| shown_key(key, &phone)),
        status: row.text("status").unwrap_or_default(),
        fail_kind: row.text("fail_kind"),
        fail_cause: shown_cause(row, &phone),
        phone,
        attempts: to_count(row.integer("attempts")),
        batch_id: row.text("batch_id"),
        created_at: moment(row, "created_at"),
        not_before: moment(row, "not_before"),
        finished_at: moment(row, "finished_at"),
        redacted_at: moment(row, "redacted_at"),
    }
}

/// An end that was undone, of a contact with this number.
pub(in crate::outbox) fn requeued(row: &impl Columns, phone: &Phone) -> Requeued {
    Requeued {
        requeued_at: moment(row, "requeued_at"),
        fail_kind: row.text("fail_kind").unwrap_or_default(),
        fail_cause: shown_cause(row, phone),
        attempts: to_count(row.integer("attempts")),
        batch_id: row.text("batch_id"),
        finished_at: moment(row, "finished_at"),
    }
}

pub(in crate::outbox) fn batch_report(row: &impl Columns) -> BatchReport {
    BatchReport {
        id: row.text("id").unwrap_or_default(),
        parent_id: row.text("parent_id"),
        state: row.text("state").unwrap_or_default(),
        contacts: to_total(row, "contacts"),
        attempts: to_count(row.integer("attempts")),
        maybe_delivered: row.flag("maybe_delivered").unwrap_or_default(),
        outcome: row.text("outcome"),
        answer: row.text("answer"),
        created_at: moment(row, "created_at"),
        sent_at: moment(row, "sent_at"),
        closed_at: moment(row, "closed_at"),
    }
}

pub(in crate::outbox) fn lane_standing(row: &impl Columns) -> LaneStanding {
    LaneStanding {
        reason: row.text("reason"),
        message: row.text("message"),
        held_for: row.seconds("held_for").map(|held| to_duration(Some(held))),
        next_try_in: to_duration(row.seconds("next_try_in")),
        failures: to_count(row.integer("failures")),
        owner: super::overview::owner(row),
    }
}

/// The batches that a contact was in, as they are found: from the batches that are known to hold it
/// up to their first ancestors.
#[derive(Debug, Default)]
pub(in crate::outbox) struct Trail {
    found: Vec<BatchReport>,
    wanted: Vec<String>,
}

impl Trail {
    /// Begins with open batches that hold the contact, and with the ids of closed ones.
    pub(in crate::outbox) fn new(
        open: Vec<BatchReport>,
        contact: &ContactReport,
        requeued: &[Requeued],
    ) -> Self {
        let mut trail = Self::default();
        let earlier = requeued.iter().filter_map(|end| end.batch_id.clone());
        trail.wanted.extend(earlier.chain(contact.batch_id.clone()));
        trail.add(open);
        trail
    }

    /// The ids of batches to look up next; none: the trail is complete.
    pub(in crate::outbox) fn wanted(&mut self) -> Vec<String> {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.retain(|id| self.found.iter().all(|found| found.id != *id));
        wanted.sort();
        wanted.dedup();
        wanted
    }

    /// Adds the batches that were found.
    pub(in crate::outbox) fn add(&mut self, batches: Vec<BatchReport>) {
        let parents = batches.iter().filter_map(|batch| batch.parent_id.clone());
        self.wanted.extend(parents);
        self.found.extend(batches);
    }

    /// Returns all batches, in the order in which they were made (their ids sort by it).
    pub(in crate::outbox) fn complete(mut self) -> Vec<BatchReport> {
        self.found.sort_by(|a, b| a.id.cmp(&b.id));
        self.found
    }
}
