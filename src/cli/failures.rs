//! `failures`: what failed, and why.

use std::io::Write;

use clap::Args;

use super::UsageError;
use super::operator::{self, FilterArgs};
use super::settings_args::SettingsArgs;
use super::span::span;
use super::table::{lines, numbers, short, table};
use crate::outbox::{FailedContact, FailureCursor, Operations};
use crate::settings::Settings;

/// Lists the contacts that failed, the last first, with phone numbers masked
#[derive(Args, Debug)]
pub(super) struct FailuresArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// At most so many [default: 50 in a table, else all]
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Prints JSON lines, one for each contact
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Prints CSV
    #[arg(long)]
    csv: bool,
}

/// How many a table shows unless more are asked for.
const IN_A_TABLE: u32 = 50;

/// How many are asked for at once.
const PAGE: u32 = 1_000;

/// How much of a cause a table shows.
const CAUSE: usize = 60;

pub(super) async fn run(
    args: &FailuresArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if args.limit == Some(0) {
        return Err(UsageError("--limit 0 lists nothing: write 1 or more".into()).into());
    }
    // Before the database is asked: wrong usage is told at once.
    args.filter.filter()?;
    let operations = operator::connect(settings).await?;
    list(args, &*operations, out).await
}

async fn list(
    args: &FailuresArgs,
    operations: &dyn Operations,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut format = Format::begin(args, out)?;
    let mut left = args.limit.unwrap_or(match format {
        Format::Table(_) => IN_A_TABLE,
        Format::Json | Format::Csv => u32::MAX,
    });
    let filter = args.filter.filter()?;
    let mut after: Option<FailureCursor> = None;
    let more = loop {
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
        writeln!(out, "\nthere may be more: --limit N shows so many")?;
    }
    Ok(())
}

/// How they are written down.
enum Format {
    Table(Vec<FailedContact>),
    Json,
    Csv,
}

impl Format {
    fn begin(args: &FailuresArgs, out: &mut dyn Write) -> anyhow::Result<Self> {
        if args.json {
            return Ok(Self::Json);
        }
        if args.csv {
            csv_line(
                out,
                &[
                    "id",
                    "user_id",
                    "task_id",
                    "phone",
                    "fail_kind",
                    "fail_cause",
                    "attempts",
                    "batch_id",
                    "finished_at",
                ],
            )?;
            return Ok(Self::Csv);
        }
        Ok(Self::Table(Vec::new()))
    }

    fn write(&mut self, failed: &FailedContact, out: &mut dyn Write) -> anyhow::Result<()> {
        match self {
            Self::Table(rows) => rows.push(failed.clone()),
            Self::Json => writeln!(out, "{}", serde_json::to_string(failed)?)?,
            Self::Csv => csv_line(
                out,
                &[
                    &failed.id.to_string(),
                    &failed.user_id,
                    &failed.task_id,
                    &failed.phone.to_string(),
                    &failed.kind,
                    &failed.cause,
                    &failed.attempts.to_string(),
                    failed.batch_id.as_deref().unwrap_or_default(),
                    &failed.finished_at,
                ],
            )?,
        }
        Ok(())
    }

    fn end(self, out: &mut dyn Write) -> anyhow::Result<()> {
        match self {
            Self::Table(rows) if rows.is_empty() => writeln!(out, "nothing failed")?,
            Self::Table(rows) => write!(out, "{}", shown(&rows))?,
            Self::Json | Self::Csv => {}
        }
        Ok(())
    }
}

fn csv_line(out: &mut dyn Write, cells: &[&str]) -> anyhow::Result<()> {
    let mut line = csv::Writer::from_writer(Vec::new());
    line.write_record(cells)?;
    Ok(out.write_all(&line.into_inner()?)?)
}

fn shown(rows: &[FailedContact]) -> String {
    let mut table = table(&[
        "id",
        "lane",
        "phone",
        "failed",
        "fail_kind",
        "attempts",
        "fail_cause",
    ]);
    for failed in rows {
        table.add_row([
            failed.id.to_string(),
            format!("{}/{}", failed.user_id, failed.task_id),
            failed.phone.to_string(),
            format!("{} ago", span(failed.finished_ago)),
            failed.kind.clone(),
            failed.attempts.to_string(),
            short(&failed.cause, CAUSE),
        ]);
    }
    numbers(&mut table, &[0, 5]);
    lines(&table)
}
