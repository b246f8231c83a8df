//! The command `status`: its arguments and its run.

use std::cmp::Ordering;
use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use clap::Args;
use indicatif::HumanCount;
use tokio::signal::unix::{SignalKind, signal};

use super::alive;
use super::report::StatusReport;
use super::shown::show;
use crate::app::Database;
use crate::cli::operator;
use crate::cli::settings_args::SettingsArgs;
use crate::cli::table::terminal_width;
use crate::cli::visible::Visible;
use crate::settings::Settings;

/// Shows what waits, which lanes are on hold and why, and which couriers run
///
/// Asks the database alone: it works while the courier or the platform is down. With --alive it
/// asks the courier alone: it works while the database is down.
#[derive(Args, Debug)]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    pub(in crate::cli) settings: SettingsArgs,
    /// Shows it again and again, every 2s or so often, until Ctrl-C
    #[arg(
        long,
        value_name = "INTERVAL",
        num_args = 0..=1,
        default_missing_value = "2s",
        value_parser = interval
    )]
    watch: Option<Duration>,
    /// Asks the courier of this host whether it lives, as a health check does: exit code 0 if its
    /// loops turn, else 1
    #[arg(long, conflicts_with_all = ["watch", "limit"])]
    alive: bool,
    /// How many lanes of each sort to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: u32,
    /// Prints a line of JSON
    #[arg(long)]
    json: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = crate::cli::span::time(text)?;
    if interval < Duration::from_millis(100) {
        return Err("write 100ms or more".into());
    }
    Ok(interval)
}

pub(in crate::cli) async fn run(
    args: &StatusArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if args.alive {
        return alive::tell(settings, args.json, out).await;
    }
    let database = operator::open(settings).await?;
    let Some(interval) = args.watch else {
        let status = StatusReport::ask(&database, args.limit).await?;
        return print(&status, args.json, out);
    };
    // From the first look on Ctrl-C is heard, even in the middle of a look.
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        ended = watch(args, &database, interval, out) => ended,
        // Ctrl-C is the normal end; that is no failure.
        _ = interrupt.recv() => Ok(()),
    }
}

/// Shows the status again and again, until it fails for good.
async fn watch(
    args: &StatusArgs,
    database: &Database,
    interval: Duration,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let clears = !args.json && stdout().is_terminal();
    let mut before = None;
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let asked = StatusReport::ask(database, args.limit).await;
        if clears {
            // Written straight to the terminal, because `out` would spell the escape characters
            // out.
            write!(stdout(), "\x1b[H\x1b[2J")?;
        }
        match asked {
            Ok(status) => {
                if !args.json {
                    writeln!(out, "{}", changed(&status, before.as_ref()))?;
                }
                print(&status, args.json, out)?;
                before = Some(status);
            }
            // People watch because something is going on: the database may well come back.
            Err(error) if error.is_transient() => {
                writeln!(Visible::new(std::io::stderr()), "{error}")?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Says the time, and what has changed since the last look.
fn changed(now: &StatusReport, before: Option<&StatusReport>) -> String {
    let at = &now.overview.at;
    let Some(before) = before else {
        return at.clone();
    };
    let [was, is] = [before, now].map(|status| status.overview.pending.total());
    let change = match is.cmp(&was) {
        Ordering::Less => format!("{} fewer pending than", HumanCount(was - is)),
        Ordering::Equal => "as many pending as".to_owned(),
        Ordering::Greater => format!("{} more pending than", HumanCount(is - was)),
    };
    format!("{at}  {change} at the last look")
}

fn print(status: &StatusReport, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        writeln!(out, "{}", serde_json::to_string(status)?)?;
    } else {
        write!(out, "{}", show(status, terminal_width()))?;
    }
    Ok(out.flush()?)
}
