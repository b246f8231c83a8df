//! `config`: the settings in force.

use std::io::Write;

use clap::Args;

use crate::cli::settings_args::SettingsArgs;
use crate::settings::Settings;

/// Prints the settings in force, secrets hidden
///
/// Built-in defaults < settings file < environment (`COURIER__SECTION__KEY`) < `--set`. The output
/// is a settings file by itself, but for the secrets.
#[derive(Args, Debug)]
pub(super) struct ConfigArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    /// Prints JSON instead of TOML
    #[arg(long)]
    json: bool,
}

pub(super) fn run(
    args: &ConfigArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(settings)?)?;
    } else {
        write!(out, "{}", toml::to_string(settings)?)?;
    }
    Ok(())
}
