//! Finding a contact by its number, which no index has.

use crate::contact::ContactId;

/// One step of a search through the table, from its end on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneStep {
    /// The contacts that have the number, the newest first.
    pub found: Vec<ContactId>,
    /// The first contact of the part, before which the search goes on; `None`: the table has no
    /// more.
    pub next: Option<ContactId>,
}
