//! The question before a command changes something.

use std::io::{BufRead, IsTerminal, Write, stdin};

use super::UsageError;

/// The flags of a command that asks before it changes something.
pub(super) struct Told {
    pub(super) yes: bool,
    pub(super) dry_run: bool,
    /// The output is for programs.
    pub(super) json: bool,
}

impl Told {
    /// Refuses a run that would have to ask where nobody can answer.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        let may_ask = !self.json && stdin().is_terminal();
        if self.yes || self.dry_run || may_ask {
            return Ok(());
        }
        Err(UsageError(
            "nobody can be asked here: give --yes, or --dry-run".into(),
        ))
    }
}

/// Asks, and returns whether the answer is yes.
pub(super) fn confirmed(question: &str, out: &mut dyn Write) -> anyhow::Result<bool> {
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    if stdin().lock().read_line(&mut answer)? == 0 {
        // The input has ended, by Ctrl-D, so no Enter has ended the line.
        writeln!(out)?;
    }
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}
