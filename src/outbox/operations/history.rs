//! The history of operators' actions: the rows of `operator_action`.

use serde::Serialize;
use uuid::Uuid;

use super::story::{Moment, moment};
use crate::outbox::rows::Columns;

/// One action of an operator. It may take several transactions: each adds its changes to the same
/// row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub id: Uuid,
    /// The name of the command.
    pub name: &'static str,
    pub host: String,
    /// Whose process it is.
    pub os_user: String,
    /// The selected contacts, lanes or settings, in words; no number is in them.
    pub selection: String,
}

/// The part of an action that one transaction adds to the action's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// How many rows the transaction has changed; `None`: they are not counted.
    pub affected: Option<u64>,
    /// Whether no part follows.
    pub is_last: bool,
}

impl Part {
    /// A part that others follow.
    pub(in crate::outbox) const fn some(affected: u64) -> Self {
        Self {
            affected: Some(affected),
            is_last: false,
        }
    }
}

/// An action as the database keeps it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionReport {
    pub id: String,
    pub action: String,
    pub host: String,
    pub os_user: String,
    pub selection: String,
    /// How many rows; `None`: they are not counted.
    pub affected: Option<u64>,
    pub began_at: Option<Moment>,
    /// `None`: the action is under way, or was broken off.
    pub ended_at: Option<Moment>,
    /// When the last part of it was noted.
    #[serde(skip)]
    pub changed_ago: f64,
}

/// An action that has noted nothing for so many seconds counts as broken off.
const BROKEN_OFF: f64 = 60.0;

impl ActionReport {
    pub(in crate::outbox) fn read(row: &impl Columns) -> Self {
        let affected = row.integer("affected");
        Self {
            id: row.text("id").unwrap_or_default(),
            action: row.text("action").unwrap_or_default(),
            host: row.text("host").unwrap_or_default(),
            os_user: row.text("os_user").unwrap_or_default(),
            selection: row.text("selection").unwrap_or_default(),
            affected: affected.and_then(|affected| u64::try_from(affected).ok()),
            began_at: moment(row, "began_at"),
            ended_at: moment(row, "ended_at"),
            changed_ago: row.seconds("changed_ago").unwrap_or_default(),
        }
    }

    /// Whether no part follows the noted ones.
    pub fn is_over(&self) -> bool {
        self.ended_at.is_some() || self.is_broken_off()
    }

    /// Whether the action did not come to its end.
    pub fn is_broken_off(&self) -> bool {
        self.ended_at.is_none() && self.changed_ago > BROKEN_OFF
    }
}
