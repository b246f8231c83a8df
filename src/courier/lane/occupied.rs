//! The rows and numbers of a lane that are under way, and must not be taken up a second time.

use std::collections::HashSet;

use crate::batch::NumbersUnderway;
use crate::contact::{Contact, ContactId};

#[derive(Default)]
pub(super) struct Occupied {
    /// Rows that wait to be composed, of open batches, and of writes under way.
    pub(super) rows: HashSet<ContactId>,
    /// Numbers of batches that were composed.
    pub(super) numbers: NumbersUnderway,
}

impl Occupied {
    pub(super) fn add(&mut self, contacts: &[Contact]) {
        self.numbers.insert(contacts);
        self.rows.extend(contacts.iter().map(|contact| contact.id));
    }

    pub(super) fn free(&mut self, contacts: &[Contact]) {
        self.numbers.remove(contacts);
        for contact in contacts {
            self.rows.remove(&contact.id);
        }
    }
}
