//! The rows and numbers of a lane that are under way and must not be taken up a second time, and
//! the bytes of these rows.

use std::collections::HashMap;

use crate::batch::NumbersUnderway;
use crate::contact::{Contact, ContactId};
use crate::courier::memory::{LaneMemory, Memory};

pub(super) struct Occupied {
    /// Rows with their bytes: waiting to be composed, in open batches, or in writes under way.
    rows: HashMap<ContactId, usize>,
    /// Numbers of batches that were composed.
    pub(super) numbers: NumbersUnderway,
    memory: LaneMemory,
}

impl Occupied {
    pub(super) fn new(all: Memory) -> Self {
        Self {
            rows: HashMap::new(),
            numbers: NumbersUnderway::default(),
            memory: LaneMemory::new(all),
        }
    }

    pub(super) fn has(&self, row: ContactId) -> bool {
        self.rows.contains_key(&row)
    }

    /// Takes a row up, with its bytes in memory.
    pub(super) fn take(&mut self, row: ContactId, bytes: usize) {
        self.memory.add(bytes);
        let before = self.rows.insert(row, bytes);
        self.memory.give_back(before.unwrap_or_default());
    }

    /// Takes the contacts of a batch up.
    pub(super) fn add(&mut self, contacts: &[Contact]) {
        self.numbers.insert(contacts);
        for contact in contacts {
            self.take(contact.id, contact.bytes);
        }
    }

    /// Lets go of the contacts of a batch.
    pub(super) fn free(&mut self, contacts: &[Contact]) {
        self.numbers.remove(contacts);
        for contact in contacts {
            self.let_go(contact.id);
        }
    }

    pub(super) fn let_go(&mut self, row: ContactId) {
        let bytes = self.rows.remove(&row);
        self.memory.give_back(bytes.unwrap_or_default());
    }

    /// Reserves as many bytes as may be read, `most` at the most, with `places` places for lanes.
    /// Returns how many.
    pub(super) fn reserve(&mut self, most: usize, places: usize) -> usize {
        self.memory.reserve(most, places)
    }

    /// Gives back what was reserved.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.memory.give_back(bytes);
    }
}
