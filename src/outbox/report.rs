//! Reading the outbox for people: how contacts ended, and which failed why.

use async_trait::async_trait;

use super::OutboxError;
use super::rows::Columns;
use crate::contact::{ContactId, Phone};

/// The table as people ask about it. These read the whole table: not for a loop.
#[async_trait]
pub trait Report: Send + Sync {
    /// How many contacts are in each state.
    async fn outcomes(&self) -> Result<Vec<OutcomeCount>, OutboxError>;

    /// How many different numbers, counted per lane, the contacts that succeeded have. Less than
    /// those contacts when a number was in twice and the answer to its second send was lost.
    async fn numbers_delivered(&self) -> Result<u64, OutboxError>;

    /// The failed contacts in the order of their ids, at most so many.
    async fn failures(&self, limit: u32) -> Result<Vec<FailedContact>, OutboxError>;
}

/// Contacts in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeCount {
    /// The column `status`.
    pub status: String,
    /// The column `fail_kind`.
    pub fail_kind: Option<String>,
    /// How many.
    pub contacts: u64,
}

/// A contact that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedContact {
    /// Primary key.
    pub id: ContactId,
    /// Route parameter.
    pub user_id: String,
    /// Route parameter.
    pub task_id: String,
    /// Prints itself masked.
    pub phone: Phone,
    /// The column `fail_kind`.
    pub kind: String,
    /// The column `fail_cause`.
    pub cause: String,
    /// How many requests carried it.
    pub attempts: u32,
}

pub(super) const OUTCOMES: &str = "
    SELECT status, fail_kind, count(*) AS contacts FROM contact_outbox
    GROUP BY status, fail_kind ORDER BY status DESC, fail_kind";

pub(super) const NUMBERS_DELIVERED: &str = "
    SELECT count(*) FROM
        (SELECT DISTINCT user_id, task_id, phone FROM contact_outbox WHERE status = 'succeeded') n";

macro_rules! failures {
    ($limit:literal) => {
        concat!(
            "SELECT id, user_id, task_id, phone, fail_kind, fail_cause, attempts
             FROM contact_outbox WHERE status = 'failed' ORDER BY id LIMIT ",
            $limit
        )
    };
}

/// $1 limit.
pub(super) const FAILURES: &str = failures!("$1");

/// The same, where parameters have no names.
pub(super) const FAILURES_UNNAMED: &str = failures!("?");

pub(super) fn outcome(row: &impl Columns) -> OutcomeCount {
    OutcomeCount {
        status: row.text("status").unwrap_or_default(),
        fail_kind: row.text("fail_kind"),
        contacts: u64::try_from(row.integer("contacts").unwrap_or_default()).unwrap_or_default(),
    }
}

pub(super) fn failed(row: &impl Columns) -> FailedContact {
    FailedContact {
        id: ContactId(row.integer("id").unwrap_or_default()),
        user_id: row.text("user_id").unwrap_or_default(),
        task_id: row.text("task_id").unwrap_or_default(),
        phone: Phone::new(row.text("phone").unwrap_or_default()),
        kind: row.text("fail_kind").unwrap_or_default(),
        cause: row.text("fail_cause").unwrap_or_default(),
        attempts: super::rows::to_count(row.integer("attempts")),
    }
}
