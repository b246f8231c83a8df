//! Who did what: the rows of `operator_action`.

use uuid::Uuid;

/// Something that an operator does. It may take several transactions: each adds what it has changed to
/// the same row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub id: Uuid,
    /// The name of the command.
    pub name: &'static str,
    pub host: String,
    /// Whose process it is.
    pub os_user: String,
    /// Which contacts, lanes or settings, in words; no number is in them.
    pub selection: String,
}

/// What one transaction adds to the row of an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// How many rows it has changed; `None`: they are not counted.
    pub affected: Option<u64>,
    /// Whether nothing comes behind it.
    pub is_last: bool,
}

impl Part {
    /// One of several.
    pub(in crate::outbox) const fn some(affected: u64) -> Self {
        Self {
            affected: Some(affected),
            is_last: false,
        }
    }
}
