//! The arguments of the command line, read. Wrong usage is one line, as every other error.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use super::command::Cli;
use super::exit::UsageError;
use crate::mask::mask_typed;
use crate::operators::lane_of;

/// Runs the command that these arguments ask for; the first of them is the program's name.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli.run().await,
        Err(error) if error.use_stderr() => Err(wrong(&error, &arguments)?.into()),
        // Help, or the version.
        Err(help) => Ok(help.print()?),
    }
}

/// Says what is wrong with the arguments.
fn wrong(error: &clap::Error, arguments: &[OsString]) -> std::io::Result<UsageError> {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.print()?;
        return Ok(UsageError("name one of these commands".into()));
    }
    if let Some(instead) = other_command(error) {
        return Ok(UsageError(instead));
    }
    let program = Cli::command();
    let command = command_in(&program, arguments);
    let instead = instead_of(error, command.as_deref());
    let command = command.map_or_else(String::new, |name| name + " ");
    Ok(UsageError(format!(
        "{}{instead}; see `{} {command}--help`",
        masked(error, &in_one_line(&error.to_string())),
        program.get_name(),
    )))
}

/// Arguments that other commands have, and what to write instead: command, argument, words.
const INSTEAD: [(&str, &str, &str); 1] = [(
    "cancel",
    "--all",
    "; write whose contacts: --lane, --user or --created-since (`pause --all` stops everything at once)",
)];

/// The arguments in whose place somebody may have written a phone number.
const MAY_BE_A_NUMBER: [&str; 4] = ["[ID]", "[ID]...", "--phone <NUMBER>", "--key <KEY>"];

/// Returns the message without the phone number that somebody wrote where it does not belong.
fn masked(error: &clap::Error, message: &str) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let given = match error.kind() {
        ErrorKind::UnknownArgument if !argument.starts_with('-') => Some(argument),
        _ if MAY_BE_A_NUMBER.contains(&argument) => text(ContextKind::InvalidValue),
        _ => None,
    };
    match given.filter(|given| !given.is_empty() && lane_of(given).is_none()) {
        Some(given) => message.replace(given, &mask_typed(given)),
        None => message.to_owned(),
    }
}

/// Says what to write instead of an argument that the command does not have.
fn instead_of(error: &clap::Error, command: Option<&str>) -> &'static str {
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else {
        return "";
    };
    if is_unknown && command == Some("failures") && lane_of(given).is_some() {
        return "; a lane is given as --lane USER/TASK";
    }
    let mut known = INSTEAD.iter();
    let known = known.find(|(of, argument, _)| Some(*of) == command && argument == given);
    known
        .filter(|_| is_unknown)
        .map_or("", |(_, _, words)| words)
}

/// Words that are no command, and the command that is meant. The library would suggest `pause` for the
/// first, which is the contrary.
const MEANT: [(&str, &str); 3] = [
    ("unpause", "resume"),
    ("continue", "resume"),
    ("retry", "requeue"),
];

/// Names the command that is meant by another word.
fn other_command(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let (_, command) = MEANT.iter().find(|(word, _)| word == given)?;
    Some(format!(
        "unrecognized subcommand '{given}'; `contact-courier {command}` does this; see \
         `contact-courier {command} --help`"
    ))
}

/// Finds the command among the arguments: the first word that is one, and no option's value.
fn command_in(program: &clap::Command, arguments: &[OsString]) -> Option<String> {
    let takes_value = |word: &OsString| word == "--set" || word == "--config";
    let words = arguments.iter().zip(arguments.iter().skip(1));
    let mut words = words.filter(|(before, _)| !takes_value(before));
    words.find_map(|(_, word)| Some(program.find_subcommand(word)?.get_name().to_owned()))
}

/// The library's words about what is no number, and ours.
const NUMBERS: [(&str, &str); 3] = [
    ("invalid digit found in string", WHOLE),
    ("cannot parse integer from empty string", WHOLE),
    (
        "number too large to fit in target type",
        "write a smaller number",
    ),
];

const WHOLE: &str = "write a whole number";

