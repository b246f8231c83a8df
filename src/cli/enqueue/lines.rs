//! Physical line numbers for CSV, and a limit to the length of a record.
//!
//! The parser knows at which byte it began to look for a record, but not on which line of the file
//! the record is: it skips empty lines, and takes half of a `\r\n` along. So this reader watches
//! the bytes on their way to the parser.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;

use super::problem::Problem;
use super::quotes::Quotes;

/// No real contact is longer. A quote that is never closed makes a longer record, which must not
/// fill the memory.
const LONGEST_RECORD: u64 = 4 * 1024 * 1024;

/// A reader that notes where lines begin.
pub(super) struct Watched<R> {
    inner: R,
    lines: Rc<RefCell<Lines>>,
}

/// The notes about lines.
#[derive(Debug)]
pub(super) struct Lines {
    /// Byte and number of each line that is not empty, from the last record on.
    starts: VecDeque<(u64, u64)>,
    byte: u64,
    line: u64,
    at_start: bool,
    after_cr: bool,
    record_start: u64,
    quotes: Quotes,
}

impl<R: Read> Watched<R> {
    pub(super) fn new(inner: R) -> (Self, Rc<RefCell<Lines>>) {
        let lines = Rc::new(RefCell::new(Lines {
            starts: VecDeque::new(),
            byte: 0,
            line: 1,
            at_start: true,
            after_cr: false,
            record_start: 0,
            quotes: Quotes::new(),
        }));
        let watched = Self {
            inner,
            lines: Rc::clone(&lines),
        };
        (watched, lines)
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut lines = self.lines.borrow_mut();
        if lines.byte - lines.record_start > LONGEST_RECORD {
            let line = lines.starts.front().map_or(lines.line, |(_, line)| *line);
            return Err(io::Error::other(format!(
                "the row on line {line} is longer than 4 MiB; is a quote not closed?"
            )));
        }
        let read = self.inner.read(buffer)?;
        for byte in &buffer[..read] {
            lines.watch(*byte);
        }
        if read == 0 && !buffer.is_empty() {
            lines.quotes.end();
        }
        Ok(read)
    }
}

impl Lines {
    fn watch(&mut self, byte: u8) {
        self.quotes.watch(byte, self.byte, self.line);
        match byte {
            b'\n' if self.after_cr => self.after_cr = false,
            b'\n' | b'\r' => {
                self.line += 1;
                self.at_start = true;
                self.after_cr = byte == b'\r';
            }
            _ => {
                if self.at_start {
                    self.starts.push_back((self.byte, self.line));
                }
                self.at_start = false;
                self.after_cr = false;
            }
        }
        self.byte += 1;
    }

    /// Notes that the parser looks for a record from `byte` on. Call it before each record.
    pub(super) fn begin_record(&mut self, byte: u64) {
        self.record_start = byte;
        self.forget_before(byte);
    }

    /// Returns the line of the record that the parser has found.
    pub(super) fn of_record(&mut self) -> u64 {
        self.forget_before(self.record_start);
        self.starts.front().map_or(self.line, |(_, line)| *line)
    }

    /// Returns the fault in the quotes of the record that the parser has found, which ends at
    /// `byte`.
    pub(super) fn quote_fault(&mut self, byte: u64) -> Option<Problem> {
        self.quotes.fault_before(byte)
    }

    fn forget_before(&mut self, byte: u64) {
        while self.starts.front().is_some_and(|(start, _)| *start < byte) {
            self.starts.pop_front();
        }
    }
}
