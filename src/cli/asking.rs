//! The question before a command changes something.

use std::io::{BufRead, IsTerminal, Write, stdin};

use super::UsageError;

/// Refuses a run that would have to ask where nobody can answer. `speaks`: the output is for
/// programs.
pub(super) fn check(yes: bool, dry_run: bool, speaks: bool) -> Result<(), UsageError> {
    if !dry_run && !yes && (speaks || !stdin().is_terminal()) {
        return Err(UsageError(
            "nobody can be asked here: give --yes, or --dry-run".into(),
        ));
    }
    Ok(())
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
