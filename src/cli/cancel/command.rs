//! The command: it counts, asks, and cancels.

use std::io::{IsTerminal, Write, stderr};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::chosen::ChosenArgs;
use super::tally::{cancellable, done, shown};
use crate::app;
use crate::cli::asking::Told;
use crate::cli::operator;
use crate::cli::settings_args::SettingsArgs;
use crate::operators::Cancellation;
use crate::outbox::Cancelled;
use crate::settings::Settings;

/// Ends pending contacts before they are sent
///
/// Says first how many there are, and asks. They end as `failed`, `cancelled`, and are never sent,
/// also while couriers run. A contact that may be on its way to the platform is left as it is: the
/// platform's answer decides. Works in small transactions; what was cancelled stays so when it is
/// broken off.
#[derive(Args, Debug)]
pub(in crate::cli) struct CancelArgs {
    #[command(flatten)]
    pub(in crate::cli) settings: SettingsArgs,
    #[command(flatten)]
    chosen: ChosenArgs,
    /// Why, in at most 500 characters; kept in `fail_cause`
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

pub(in crate::cli) async fn run(
    args: &CancelArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    args.chosen.check()?;
    let told = Told {
        yes: args.yes,
        dry_run: args.dry_run,
        json: args.json,
    };
    told.check()?;
    let reason = operator::reason(args.reason.as_deref())?;
    let chosen = args.chosen.chosen()?;
    let operations = operator::connect(settings).await?;
    let plan = Cancellation::plan(&chosen, &*operations).await?;
    let tally = plan.tally();
    let question = (tally.pending > 0).then(|| format!("Cancel {}?", cancellable(tally)));
    let goes_on = told.goes_on(&shown(tally), question.as_deref(), out)?;
    let mut result = Cancelled::default();
    if goes_on {
        let bar = progress(tally.pending);
        let action = app::action("cancel", &chosen.in_words());
        result = plan
            .carry_out(&*operations, &action, reason.as_ref(), &mut |done| {
                bar.inc(done);
            })
            .await?;
        bar.finish_and_clear();
    }
    if args.json {
        writeln!(out, "{}", tally.json(&result, args.dry_run))?;
    } else if goes_on {
        write!(out, "{}", done(&result))?;
    } else if args.dry_run && tally.pending > 0 {
        let would = cancellable(tally);
        writeln!(out, "{would} would be cancelled (--dry-run)")?;
    }
    Ok(())
}

fn progress(total: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("cancelling {wide_bar} {human_pos}/{human_len} {eta}");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
