//! `prune`: deletes old contacts and batches.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::operator;
use super::settings_args::SettingsArgs;
use super::span::{batches, chosen, contacts, span};
use crate::app;
use crate::outbox::{Action, Operations, Pruning};
use crate::settings::Settings;

/// Deletes contacts that ended long ago, and the batches of the journal that tell of none
///
/// Contacts that are pending are never deleted, nor batches that are open or whose contacts are
/// still there. Works in small transactions; couriers may run meanwhile. The daemon does the same
/// by itself when `retention.older_than` is set.
#[derive(Args, Debug)]
pub(super) struct PruneArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    /// What ended longer ago than this, such as 90d
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Duration,
    /// Says how much that is and deletes nothing
    #[arg(long)]
    dry_run: bool,
    /// Prints a line of JSON
    #[arg(long)]
    json: bool,
}

fn age(text: &str) -> Result<Duration, String> {
    let age = super::span::time(text)?;
    if age < Duration::from_mins(1) {
        return Err("apps need time to read how their contacts ended: write 1m or more".into());
    }
    Ok(age)
}

pub(super) async fn run(
    args: &PruneArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let operations = operator::connect(settings).await?;
    let pruning = Pruning {
        older_than: args.older_than,
        dry_run: args.dry_run,
    };
    let age = chosen(args.older_than);
    let action = app::action("prune", &format!("what ended longer ago than {age}"));
    let (gone, journal) = prune(pruning, &*operations, &action).await?;
    if !args.dry_run {
        app::note(&*operations, &action, Some(0)).await;
    }
    if args.json {
        let answer = json!({"contacts": gone, "batches": journal, "dry_run": args.dry_run});
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    let (gone, journal) = (contacts(gone), batches(journal));
    if args.dry_run {
        writeln!(out, "{gone} and {journal} would be deleted (--dry-run)")?;
    } else {
        writeln!(out, "{gone} and {journal} deleted")?;
    }
    Ok(())
}

async fn prune(
    pruning: Pruning,
    operations: &dyn Operations,
    action: &Action,
) -> anyhow::Result<(u64, u64)> {
    let action = Some(action);
    let (mut gone, mut journal) = (0, 0);
    let mut progress = Progress::new("contacts", pruning.older_than);
    let mut after = None;
    loop {
        let step = operations.prune_contacts(pruning, after, action).await?;
        gone += step.pruned;
        progress.reached(step.reached, gone);
        after = step.next;
        if after.is_none() {
            break;
        }
    }
    let mut progress = Progress::new("batches", pruning.older_than);
    let mut after: Option<String> = None;
    loop {
        let step = operations
            .prune_batches(pruning, after.as_deref(), action)
            .await?;
        journal += step.pruned;
        progress.reached(step.reached, journal);
        after = step.next;
        if after.is_none() {
            return Ok((gone, journal));
        }
    }
}

/// A bar that goes from the age of the first row to the age from which on nothing is old. The
/// number of rows is unknown.
struct Progress {
    bar: ProgressBar,
    until: Duration,
    from: Option<Duration>,
}

impl Progress {
    fn new(what: &'static str, until: Duration) -> Self {
        let bar = if stderr().is_terminal() {
            let style = ProgressStyle::with_template("{prefix:8} {wide_bar} {percent:>3}% {msg}");
            ProgressBar::new(1)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                .with_prefix(what)
        } else {
            ProgressBar::hidden()
        };
        Self {
            bar,
            until,
            from: None,
        }
    }

    fn reached(&mut self, age: Duration, pruned: u64) {
        let from = *self.from.get_or_insert(age);
        let whole = from.saturating_sub(self.until).as_secs();
        self.bar.set_length(whole.max(1));
        self.bar
            .set_position(from.saturating_sub(age).as_secs().min(whole));
        self.bar.set_message(format!(
            "{pruned} so far, those of {} ago",
            span(age.max(self.until))
        ));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
