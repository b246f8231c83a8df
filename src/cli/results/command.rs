//! The command `results`: its arguments and its run.

use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use clap::Args;

use super::following::{Following, passes};
use super::since::{Since, since};
use crate::cli::operator;
use crate::cli::settings_args::SettingsArgs;
use crate::cli::visible::Visible;
use crate::outbox::{Operations, ResultsIndex};
use crate::settings::Settings;

/// Prints what became of contacts as JSON lines, in the order in which they ended
///
/// Needs the index of `migrate --results-index`. Each result comes at least once; a row comes again
/// only if it was requeued, or after the command was started anew.
#[derive(Args, Debug)]
pub(in crate::cli) struct ResultsArgs {
    #[command(flatten)]
    pub(in crate::cli) settings: SettingsArgs,
    /// Those that ended at most so long ago, such as 2h, or since an instant: the `finished_at` of
    /// the last line that was handled
    #[arg(long, value_name = "AGE|INSTANT", value_parser = since)]
    since: Since,
    /// Goes on with those that end from now on
    #[arg(long)]
    follow: bool,
    /// How much later than others a row may be seen
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = crate::cli::span::time)]
    overlap: Duration,
    /// How often to look for new ones
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    every: Duration,
    /// Prints JSON lines, as it does anyway
    #[arg(long)]
    json: bool,
}

/// Reads an interval. A database that is asked without pause has no time for anything else.
fn interval(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(every) if every >= Duration::from_millis(10) => Ok(every),
        Ok(_) => Err("must be at least 10ms".into()),
        Err(error) => Err(error.to_string()),
    }
}

pub(in crate::cli) async fn run(
    args: &ResultsArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let operations = operator::connect(settings).await?;
    demand_index(&*operations).await?;
    let mut following = Following::new(args.since.from(args.overlap), args.overlap);
    if !args.follow {
        return round(&mut following, &*operations, out).await;
    }
    let mut troubled = false;
    loop {
        match round(&mut following, &*operations, out).await {
            Ok(()) => troubled = false,
            Err(error) if passes(&error) => {
                if !troubled {
                    let line = error.to_string().replace('\n', " ");
                    writeln!(Visible::new(std::io::stderr()), "{line}; trying again")?;
                }
                troubled = true;
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(args.every).await;
    }
}

async fn demand_index(operations: &dyn Operations) -> anyhow::Result<()> {
    match operations.results_index().await? {
        ResultsIndex::There => Ok(()),
        ResultsIndex::Missing => bail!(
            "there is no index of results, and the whole table would be read again and again: let \
             the owner of the tables run `contact-courier migrate --results-index`"
        ),
        ResultsIndex::Unfinished => bail!(
            "the index of results is not finished: wait, or let the owner of the tables run \
             `contact-courier migrate --results-index` again"
        ),
    }
}

async fn round(
    following: &mut Following,
    operations: &dyn Operations,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let went = following
        .round(operations, |result| {
            Ok(writeln!(out, "{}", serde_json::to_string(result)?)?)
        })
        .await;
    out.flush()?;
    went
}
