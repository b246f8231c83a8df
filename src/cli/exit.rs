//! How a command ends: its error in one line, and the exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use super::visible::Visible;
use crate::settings::SettingsError;

/// The command cannot be run with these arguments: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Writes the error, if there is one, and chooses the exit code.
pub fn report(outcome: anyhow::Result<()>, stderr: &mut dyn Write) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    // The reader of our output (`| head`) has enough of it: that is no failure.
    if error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    {
        return ExitCode::SUCCESS;
    }
    let settings = error.downcast_ref::<SettingsError>();
    let lines: Vec<String> = match settings {
        Some(wrong) => wrong.faults.iter().map(ToString::to_string).collect(),
        None => vec![format!("{error:#}")],
    };
    let mut stderr = Visible::new(stderr);
    for line in lines {
        // If standard error is closed, nobody is left to tell; the exit code still says it.
        if writeln!(stderr, "error: {}", line.replace('\n', " ")).is_err() {
            break;
        }
    }
    if settings.is_some() || error.is::<UsageError>() {
        return ExitCode::from(2);
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    fn reported(error: anyhow::Error) -> (String, ExitCode) {
        let mut text = Vec::new();
        let code = report(Err(error), &mut text);
        (String::from_utf8(text).unwrap(), code)
    }

    #[test]
    fn an_error_is_one_line_with_its_causes() {
        let error = Err::<(), _>(anyhow!("no such\nfile")).context("cannot read x");
        let (text, code) = reported(error.unwrap_err());
        assert_eq!(text, "error: cannot read x: no such file\n");
        assert_eq!(code, ExitCode::FAILURE);
    }

    #[test]
    fn wrong_usage_has_its_own_exit_code() {
        let (text, code) = reported(UsageError("give --format".into()).into());
        assert_eq!(text, "error: give --format\n");
        assert_eq!(code, ExitCode::from(2));
    }

    #[test]
    fn a_reader_that_has_enough_is_no_failure() {
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(reported(broken.into()), (String::new(), ExitCode::SUCCESS));
    }
}
