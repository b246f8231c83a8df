//! A problem of the file, and its place.

use std::fmt;

use crate::mask::mask;

/// Prints itself as `line 37, column sex: "x" is not 0, 1 or 2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The line, as an editor counts.
    pub(super) line: u64,
    /// `None`: the whole line.
    pub(super) column: Option<&'static str>,
    /// The fault, without a whole phone number.
    pub(super) message: String,
}

impl Problem {
    pub(super) fn of_line(line: u64, message: impl Into<String>) -> Self {
        Self {
            line,
            column: None,
            message: message.into(),
        }
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({"line": self.line, "column": self.column, "message": self.message})
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// A value of the file for an error: short, in one line, and masked if it may be a phone number (if
/// the columns of a file have slipped, numbers turn up anywhere).
pub(super) fn shown(value: &str) -> String {
    const MOST: usize = 40;
    if value.chars().filter(|c| c.is_numeric()).count() >= 7 {
        return format!("{:?}", mask(value));
    }
    if value.chars().count() <= MOST {
        return format!("{value:?}");
    }
    let short: String = value.chars().take(MOST).chain(['…']).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_may_be_a_number_is_masked_wherever_it_turns_up() {
        assert_eq!(shown("13012121211"), "\"130***1211\"");
        assert!(!shown("１３０１２１２１２１１").contains("１２１２"));
        assert_eq!(shown("x"), "\"x\"");
        assert_eq!(shown("a\nb"), "\"a\\nb\"");
    }
}
