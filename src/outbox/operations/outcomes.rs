//! How many contacts came to which end.

use serde::Serialize;

use super::columns::to_total;
use crate::outbox::rows::Columns;

/// Contacts in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutcomeCount {
    pub status: String,
    pub fail_kind: Option<String>,
    pub contacts: u64,
}

pub(in crate::outbox) fn outcome(row: &impl Columns) -> OutcomeCount {
    OutcomeCount {
        status: row.text("status").unwrap_or_default(),
        fail_kind: row.text("fail_kind"),
        contacts: to_total(row, "contacts"),
    }
}
