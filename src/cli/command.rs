//! The command line: its commands, and the step from each to the file that does it.

use std::io::stdout;

use clap::{CommandFactory, Parser, Subcommand};

use super::settings_args::SettingsArgs;
use super::visible::Visible;
use super::{
    cancel, config, demo, doctor, enqueue, erase, explain, failures, generate, hash_password,
    history, migrate, pause, prune, requeue, results, run, simulate, status,
};

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
    HashPassword(hash_password::HashPasswordArgs),
    Completions(generate::CompletionsArgs),
    Man(generate::ManArgs),
}

/// The commands for the people who run it.
#[derive(Debug, Subcommand)]
enum OperatorCommand {
    Status(status::StatusArgs),
    Failures(failures::FailuresArgs),
    Explain(explain::ExplainArgs),
    Results(results::ResultsArgs),
    Requeue(requeue::RequeueArgs),
    Cancel(cancel::CancelArgs),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    Prune(prune::PruneArgs),
    Erase(erase::EraseArgs),
    History(history::HistoryArgs),
    Doctor(doctor::DoctorArgs),
}

impl Cli {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let before = self.settings;
        match self.command {
            Command::Run(args) => run::run(&args, before.followed_by(&args.settings)).await,
            Command::Demo(args) => demo::run(&args, &mut Visible::new(stdout())).await,
            Command::Simulate(args) => simulate::run(*args).await,
            Command::Config(args) => {
                let settings = before.load(&args.settings)?;
                config::run(&args, &settings, &mut Visible::new(stdout()))
            }
            Command::Migrate(args) => {
                let settings = before.load(&args.settings)?;
                migrate::run(&args, &settings, &mut Visible::new(stdout())).await
            }
            Command::Enqueue(args) => {
                let settings = before.load(&args.settings)?;
                enqueue::run(&args, &settings, &mut Visible::new(stdout())).await
            }
            Command::HashPassword(args) => hash_password::run(&args, &mut Visible::new(stdout())),
            Command::Completions(args) => {
                generate::completions(&args, &mut Cli::command(), &mut Visible::new(stdout()))
            }
            Command::Man(args) => generate::man(&args, Cli::command(), &mut Visible::new(stdout())),
            Command::Operate(command) => operate(command, &before).await,
        }
    }
}

async fn operate(command: OperatorCommand, before: &SettingsArgs) -> anyhow::Result<()> {
    let out = &mut Visible::new(stdout());
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
        OperatorCommand::Results(args) => {
            let settings = before.load(&args.settings)?;
            results::run(&args, &settings, out).await
        }
        OperatorCommand::Requeue(args) => {
            let settings = before.load(&args.settings)?;
            requeue::run(&args, &settings, out).await
        }
        OperatorCommand::Cancel(args) => {
            let settings = before.load(&args.settings)?;
            cancel::run(&args, &settings, out).await
        }
        OperatorCommand::Pause(args) => {
            let settings = before.load(&args.settings)?;
            pause::pause(&args, &settings, out).await
        }
        OperatorCommand::Resume(args) => {
            let settings = before.load(&args.settings)?;
            pause::resume(&args, &settings, out).await
        }
        OperatorCommand::History(args) => {
            let settings = before.load(&args.settings)?;
            history::run(&args, &settings, out).await
        }
        OperatorCommand::Prune(args) => {
            let settings = before.load(&args.settings)?;
            prune::run(&args, &settings, out).await
        }
        OperatorCommand::Erase(args) => {
            let settings = before.load(&args.settings)?;
            erase::run(&args, &settings, out).await
        }
        OperatorCommand::Doctor(args) => {
            let settings = before.load(&args.settings)?;
            doctor::run(&args, &settings, out).await
        }
    }
}
