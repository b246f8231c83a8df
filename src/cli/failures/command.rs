//! The command `failures`: its arguments and its run.

use std::io::{IsTerminal, Write, stderr, stdout};

use clap::Args;
use tokio::time::Instant;

use super::counted;
use super::listed::Format;
use crate::cli::UsageError;
use crate::cli::operator::{self, FilterArgs};
use crate::cli::settings_args::SettingsArgs;
use crate::cli::span::{contacts, count};
use crate::outbox::{FailureCursor, FailureGroups, FailuresBy, Operations};
use crate::settings::Settings;

/// Lists the contacts that failed, the last first, with phone numbers masked
#[derive(Args, Debug)]
pub(in crate::cli) struct FailuresArgs {
    #[command(flatten)]
    pub(in crate::cli) settings: SettingsArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Counts them by what they have in common, the most first
    #[arg(long, value_name = "WHAT", value_enum)]
    by: Option<By>,
    /// At most so many [default: 50 in a table, else all; of counts 1000]
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Prints JSON lines, one for each contact or count
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Prints CSV
    #[arg(long)]
    csv: bool,
}

/// What they are counted by.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum By {
    /// The words of `fail_cause`
    Cause,
    /// The lane
    Lane,
    /// The `fail_kind`
    Kind,
}

impl From<By> for FailuresBy {
    fn from(by: By) -> Self {
        match by {
            By::Cause => Self::Cause,
            By::Lane => Self::Lane,
            By::Kind => Self::Kind,
        }
    }
}

/// How many contacts a table shows by default.
const IN_A_TABLE: u32 = 50;

/// How many groups a program gets by default.
const GROUPS: u32 = 1_000;

/// How many contacts are read at once.
const PAGE: u32 = 1_000;

pub(in crate::cli) async fn run(
    args: &FailuresArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if args.limit == Some(0) {
        return Err(UsageError("--limit 0 lists nothing: write 1 or more".into()).into());
    }
    // Before the database is asked, so that wrong usage is reported at once.
    args.filter.filter()?;
    let operations = operator::connect(settings).await?;
    let mut format = Format::new(args.json, args.csv, stdout().is_terminal());
    match args.by {
        Some(by) => count_by(args, by.into(), &format, &*operations, out).await,
        None => list(args, &mut format, &*operations, out).await,
    }
}

/// Returns how many contacts are listed.
fn limit(args: &FailuresArgs, format: &Format) -> u32 {
    args.limit.unwrap_or(match format {
        Format::Table { .. } => IN_A_TABLE,
        Format::Json | Format::Csv => u32::MAX,
    })
}

fn tell_of_more(out: &mut dyn Write) -> anyhow::Result<()> {
    Ok(writeln!(
        out,
        "\nthere may be more: --limit N shows so many"
    )?)
}

async fn count_by(
    args: &FailuresArgs,
    by: FailuresBy,
    format: &Format,
    operations: &dyn Operations,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let limit = args.limit.unwrap_or(match format {
        Format::Table { .. } => IN_A_TABLE,
        Format::Json | Format::Csv => GROUPS,
    });
    let filter = args.filter.filter()?;
    let counted = operations.count_failures_by(&filter, by, limit).await?;
    counted::write(&counted.groups, by, format, out)?;
    if counted.more > 0 {
        let more = more_groups(&counted);
        match format {
            Format::Table { .. } => writeln!(out, "\n{more}")?,
            // The output is for programs.
            Format::Json | Format::Csv => writeln!(stderr(), "{more}")?,
        }
    }
    Ok(())
}

fn more_groups(counted: &FailureGroups) -> String {
    let least = if counted.all_told_apart {
        ""
    } else {
        "at least "
    };
    format!(
        "{least}{} with {}: --limit N shows so many",
        count(counted.more, "more group", "more groups"),
        contacts(counted.contacts_of_more)
    )
}

async fn list(
    args: &FailuresArgs,
    format: &mut Format,
    operations: &dyn Operations,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    format.begin(out)?;
    let mut left = limit(args, format);
    let (filter, began) = (args.filter.filter()?, Instant::now());
    let mut after: Option<FailureCursor> = None;
    let more = loop {
        let filter = filter.after(began.elapsed());
        let page = operations
            .failures(&filter, after.as_ref(), left.min(PAGE))
            .await?;
        left = left.saturating_sub(u32::try_from(page.failures.len())?);
        for failed in &page.failures {
            format.write(failed, out)?;
        }
        after = page.next;
        if after.is_none() || left == 0 {
            break after.is_some();
        }
    };
    format.end(out)?;
    if more && args.limit.is_none() {
        tell_of_more(out)?;
    }
    Ok(())
}