/// Puts a message of several paragraphs into one line, with its tips and without the usage, which
/// `--help` tells.
fn in_one_line(message: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for paragraph in message.split("\n\n").map(str::trim) {
        if paragraph.starts_with("Usage: ") || paragraph.starts_with("For more information") {
            continue;
        }
        for (nth, line) in paragraph.lines().map(str::trim).enumerate() {
            let tip = line.strip_prefix("tip: ");
            // No value of ours begins with a hyphen, so what does is a slip of another kind.
            if tip.is_some_and(|tip| tip.starts_with("to pass ")) {
                continue;
            }
            match parts.last_mut() {
                Some(last) if nth > 0 && tip.is_none() => {
                    last.push(' ');
                    last.push_str(line);
                }
                _ => parts.push(tip.unwrap_or(line).to_owned()),
            }
        }
    }
    let line = parts.join("; ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    // These end the line: a value that somebody wrote comes before them.
    for (of_a_number, said) in NUMBERS {
        if let Some(before) = line.strip_suffix(of_a_number) {
            return before.to_owned() + said;
        }
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error about these arguments.
    fn said(arguments: &str) -> String {
        let words = format!("contact-courier {arguments}");
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let error = Cli::try_parse_from(&words).unwrap_err();
        wrong(&error, &words).unwrap().to_string()
    }

    #[test]
    fn wrong_usage_is_one_line_that_says_where_the_help_is() {
        for (arguments, told) in [
            (
                "frobnicate",
                "unrecognized subcommand 'frobnicate'; see `contact-courier --help`",
            ),
            (
                "--set a.b=c history --frobnicate",
                "unexpected argument '--frobnicate' found; see `contact-courier history --help`",
            ),
            (
                "status --wach",
                "unexpected argument '--wach' found; a similar argument exists: '--watch'; see \
                 `contact-courier status --help`",
            ),
            (
                "--config run enqueue",
                "the following required arguments were not provided: <FILE>; see \
                 `contact-courier enqueue --help`",
            ),
            (
                "pause --all --for 500ms",
                "invalid value '500ms' for '--for <TIME>': write 1s or more; see `contact-courier \
                 pause --help`",
            ),
            (
                "pause --all --for -1h",
                "invalid value '-1h' for '--for <TIME>': write a time such as 30s, 10m or 2h; see \
                 `contact-courier pause --help`",
            ),
            (
                "cancel --all",
                "unexpected argument '--all' found; write whose contacts: --lane, --user or \
                 --created-since (`pause --all` stops everything at once); see `contact-courier \
                 cancel --help`",
            ),
            (
                "history --limit x",
                "invalid value 'x' for '--limit <N>': write a whole number; see `contact-courier \
                 history --help`",
            ),
            (
                "pause --all --user u",
                "the argument '--all' cannot be used with '--user <USER_ID>'; see `contact-courier \
                 pause --help`",
            ),
            (
                "failures --kind expird",
                "invalid value 'expird' for '--kind <KIND>' [possible values: invalid, rejected, \
                 duplicate, unconfirmed, expired, cancelled]; a similar value exists: 'expired'; \
                 see `contact-courier failures --help`",
            ),
        ] {
            assert_eq!(said(arguments), told, "{arguments}");
        }
    }

    #[test]
    fn a_word_for_a_command_that_has_another_name_is_answered_with_that_name() {
        assert_eq!(
            said("unpause --all"),
            "unrecognized subcommand 'unpause'; `contact-courier resume` does this; see \
             `contact-courier resume --help`"
        );
    }

    #[test]
    fn what_is_written_in_a_wrong_place_is_told_how_it_is_given_and_a_number_is_masked() {
        for (arguments, told) in [
            (
                "failures u-2/20251127",
                "unexpected argument 'u-2/20251127' found; a lane is given as --lane USER/TASK; see \
                 `contact-courier failures --help`",
            ),
            (
                "failures 13012121211",
                "unexpected argument '130***1211' found; see `contact-courier failures --help`",
            ),
            (
                "explain 130-1212-1211",
                "invalid value '130***1211' for '[ID]': an id of a contact is a whole number above \
                 0; a number is given as --phone; see `contact-courier explain --help`",
            ),
            (
                "cancel order-1",
                "invalid value 'order-1' for '[ID]...': an id of a contact is a whole number above \
                 0; a key is given as --key KEY; see `contact-courier cancel --help`",
            ),
        ] {
            assert_eq!(said(arguments), told, "{arguments}");
        }
    }
}
