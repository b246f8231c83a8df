//! The output: a terminal only shows it, whatever rows, answers and files hold.

use std::io::{self, Write};

use crate::visible::spelt_out_but;

/// A stream of text in which every character that a terminal would obey is spelt out. Lines and
/// tabs stay; the commands keep them out of foreign texts.
pub(super) struct Visible<W: Write> {
    to: W,
    /// The first bytes of a character whose rest is still to come.
    begun: Vec<u8>,
}

impl<W: Write> Visible<W> {
    pub(super) fn new(to: W) -> Self {
        let begun = Vec::new();
        Self { to, begun }
    }
}

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let whole = whole_characters(&all);
        self.begun = all.split_off(whole);
        let text = String::from_utf8_lossy(&all);
        let shown = spelt_out_but(&text, |c| c == '\n' || c == '\t');
        self.to.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// How many bytes there are before a character that is cut off at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_comes_in_two_parts_is_one() {
        let mut out = Visible::new(Vec::new());
        let text = "号\u{1b}[1m\u{202e}\n".as_bytes();
        for byte in text {
            out.write_all(&[*byte]).unwrap();
        }
        out.write_all(b"\xff").unwrap();
        assert_eq!(out.to, "号\\u001b[1m\\u202e\n\u{fffd}".as_bytes());
    }
}
