//! How a contact ends: the courier's columns of `contact_outbox` as values.
//!
//! The verdict makes these values, the outbox writes them. `docs/outbox-table.md` tells app authors
//! what each means and what to do about it.

use std::fmt;

use crate::contact::ContactId;

/// The final state of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowOutcome {
    pub contact: ContactId,
    pub end: Final,
}

/// The two ends of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Final {
    /// The platform has it.
    Succeeded,
    /// The platform does not have it, or nobody can know.
    Failed {
        kind: FailKind,
        /// The platform's words for this row, or ours in plain English.
        cause: String,
    },
}

impl Final {
    /// How a row ends that breaks a rule and is not sent. A row that was sent before, and has changed since,
    /// may be in the task.
    pub fn breaks_a_rule(may_be_in: bool, rule: String) -> Self {
        if may_be_in {
            Self::Failed {
                kind: FailKind::Unconfirmed,
                cause: format!(
                    "may or may not be in the task by an earlier send; not sent again: {rule}"
                ),
            }
        } else {
            Self::Failed {
                kind: FailKind::Invalid,
                cause: rule,
            }
        }
    }
}

/// The column `fail_kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailKind {
    /// Never sent: the contact breaks a known rule.
    Invalid,
    /// The platform refused this row.
    Rejected,
    /// The number is already in the task.
    Duplicate,
    /// The platform may or may not have the contact.
    Unconfirmed,
    /// Surely not delivered; the courier gave up after `retry.give_up_after` or
    /// `retry.give_up_on_holds_after`.
    Expired,
    /// Surely not delivered; an operator ended the contact.
    Cancelled,
}

impl FailKind {
    pub const ALL: [Self; 6] = [
        Self::Invalid,
        Self::Rejected,
        Self::Duplicate,
        Self::Unconfirmed,
        Self::Expired,
        Self::Cancelled,
    ];

    /// Returns the word in the column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Rejected => "rejected",
            Self::Duplicate => "duplicate",
            Self::Unconfirmed => "unconfirmed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for FailKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
