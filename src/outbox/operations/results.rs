//! The ends of contacts, in the order in which they ended.

use std::time::Duration;

use serde::Serialize;

use super::failures::shown_cause;
use crate::contact::{ContactId, Phone};
use crate::outbox::rows::Columns;

/// Whether the index of results is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultsIndex {
    There,
    /// The command that made it was cut short: the index serves no question.
    Unfinished,
    Missing,
}

/// The place where reading of results begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultsFrom {
    /// Begins with the contacts that ended so long ago.
    Ago(Duration),
    /// So long before this instant, or before now if the database's clock is behind it: UTC, as
    /// `2030-01-31 09:00:00.123456`.
    Before(String, Duration),
    /// Begins behind this result.
    Behind(ResultCursor),
}

/// A place in the order of results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultCursor {
    /// UTC, as `2030-01-31 09:00:00.123456`.
    pub finished_at: String,
    pub id: ContactId,
}

/// How a contact ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContactResult {
    pub id: ContactId,
    /// The app's own key.
    pub idempotency_key: Option<String>,
    pub user_id: String,
    pub task_id: String,
    /// `succeeded` or `failed`.
    pub status: String,
    pub fail_kind: Option<String>,
    /// The platform's words, with the number masked.
    pub fail_cause: Option<String>,
    /// UTC, with all digits that the database has.
    pub finished_at: String,
    /// The same in microseconds, to compare it with other results.
    #[serde(skip)]
    pub finished: i64,
}

impl ContactResult {
    /// Returns the place of this result.
    pub fn cursor(&self) -> ResultCursor {
        let finished_at = self.finished_at.replace('T', " ");
        ResultCursor {
            finished_at: finished_at.trim_end_matches('Z').to_owned(),
            id: self.id,
        }
    }
}

pub(in crate::outbox) fn contact_result(row: &impl Columns) -> ContactResult {
    let phone = Phone::new(row.text("phone").unwrap_or_default());
    ContactResult {
        id: ContactId(row.integer("id").unwrap_or_default()),
        idempotency_key: row.text("idempotency_key"),
        user_id: row.text("user_id").unwrap_or_default(),
        task_id: row.text("task_id").unwrap_or_default(),
        status: row.text("status").unwrap_or_default(),
        fail_kind: row.text("fail_kind"),
        fail_cause: shown_cause(row, &phone),
        finished_at: row.text("finished_at").unwrap_or_default(),
        finished: row.integer("finished").unwrap_or_default(),
    }
}

pub(in crate::outbox) fn results_index(word: Option<&str>) -> ResultsIndex {
    match word {
        Some("there") => ResultsIndex::There,
        Some("unfinished") => ResultsIndex::Unfinished,
        _ => ResultsIndex::Missing,
    }
}
