//! Finding a contact by its number, which no index has.

use crate::contact::{ContactId, Lane};
use crate::outbox::rows::Columns;

/// Which contacts are looked for.
#[derive(Clone, Debug)]
pub struct PhoneSearch {
    /// The number as the table has it.
    pub phone: String,
    /// Of this lane; `None`: of any.
    pub lane: Option<Lane>,
}

/// A part of the table, from its end on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneStep {
    /// The contacts that have the number, the newest first.
    pub found: Vec<ContactId>,
    /// The first of the part, before which the search goes on; `None`: the table has no more.
    pub next: Option<ContactId>,
}

/// A step out of its rows.
pub(in crate::outbox) fn phone_step(rows: &[impl Columns]) -> PhoneStep {
    let mut step = PhoneStep::default();
    for row in rows {
        let Some(id) = row.integer("id").map(ContactId) else {
            continue;
        };
        match row.integer("found") {
            Some(1) => step.found.push(id),
            _ => step.next = Some(id),
        }
    }
    step.found.sort_unstable_by(|one, other| other.cmp(one));
    step
}
