//! The command line: one file per command, and what they share.
//!
//! Answers go to standard output, everything else to standard error. An error is one line that
//! begins with `error: `; the exit code is 0 for done, 1 for failed at run time, 2 for wrong usage
//! or settings.

mod config;
mod demo;
mod doctor;
mod enqueue;
mod exit;
mod explain;
mod failures;
#[cfg(test)]
mod fake;
mod generate;
mod migrate;
mod operator;
mod prune;
mod reload;
mod requeue;
mod run;
mod simulate;
mod span;
mod status;
mod table;

use std::io::stdout;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::exit::{UsageError, report};

use crate::settings::{Settings, SettingsError};

/// Delivers contacts from an outbox table of your database to an AI calling platform: each once,
/// with the truth about each written back.
///
/// Exit codes: 0 done, 1 failed at run time, 2 wrong usage or settings.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(subcommand)]
    command: Command,
}

/// Where the settings come from. Every command that needs settings takes them too, so that they
/// may stand before the command, behind it or both; a `global` flag would drop the former.
#[derive(Args, Clone, Debug)]
struct SettingsArgs {
    /// The settings file [default: /etc/contact-courier/config.toml, if it is there]
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Sets one setting, such as `--set delivery.linger=2s`; goes before file and environment
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

impl SettingsArgs {
    /// Loads the settings; what stands `behind` the command wins over what stands before it.
    fn load(&self, behind: &Self) -> Result<Settings, SettingsError> {
        self.followed_by(behind).read()
    }

    fn followed_by(&self, behind: &Self) -> Self {
        Self {
            config: behind.config.clone().or_else(|| self.config.clone()),
            set: [self.set.as_slice(), &behind.set].concat(),
        }
    }

    /// Reads the settings from these places.
    fn read(&self) -> Result<Settings, SettingsError> {
        Settings::load(self.config.as_deref(), &self.set)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Migrate(migrate::MigrateArgs),
    Demo(demo::DemoArgs),
    Simulate(Box<simulate::SimulateArgs>),
    Enqueue(enqueue::EnqueueArgs),
    #[command(flatten)]
    Operate(OperatorCommand),
    Config(config::ConfigArgs),
    Completions(generate::CompletionsArgs),
    Man(generate::ManArgs),
}

/// The commands for the people who run it.
#[derive(Debug, Subcommand)]
enum OperatorCommand {
    Status(status::StatusArgs),
    Failures(failures::FailuresArgs),
    Explain(explain::ExplainArgs),
    Requeue(requeue::RequeueArgs),
    Prune(prune::PruneArgs),
    Doctor(doctor::DoctorArgs),
}

/// Runs the command that was asked for.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let before = cli.settings;
    match cli.command {
        Command::Run(args) => run::run(&args, before.followed_by(&args.settings)).await,
        Command::Demo(args) => demo::run(&args, &mut stdout()).await,
        Command::Simulate(args) => simulate::run(*args).await,
        Command::Config(args) => {
            let settings = before.load(&args.settings)?;
            config::run(&args, &settings, &mut stdout())
        }
        Command::Migrate(args) => {
            let settings = before.load(&args.settings)?;
            migrate::run(&args, &settings, &mut stdout()).await
        }
        Command::Enqueue(args) => {
            let settings = before.load(&args.settings)?;
            enqueue::run(&args, &settings, &mut stdout()).await
        }
        Command::Completions(args) => generate::completions(&args, &mut stdout()),
        Command::Man(args) => generate::man(&args, &mut stdout()),
        Command::Operate(command) => operate(command, &before).await,
    }
}

async fn operate(command: OperatorCommand, before: &SettingsArgs) -> anyhow::Result<()> {
    let out = &mut stdout();
    match command {
        OperatorCommand::Status(args) => {
            let settings = before.load(&args.settings)?;
            status::run(&args, &settings, out).await
        }
        OperatorCommand::Failures(args) => {
            let settings = before.load(&args.settings)?;
            failures::run(&args, &settings, out).await
        }
        OperatorCommand::Explain(args) => {
            let settings = before.load(&args.settings)?;
            explain::run(&args, &settings, out).await
        }
        OperatorCommand::Requeue(args) => {
            let settings = before.load(&args.settings)?;
            requeue::run(&args, &settings, out).await
        }
        OperatorCommand::Prune(args) => {
            let settings = before.load(&args.settings)?;
            prune::run(&args, &settings, out).await
        }
        OperatorCommand::Doctor(args) => {
            let settings = before.load(&args.settings)?;
            doctor::run(&args, &settings, out).await
        }
    }
}
