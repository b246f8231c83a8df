//! The reading of a lane: how far it has come, and the rows that were read and wait.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::batch::Room;
use crate::contact::{Contact, ContactId};
use crate::outbox::{Cursor, Page, PageLimit};

/// No more rows are read while this many wait to be written as refused. The writes of other lanes
/// would wait behind them.
const MOST_REFUSED: usize = 1_000;

pub(super) struct Reading {
    pub(super) cursor: Cursor,
    /// Whether the last read found nothing more due behind the cursor.
    at_end: bool,
    /// Whether the lane was read from its start again since the last batch.
    rewound: bool,
    /// The bytes of an average row of the last page.
    row_bytes: Option<usize>,
    /// When the last page was read.
    pub(super) read_at: Instant,
    /// Rows that wait to be composed, in lane order.
    pub(super) waiting: VecDeque<Contact>,
    /// The number of rows that are being written as refused, unsent.
    refused: usize,
    /// Rows that were read as pending although the journal says that they are not.
    stale: HashSet<ContactId>,
    /// Whether a stale row was read once more, or a whole batch was stale. Then the server that
    /// reads is behind the one that writes, and nothing more is read for now.
    pub(super) is_behind: bool,
}

impl Reading {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            cursor: Cursor::default(),
            at_end: false,
            rewound: true,
            row_bytes: None,
            read_at: now,
            waiting: VecDeque::new(),
            refused: 0,
            stale: HashSet::new(),
            is_behind: false,
        }
    }

    /// Whether another page has to be read before a batch with this room is composed.
    pub(super) fn wants_more(&self, room: Room) -> bool {
        !self.at_end && !self.fills(room) && self.refused < MOST_REFUSED
    }

    /// Notes that this many rows are being written as refused.
    pub(super) fn refuses(&mut self, rows: usize) {
        self.refused += rows;
    }

    /// Notes that this many refused rows are written.
    pub(super) fn has_refused(&mut self, rows: usize) {
        self.refused = self.refused.saturating_sub(rows);
    }

    /// Whether rows are being written as refused.
    pub(super) fn is_refusing(&self) -> bool {
        self.refused > 0
    }

    /// Whether the rows that wait fill a batch.
    fn fills(&self, room: Room) -> bool {
        self.waiting.len() >= room.contacts
            || self
                .waiting
                .iter()
                .map(|contact| contact.bytes)
                .sum::<usize>()
                >= room.bytes
    }

    /// Returns the limits of the next page: these bytes, and the number of rows that fill them by
    /// the size of the last page's rows. Before the first page, at most a batch of rows.
    pub(super) fn page_limit(&self, bytes: usize, rows: u32, batch_size: usize) -> PageLimit {
        let likely = self
            .row_bytes
            .map_or(batch_size, |row_bytes| bytes / row_bytes.max(1));
        let likely = u32::try_from(likely).unwrap_or(u32::MAX);
        PageLimit {
            rows: likely.clamp(1, rows),
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        }
    }

    /// Notes how far a page reached, and how long its rows are.
    pub(super) fn advance(&mut self, page: &Page, now: Instant) {
        if !page.rows.is_empty() {
            let bytes: u64 = page.rows.iter().map(|row| row.bytes).sum();
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            self.row_bytes = Some(bytes / page.rows.len());
        }
        // The due times of waiting rows are brought up to this page, like those of its own rows.
        for contact in &mut self.waiting {
            contact.due_for += now.duration_since(self.read_at);
        }
        (self.cursor, self.at_end, self.read_at) = (page.next.clone(), page.end, now);
    }

    /// Goes back to the lane's start. Returns whether reading it may bring more: it does not if the
    /// start was already read since the last batch.
    pub(super) fn rewind(&mut self) -> bool {
        if self.rewound {
            return false;
        }
        (self.cursor, self.at_end, self.rewound) = (Cursor::default(), false, true);
        true
    }

    /// Reads behind the cursor once more, because contacts came.
    pub(super) fn goes_on(&mut self) {
        self.at_end = false;
    }

    /// Notes that a batch is sent: rows may have been committed since the lane's start was read.
    pub(super) fn batch_goes(&mut self) {
        self.rewound = false;
    }

    /// Whether no row waits, and none is due behind the cursor.
    pub(super) fn is_drained(&self) -> bool {
        self.at_end && self.waiting.is_empty()
    }

    /// Notes rows that, by the journal, are not pending any more.
    pub(super) fn note_stale(&mut self, rows: Vec<ContactId>) {
        self.stale.extend(rows);
    }

    pub(super) fn is_stale(&self, row: ContactId) -> bool {
        self.stale.contains(&row)
    }

    /// Whether the waiting rows do not fill a batch, and no more are there.
    pub(super) fn is_rest(&self, room: Room) -> bool {
        self.at_end && !self.fills(room)
    }

    /// Whether the waiting rows are such a rest, and the oldest is young enough to wait for more.
    pub(super) fn lingers(&self, room: Room, linger: Duration) -> bool {
        self.is_rest(room)
            && self
                .waiting
                .front()
                .is_some_and(|oldest| oldest.due_for + self.read_at.elapsed() < linger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::{OutboxRow, RequestDefaults};

    /// A contact that had been due for so long when it was read.
    fn contact(id: i64, due_for: Duration) -> Contact {
        let row = OutboxRow {
            id,
            phone: "13000001111".into(),
            ..OutboxRow::default()
        };
        let mut contact = Contact::check(row, &RequestDefaults::default()).unwrap();
        contact.due_for = due_for;
        contact
    }

    #[tokio::test(start_paused = true)]
    async fn few_rows_wait_for_company_until_the_oldest_has_waited_long_enough() {
        const SECOND: Duration = Duration::from_secs(1);
        let linger = SECOND * 3;
        let room = Room {
            contacts: 3,
            bytes: usize::MAX,
        };
        let mut reading = Reading::new(Instant::now());
        reading.waiting.push_back(contact(1, SECOND));
        assert!(!reading.lingers(room, linger), "more may be there to read");
        reading.at_end = true;
        assert!(reading.lingers(room, linger));
        // The oldest decides, by the time before it was read and since then.
        reading.waiting.push_back(contact(2, Duration::ZERO));
        tokio::time::advance(Duration::from_millis(1_999)).await;
        assert!(reading.lingers(room, linger));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!reading.lingers(room, linger));
        assert!(reading.lingers(room, linger * 2));
        reading.waiting.push_back(contact(3, Duration::ZERO));
        assert!(!reading.lingers(room, linger * 2), "they fill a batch");
        reading.waiting.clear();
        assert!(!reading.lingers(room, linger), "there are none");
    }

    #[test]
    fn where_all_rows_break_a_rule_reading_waits_for_what_is_being_refused() {
        let room = Room {
            contacts: 100,
            bytes: 1_000_000,
        };
        let mut reading = Reading::new(Instant::now());
        let read = |reading: &mut Reading| {
            let mut pages = 0;
            while reading.wants_more(room) && pages < 1_000 {
                reading.refuses(400);
                pages += 1;
            }
            pages
        };
        assert_eq!(read(&mut reading), 3);
        reading.has_refused(400);
        assert_eq!(read(&mut reading), 1);
        for _ in 0..3 {
            assert!(reading.is_refusing());
            reading.has_refused(400);
        }
        assert!(!reading.is_refusing());
    }
}
