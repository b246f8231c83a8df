//! `completions` and `man`: the files that a package installs beside the program, made out of the
//! command line itself.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

/// Prints completions for a shell
///
/// For bash: `contact-courier completions bash >
/// /usr/share/bash-completion/completions/contact-courier`.
#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the manual page
///
/// `contact-courier man | man -l -` reads it; `--dir` writes one page for each command as well.
#[derive(Args, Debug)]
pub(super) struct ManArgs {
    /// Writes all pages into this folder instead, which must be there
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

const NAME: &str = "contact-courier";

pub(super) fn completions(
    args: &CompletionsArgs,
    command: &mut Command,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, NAME, &mut script);
    Ok(out.write_all(&script)?)
}

pub(super) fn man(args: &ManArgs, command: Command, out: &mut dyn Write) -> anyhow::Result<()> {
    let command = command.name(NAME);
    if let Some(folder) = &args.dir {
        return clap_mangen::generate_to(command, folder)
            .with_context(|| format!("cannot write manual pages into {}", folder.display()));
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(out.write_all(&page)?)
}
