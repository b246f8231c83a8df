//! `requeue`: sends failed contacts on their way again.

use std::io::{IsTerminal, Write, stderr};

use clap::Args;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::UsageError;
use super::asking::Told;
use super::operator::{self, FilterArgs};
use super::settings_args::SettingsArgs;
use super::span::contacts;
use crate::app;
use crate::contact::ContactId;
use crate::operators::{Failed, Requeue, RequeueTally, Safety};
use crate::settings::Settings;

/// Sends contacts that failed on their way again
///
/// Says first how many there are of each kind, and asks. A contact that was `unconfirmed` may be on
/// the platform already: when it is, it ends as `duplicate` this time. Where the platform appends
/// the suffix, or appended it then, or who appends it has changed since, nothing is a duplicate,
/// and the person would be called twice: such contacts are left out, unless `--even-unsafe` is
/// given.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command"
)]
#[derive(Args, Debug)]
pub(super) struct RequeueArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    /// The rows' ids in `contact_outbox`, instead of a filter
    #[arg(value_name = "ID", value_parser = operator::id)]
    ids: Vec<i64>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Everything that failed, but for what was cancelled: --kind cancelled takes that
    #[arg(long)]
    all: bool,
    /// Says how many there are and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Does not ask
    #[arg(long, short)]
    yes: bool,
    /// Takes those too that the platform may put into their task twice
    #[arg(long)]
    even_unsafe: bool,
    /// Prints a line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &RequeueArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let requeue = args.requeue(settings)?;
    let operations = operator::connect(settings).await?;
    let tally = requeue.count(&*operations).await?;
    let question = (tally.to_requeue > 0).then(|| question(tally.to_requeue));
    let counts = shown(&tally, args);
    let mut requeued = 0;
    if args.told().goes_on(&counts, question.as_deref(), out)? {
        let bar = progress(tally.to_requeue);
        let action = app::action("requeue", &requeue.in_words());
        requeued = requeue
            .carry_out(&*operations, &action, &mut |done| bar.inc(done))
            .await?;
        bar.finish_and_clear();
    }
    if args.json {
        writeln!(out, "{}", tally.json(requeued, args.dry_run))?;
    } else if question.is_some() && !args.dry_run {
        writeln!(out, "{} requeued", contacts(requeued))?;
    }
    Ok(())
}

impl RequeueArgs {
    fn told(&self) -> Told {
        Told {
            yes: self.yes,
            dry_run: self.dry_run,
            json: self.json,
        }
    }

    fn requeue(&self, settings: &Settings) -> Result<Requeue, UsageError> {
        let filter = self.filter.filter()?;
        let ways = [!self.ids.is_empty(), !self.filter.is_empty(), self.all];
        let said = match ways.iter().filter(|way| **way).count() {
            0 => "say which: ids, a filter such as --kind expired, or --all",
            1 => "",
            _ => "give ids, or a filter, or --all: one of the three",
        };
        if !said.is_empty() {
            return Err(UsageError(said.into()));
        }
        self.told().check()?;
        let which = match &*self.ids {
            [] => Failed::Filter(filter),
            ids => Failed::named(ids.iter().copied().map(ContactId).collect()),
        };
        let safety = Safety(settings.request_defaults());
        Ok(Requeue::new(which, self.even_unsafe, safety))
    }
}

/// Shows the counts, in lines.
fn shown(tally: &RequeueTally, args: &RequeueArgs) -> String {
    let mut lines: Vec<String> = tally
        .kinds
        .iter()
        .map(|(kind, n)| format!("{:>10}  {kind}\n", HumanCount(*n).to_string()))
        .collect();
    if lines.is_empty() {
        lines.push("nothing to requeue: no failed contact matches\n".to_owned());
    }
    if tally.unmatched > 0 {
        let others = HumanCount(tally.unmatched);
        let which = operator::missed(&tally.missed, Vec::new(), tally.unmatched);
        lines.push(format!(
            "{others} of the ids named no failed contact{which}\n"
        ));
    }
    if tally.cancelled > 0 {
        let n = contacts(tally.cancelled);
        lines.push(format!(
            "{n} left out, for operators cancelled them (--kind cancelled takes them)\n"
        ));
    }
    if tally.redacted > 0 {
        let n = contacts(tally.redacted);
        lines.push(format!(
            "{n} left out: what is personal was taken out, so there is no number to send\n"
        ));
    }
    if tally.not_safe > 0 {
        let what = if args.even_unsafe {
            "not safe to send again, and taken all the same (--even-unsafe): the platform may \
             put the person into the task twice"
        } else {
            "not safe to send again, and left out: the platform may have it, and as it was sent, \
             or would be now, the person could be in the task twice (--even-unsafe takes it too; \
             delivery.suffix = \"courier\" avoids it for what is sent from now on)"
        };
        lines.push(format!("{} {what}\n", contacts(tally.not_safe)));
    }
    if args.dry_run {
        let would = contacts(tally.to_requeue);
        lines.push(format!("{would} would be requeued (--dry-run)\n"));
    }
    lines.concat()
}

fn question(n: u64) -> String {
    format!("Requeue {}?", contacts(n))
}

fn progress(total: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("requeueing {wide_bar} {human_pos}/{human_len} {eta}");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
