//! The command `enqueue`: its arguments and its run.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use indicatif::HumanCount;

use super::contact::Rules;
use super::pass::{Checked, check, insert};
use super::problem::Problem;
use super::source::{Format, Source};
use crate::app;
use crate::cli::settings_args::SettingsArgs;
use crate::cli::visible::Visible;
use crate::outbox::Inserted;
use crate::settings::Settings;
use crate::telemetry::logging;

/// Inserts contacts from a CSV or JSON lines file: all or none
///
/// CSV needs a header with the column names of the table `contact_outbox`; JSON lines are objects
/// with these names. Only `phone` is needed, and `user_id` and `task_id` unless the flags give
/// them. An empty field counts as not given. Every row is checked before the first is inserted.
#[derive(Args, Debug)]
pub(in crate::cli) struct EnqueueArgs {
    #[command(flatten)]
    pub(in crate::cli) settings: SettingsArgs,
    /// The file, or `-` for standard input
    file: PathBuf,
    /// Format of the file [default: by its extension .csv, .jsonl or .ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The `user_id` of the rows that name none
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// The `task_id` of the rows that name none
    #[arg(long, value_name = "ID")]
    task_id: Option<String>,
    /// Checks the file and inserts nothing; needs no database
    #[arg(long)]
    dry_run: bool,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(
    args: &EnqueueArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let _log = logging::init(&settings.log)?;
    let mut source = Source::open(&args.file, args.format)?;
    let rules = Rules {
        defaults: settings.request_defaults(),
        user_id: args.user_id.clone(),
        task_id: args.task_id.clone(),
    };
    let checked = check(&mut source, &rules)?;
    if checked.problems > 0 {
        return refuse(args, &source, &checked, out);
    }
    if args.dry_run {
        return summarise(args, &checked, Inserted::default(), out);
    }
    let outbox = app::connect_outbox(settings).await?;
    app::prepare_outbox(outbox.as_ref(), &settings.database).await?;
    let inserted = insert(&mut source, &rules, &checked, outbox.as_ref()).await?;
    summarise(args, &checked, inserted, out)
}

/// Lists the problems of the file; always an error.
fn refuse(
    args: &EnqueueArgs,
    source: &Source,
    checked: &Checked,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let name = source.name();
    if args.json {
        let problems: Vec<_> = checked
            .first_problems
            .iter()
            .map(Problem::to_json)
            .collect();
        let answer = serde_json::json!({
            "enqueued": 0, "problems": problems, "problems_total": checked.problems,
        });
        writeln!(out, "{answer}")?;
    } else {
        let mut stderr = Visible::new(std::io::stderr());
        for problem in &checked.first_problems {
            writeln!(stderr, "{name} {problem}")?;
        }
    }
    let total = checked.problems;
    let shown = u64::try_from(checked.first_problems.len())?;
    let more = if shown < total && !args.json {
        format!(" (the first {shown} are listed)")
    } else {
        String::new()
    };
    let problems = if total == 1 { "problem" } else { "problems" };
    bail!(
        "{name} has {} {problems}{more}; nothing was enqueued",
        HumanCount(total)
    )
}

fn summarise(
    args: &EnqueueArgs,
    checked: &Checked,
    inserted: Inserted,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let lanes = checked.lanes.len();
    if args.json {
        let answer = serde_json::json!({
            "enqueued": inserted.new, "known": inserted.known, "rows": checked.rows,
            "lanes": lanes, "dry_run": args.dry_run,
        });
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    let rows = if args.dry_run {
        checked.rows
    } else {
        inserted.new
    };
    let contacts = if rows == 1 { "contact" } else { "contacts" };
    let rows = HumanCount(rows);
    let lanes = match lanes {
        1 => "1 lane".to_owned(),
        n => format!("{} lanes", HumanCount(u64::try_from(n)?)),
    };
    if args.dry_run {
        writeln!(
            out,
            "{rows} {contacts} in {lanes} checked; nothing was enqueued (--dry-run)"
        )?;
        return Ok(());
    }
    let known = match inserted.known {
        0 => String::new(),
        1 => " (1 was already there by its idempotency_key)".into(),
        n => format!(
            " ({} were already there by their idempotency_key)",
            HumanCount(n)
        ),
    };
    writeln!(out, "{rows} {contacts} enqueued in {lanes}{known}")?;
    Ok(())
}
