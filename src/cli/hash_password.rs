//! `hash-password`: makes a line of `admin.users_file`.

use std::io::{IsTerminal, Read, Write, stdin};

use anyhow::Context;
use clap::Args;
use console::Term;

use super::UsageError;
use crate::admin::hash_line;

/// The most bytes that are read: more than a password may have.
const MOST: u64 = 1024;

/// Prints a line for `admin.users_file`, with a password's hash
///
/// Asks for the password without showing it. Without a terminal it is the one line on standard
/// input. `htpasswd -nBC 12 NAME` of Apache's tools prints the same kind of line.
#[derive(Args, Debug)]
pub(super) struct HashPasswordArgs {
    /// Who logs in with it
    name: String,
}

pub(super) fn run(args: &HashPasswordArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let password = if stdin().is_terminal() {
        asked()?
    } else {
        given(stdin())?
    };
    let line = hash_line(&args.name, &password).map_err(|error| UsageError(error.to_string()))?;
    writeln!(out, "{line}")?;
    Ok(())
}

fn asked() -> anyhow::Result<String> {
    let terminal = Term::stderr();
    let ask = |what: &str| -> anyhow::Result<String> {
        terminal.write_str(what)?;
        Ok(terminal.read_secure_line()?)
    };
    let password = ask("Password: ")?;
    if ask("Once more: ")? != password {
        return Err(UsageError("the two passwords differ".into()).into());
    }
    Ok(password)
}

fn given(input: impl Read) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = input.take(MOST).read_to_string(&mut text);
    read.context("cannot read the password on standard input")?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains(['\n', '\r']) {
        let said = "there is more than one line on standard input: write the password alone";
        return Err(UsageError(said.into()).into());
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_line_of_standard_input_is_the_password() {
        for text in ["ge heim", "ge heim\n", "ge heim\r\n"] {
            assert_eq!(given(text.as_bytes()).unwrap(), "ge heim");
        }
        let said = given(&b"geheim\ngeheim\n"[..]).unwrap_err().to_string();
        assert!(
            said.contains("one line") && !said.contains("geheim"),
            "{said}"
        );
    }
}
