//! The question before a command changes something.
//!
//! This guarantees that a question is seen wherever the answers of the command go: it stands on standard
//! error, with the counts that it is about.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use super::UsageError;
use super::visible::Visible;

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
        if self.yes || self.dry_run || self.may_ask() {
            return Ok(());
        }
        Err(UsageError(
            "nobody can be asked here: give --yes, or --dry-run".into(),
        ))
    }

    /// Whether a person sees a question and can answer it.
    pub(super) fn may_ask(&self) -> bool {
        !self.json && stdin().is_terminal() && stderr().is_terminal()
    }

    /// Shows what the command would do, asks, and returns whether it does it. `None` for the question:
    /// there is nothing to do.
    pub(super) fn goes_on(
        &self,
        shown: &str,
        question: Option<&str>,
        out: &mut dyn Write,
    ) -> anyhow::Result<bool> {
        let acts = question.is_some() && !self.dry_run;
        if let Some(question) = question.filter(|_| acts && !self.yes) {
            return confirmed(&format!("{shown}{question}"));
        }
        if !self.json {
            write!(out, "{shown}")?;
            out.flush()?;
        }
        Ok(acts)
    }
}

/// Asks, and returns whether the answer is yes.
pub(super) fn confirmed(question: &str) -> anyhow::Result<bool> {
    let mut asked = Visible::new(stderr());
    write!(asked, "{question} [y/N] ")?;
    asked.flush()?;
    let mut answer = String::new();
    if stdin().lock().read_line(&mut answer)? == 0 {
        // The input has ended, by Ctrl-D, so no Enter has ended the line.
        writeln!(asked)?;
    }
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}
