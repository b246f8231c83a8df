//! Why an operator does something, in the operator's own words.

use crate::mask::mask_typed;
use crate::outbox::plan::storable;
use crate::visible::acts;

/// The most characters that apps expect of a `fail_cause`, of which a reason becomes a part.
pub(super) const LONGEST: usize = 500;

/// A reason: one line that a terminal only shows, with numbers masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// A reason that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reason has {0} characters: write {most} or less", most = LONGEST)]
pub struct TooLong(usize);

impl Reason {
    /// Reads what somebody wrote; `None`: nothing.
    pub fn read(text: &str) -> Result<Option<Self>, TooLong> {
        let words = storable(text);
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut line = words.join(" ");
        line.retain(|c| !acts(c));
        match line.chars().count() {
            0 => Ok(None),
            1..=LONGEST => Ok(Some(Self(mask_typed(&line)))),
            long => Err(TooLong(long)),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        Reason::read(text).unwrap().map(|reason| reason.0)
    }

    #[test]
    fn a_reason_is_one_line_that_every_database_stores_and_a_terminal_only_shows() {
        for (text, line) in [
            ("", None),
            (" \n", None),
            (" wrong\n  list\t", Some("wrong list")),
            ("the\0night", Some("the\u{fffd}night")),
            ("\u{1b}[31mred\u{202e}", Some("[31mred")),
            ("13012121211 asked", Some("130***1211 asked")),
            (
                "ticket INC0012345, until 2026-11-28 09:00",
                Some("ticket INC0012345, until 2026-11-28 09:00"),
            ),
        ] {
            assert_eq!(read(text).as_deref(), line, "{text:?}");
        }
    }

    #[test]
    fn a_long_reason_is_refused_with_its_length() {
        let longest = "号".repeat(LONGEST);
        assert_eq!(read(&longest), Some(longest.clone()));
        let said = Reason::read(&format!("{longest}号")).unwrap_err();
        assert_eq!(
            said.to_string(),
            "the reason has 501 characters: write 500 or less"
        );
    }
}
