//! A page that is being read: its rows as they come, and where it ends.

use super::rows::{Columns, lengths, outbox_row};
use super::{Cursor, Page, PageLimit};
use crate::contact::OutboxRow;

/// The position of `not_before` in the rows of a page, behind the columns of the row itself.
const NOT_BEFORE: usize = 23;

/// A page that is being read.
#[derive(Debug)]
pub(super) struct Reader {
    limit: PageLimit,
    /// The most bytes of a contact. A longer row is not read further.
    longest: u64,
    next: Cursor,
    rows: u32,
    bytes: u64,
    /// Rows that were put off and are due.
    deferred: Vec<OutboxRow>,
    immediate: Vec<OutboxRow>,
}

impl Reader {
    pub(super) fn new(cursor: &Cursor, limit: PageLimit, longest: u64) -> Self {
        Self {
            limit,
            longest,
            next: cursor.clone(),
            rows: 0,
            bytes: 0,
            deferred: Vec::new(),
            immediate: Vec::new(),
        }
    }

    /// Returns how many more rows the page has room for.
    pub(super) fn room(&self) -> u32 {
        if self.bytes >= self.limit.bytes {
            return 0;
        }
        self.limit.rows.saturating_sub(self.rows)
    }

    /// The lengths of texts, as parameters.
    pub(super) fn lengths(&self) -> [i64; 2] {
        lengths(self.longest)
    }

    /// Takes in the next row, which comes with `not_before` as the database wrote it. Returns
    /// whether the page may have more bytes. (The caller asks the database for no more rows than
    /// fit.)
    pub(super) fn add(&mut self, columns: &impl Columns) -> bool {
        let row = outbox_row(columns);
        self.rows += 1;
        self.bytes = self.bytes.saturating_add(row.bytes.min(self.longest));
        if let Some(not_before) = columns.text(NOT_BEFORE) {
            self.next.deferred = Some((not_before, row.id));
            self.deferred.push(row);
        } else {
            self.next.id = row.id;
            self.immediate.push(row);
        }
        self.bytes < self.limit.bytes
    }

    /// Ends the page. If there was room for more rows, nothing more was due.
    pub(super) fn page(mut self) -> Page {
        let end = self.room() > 0;
        let mut rows = self.deferred;
        if rows.is_empty() {
            rows = self.immediate;
        } else {
            rows.append(&mut self.immediate);
        }
        Page {
            rows,
            next: self.next,
            end,
        }
    }
}
