//! Questions: whether a command is to change something, and what is not to stand in its arguments.
//!
//! This guarantees that a question is seen wherever the answers of the command go: it stands on standard
//! error, with the counts that it is about.

use std::io::{BufRead, IsTerminal, Read, Write, stderr, stdin};

use anyhow::Context;

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

    /// Whether a person would have to be asked who does not see the question.
    pub(super) fn hides_the_question(&self) -> bool {
        !self.yes && !self.dry_run && !self.json && stdin().is_terminal() && !stderr().is_terminal()
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

/// Returns the number that is asked for on a terminal, or else the one line on standard input.
pub(super) fn number() -> anyhow::Result<String> {
    if !stdin().is_terminal() {
        return only_line(stdin(), "number");
    }
    let mut asked = stderr();
    write!(asked, "Number: ")?;
    asked.flush()?;
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Returns the one line of an input; more than one is refused. `what`: what the line is.
pub(super) fn only_line(input: impl Read, what: &str) -> anyhow::Result<String> {
    /// The most bytes that are read: more than a password, a number or a ciphertext has.
    const MOST: u64 = 1024;
    let mut text = String::new();
    let read = input.take(MOST).read_to_string(&mut text);
    read.with_context(|| format!("cannot read the {what} on standard input"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains(['\n', '\r']) {
        return Err(UsageError(format!(
            "there is more than one line on standard input: write the {what} alone"
        ))
        .into());
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_one_line_and_is_not_shown() {
        for text in ["ge heim", "ge heim\n", "ge heim\r\n"] {
            assert_eq!(only_line(text.as_bytes(), "password").unwrap(), "ge heim");
        }
        let refused = only_line(&b"geheim\ngeheim\n"[..], "password");
        let said = refused.unwrap_err().to_string();
        assert!(
            said.contains("one line") && !said.contains("geheim"),
            "{said}"
        );
    }
}
