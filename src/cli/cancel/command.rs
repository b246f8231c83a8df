//! The command: it counts, asks, and cancels in small transactions.

use std::io::{IsTerminal, Write, stderr};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::chosen::{Chosen, ChosenArgs, Found};
use super::tally::{Tally, done};
use crate::app;
use crate::cli::settings_args::SettingsArgs;
use crate::cli::span::contacts;
use crate::cli::{asking, operator, who};
use crate::contact::{ContactId, Lane};
use crate::outbox::{Action, Cancelled, Operations, Part, PendingFilter, PendingLane};
use crate::settings::Settings;

/// Ends pending contacts before they are sent
///
/// Says first how many there are, and asks. They end as `failed`, `cancelled`, and are never sent, also
/// while couriers run. A contact that may be on its way to the platform is left as it is: the platform's
/// answer decides. Works in small transactions; what was cancelled stays so when it is broken off.
#[derive(Args, Debug)]
pub(in crate::cli) struct CancelArgs {
    #[command(flatten)]
    pub(in crate::cli) settings: SettingsArgs,
    #[command(flatten)]
    chosen: ChosenArgs,
    /// Why; kept in `fail_cause`
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Says how many there are and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Does not ask
    #[arg(long, short)]
    yes: bool,
    /// Prints a line of JSON
    #[arg(long)]
    json: bool,
}

/// How many contacts one transaction cancels.
const CHUNK: usize = 500;

pub(in crate::cli) async fn run(
    args: &CancelArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    args.chosen.check()?;
    asking::check(args.yes, args.dry_run, args.json)?;
    let chosen = args.chosen.chosen()?;
    let operations = operator::connect(settings).await?;
    let noted = Instant::now();
    let plan = Plan::make(&chosen, &*operations).await?;
    let tally = &plan.tally;
    if !args.json {
        write!(out, "{}", tally.shown())?;
    }
    let question = format!("Cancel {}?", contacts(tally.pending));
    let goes_on =
        tally.pending > 0 && !args.dry_run && (args.yes || asking::confirmed(&question, out)?);
    let mut result = Cancelled::default();
    if goes_on {
        let action = app::action("cancel", &chosen.in_words());
        let cause = who::by(&action, args.reason.as_deref());
        let mut work = Work {
            operations: &*operations,
            cause: format!("cancelled {cause}"),
            action,
            bar: progress(tally.pending),
            done: &mut result,
            noted,
        };
        work.cancel(&plan).await?;
    }
    if args.json {
        writeln!(out, "{}", tally.json(&result, args.dry_run))?;
    } else if goes_on {
        write!(out, "{}", done(&result))?;
    } else if args.dry_run && tally.pending > 0 {
        let would = contacts(tally.pending);
        writeln!(out, "{would} would be cancelled (--dry-run)")?;
    }
    Ok(())
}

/// What is to be done, and how much that is.
struct Plan {
    tally: Tally,
    parts: Parts,
}

enum Parts {
    Named(Found),
    Lanes(PendingFilter, Vec<PendingLane>),
}

impl Plan {
    async fn make(chosen: &Chosen, operations: &dyn Operations) -> anyhow::Result<Self> {
        Ok(match chosen {
            Chosen::Named { ids, keys } => {
                let found = Found::find(ids, keys, operations).await?;
                let mut lanes = Vec::new();
                for lane in found.pending.keys() {
                    lanes.extend(operations.count_pending(&of(lane)).await?);
                }
                Self {
                    tally: Tally::of_names(&found, &lanes),
                    parts: Parts::Named(found),
                }
            }
            Chosen::Filter(filter) => {
                let lanes = operations.count_pending(filter).await?;
                Self {
                    tally: Tally::of_lanes(&lanes),
                    parts: Parts::Lanes(filter.clone(), lanes),
                }
            }
        })
    }
}

/// All that is pending in a lane.
fn of(lane: &Lane) -> PendingFilter {
    PendingFilter {
        user_id: Some(lane.user_id().to_owned()),
        task_id: Some(lane.task_id().to_owned()),
        created_since: None,
    }
}

/// The cancelling.
struct Work<'a> {
    operations: &'a dyn Operations,
    action: Action,
    cause: String,
    bar: ProgressBar,
    done: &'a mut Cancelled,
    /// When the contacts were counted: an age is as of then.
    noted: Instant,
}

impl Work<'_> {
    async fn cancel(&mut self, plan: &Plan) -> anyhow::Result<()> {
        match &plan.parts {
            Parts::Named(found) => {
                for (lane, ids) in &found.pending {
                    self.some(lane, ids).await?;
                }
            }
            Parts::Lanes(filter, lanes) => {
                for lane in lanes {
                    self.lane(&lane.lane, filter).await?;
                }
            }
        }
        let last = Part {
            affected: Some(0),
            is_last: true,
        };
        self.operations.note_action(&self.action, last).await?;
        self.bar.finish_and_clear();
        Ok(())
    }

    /// Once over a lane. What is inserted meanwhile may be among it, up to where it ends.
    async fn lane(&mut self, lane: &Lane, filter: &PendingFilter) -> anyhow::Result<()> {
        let mut after = ContactId(0);
        loop {
            let mut filter = filter.clone();
            filter.created_since = filter.created_since.map(|age| age + self.noted.elapsed());
            let ids = self.operations.pending(lane, &filter, after).await?;
            let Some(last) = ids.last() else {
                return Ok(());
            };
            after = *last;
            self.some(lane, &ids).await?;
        }
    }

    async fn some(&mut self, lane: &Lane, ids: &[ContactId]) -> anyhow::Result<()> {
        for ids in ids.chunks(CHUNK) {
            let cancelled = self
                .operations
                .cancel(lane, ids, &self.cause, &self.action)
                .await?;
            *self.done += cancelled;
            self.bar.inc(ids.len() as u64);
        }
        Ok(())
    }
}

fn progress(total: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("cancelling {wide_bar} {human_pos}/{human_len} {eta}");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
