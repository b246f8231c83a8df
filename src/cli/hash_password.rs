//! `hash-password`: makes a line of `admin.users_file`.

use std::io::{IsTerminal, Write, stdin};

use clap::Args;
use console::Term;

use super::UsageError;
use super::asking::only_line;
use crate::admin::hash_line;

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
        only_line(stdin(), "password")?
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
