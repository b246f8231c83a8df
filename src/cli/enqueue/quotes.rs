//! Quotes in CSV that open and close where a writer of CSV would not put them.
//!
//! The parser accepts every quote: one that is never closed makes a single value of the rest of the
//! file, and its contacts would be lost without a word.

use std::collections::VecDeque;

use super::problem::Problem;

/// Follows the bytes of the file as the parser does.
#[derive(Debug)]
pub(super) struct Quotes {
    place: Place,
    /// Byte and line of the last quote that has opened a value.
    opened: (u64, u64),
    /// The faults, each with the byte of the opening quote; the parser comes behind.
    faults: VecDeque<(u64, Problem)>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    BeforeValue,
    Plain,
    Quoted,
    /// Behind a quote within a quoted value: it closes the value, or the next one makes it a pair.
    BehindQuote,
}

impl Quotes {
    pub(super) fn new() -> Self {
        Self {
            place: Place::BeforeValue,
            opened: (0, 0),
            faults: VecDeque::new(),
        }
    }

    /// Takes the next byte of the file, its number and its line.
    pub(super) fn watch(&mut self, byte: u8, at: u64, line: u64) {
        self.place = match (self.place, byte) {
            (Place::Quoted, b'"') => Place::BehindQuote,
            (Place::Quoted, _) | (Place::BehindQuote, b'"') => Place::Quoted,
            (_, b',' | b'\r' | b'\n') => Place::BeforeValue,
            (Place::BeforeValue, b'"') => {
                self.opened = (at, line);
                Place::Quoted
            }
            (Place::BehindQuote, _) => {
                let said = format!(
                    "the value in quotes goes on behind its closing quote on line {line}; write a \
                     quote that belongs to a value twice, in quotes"
                );
                self.fault(said);
                Place::Plain
            }
            (Place::BeforeValue | Place::Plain, _) => Place::Plain,
        };
    }

    /// Notes the end of the file.
    pub(super) fn end(&mut self) {
        if matches!(self.place, Place::Quoted) {
            self.place = Place::BeforeValue;
            self.fault("a quote opens here and is never closed; close it, or take it out");
        }
    }

    /// Returns the first fault before this byte, and forgets all faults before it.
    pub(super) fn fault_before(&mut self, byte: u64) -> Option<Problem> {
        let mut first = None;
        while let Some((_, problem)) = self.faults.pop_front_if(|(at, _)| *at < byte) {
            first.get_or_insert(problem);
        }
        first
    }

    fn fault(&mut self, message: impl Into<String>) {
        let (byte, line) = self.opened;
        self.faults
            .push_back((byte, Problem::of_line(line, message)));
    }
}
