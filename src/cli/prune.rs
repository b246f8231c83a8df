//! `prune`: deletes old contacts and batches.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::asking::Told;
use super::settings_args::SettingsArgs;
use super::span::{batches, chosen, contacts, in_words, span};
use super::{UsageError, operator};
use crate::app;
use crate::outbox::{Action, Operations, OutboxError, Pruning};
use crate::settings::Settings;

/// Deletes contacts that ended long ago, and the batches of the journal that tell of none
///
/// On a terminal it says first how much that is, and asks. What `history` tells of that age goes, too.
/// Contacts that are pending are never deleted, nor batches that are open or whose contacts are
/// still there. Works in small transactions; couriers may run meanwhile. The daemon does the same
/// by itself when `retention.older_than` is set.
#[derive(Args, Debug)]
pub(super) struct PruneArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    /// What ended longer ago than this, such as 90d (3m: 3 minutes, 3M: 3 months)
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Duration,
    /// Says how much that is and deletes nothing
    #[arg(long)]
    dry_run: bool,
    /// Does not ask; needed for less than an hour where nobody can be asked
    #[arg(long, short)]
    yes: bool,
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

impl PruneArgs {
    fn told(&self) -> Told {
        Told {
            yes: self.yes,
            dry_run: self.dry_run,
            json: self.json,
        }
    }

    /// Whether a person is asked first.
    fn asks(&self) -> bool {
        let told = self.told();
        !told.yes && !told.dry_run && told.may_ask()
    }

    /// Refuses an age that may be a slip of the hand, where nobody can be asked about it.
    fn check(&self) -> Result<(), UsageError> {
        /// A timer that deletes what is younger has to say so.
        const USUAL: Duration = Duration::from_hours(1);
        let is_usual = self.older_than >= USUAL && !self.told().hides_the_question();
        if self.yes || self.dry_run || is_usual || self.asks() {
            return Ok(());
        }
        let age = in_words(self.older_than);
        Err(UsageError(format!(
            "nobody can be asked here whether {age} is meant: give --yes, or --dry-run (3M is 3 months)"
        )))
    }
}

pub(super) async fn run(
    args: &PruneArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    args.check()?;
    let operations = operator::connect(settings).await?;
    let began = Instant::now();
    if (args.dry_run || args.asks()) && !first(args, &*operations, out).await? {
        return Ok(());
    }
    let pruning = Pruning {
        // What was counted grows older while the question stands; nothing else is to go with it.
        older_than: args.older_than.saturating_add(began.elapsed()),
        dry_run: false,
    };
    let age = chosen(args.older_than);
    let action = app::action("prune", &format!("what ended longer ago than {age}"));
    let gone = prune(pruning, &*operations, Some(&action)).await?;
    app::note(&*operations, &action, Some(0)).await;
    if args.json {
        writeln!(out, "{}", gone.json(false))?;
    } else {
        writeln!(out, "{} deleted", gone.shown())?;
    }
    gone.refused
        .map_or(Ok(()), |rule| Err(OutboxError::Refused(rule).into()))
}

/// Says how much would be deleted, and asks. Returns whether it is deleted.
async fn first(
    args: &PruneArgs,
    operations: &dyn Operations,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    let pruning = Pruning {
        older_than: args.older_than,
        dry_run: true,
    };
    let found = prune(pruning, operations, None).await?;
    if args.json {
        writeln!(out, "{}", found.json(true))?;
        return Ok(false);
    }
    let clock = operations.server().await.ok().map(|server| server.clock);
    let limit = limit(args.older_than, clock);
    if args.dry_run {
        writeln!(out, "{} would be deleted (--dry-run)", found.shown())?;
        writeln!(out, "{limit}")?;
        return Ok(false);
    }
    let question = if found.is_nothing() {
        "Delete the history of that age?".to_owned()
    } else {
        format!("Delete {}? Nothing brings them back.", found.shown())
    };
    args.told()
        .goes_on(&format!("{limit}\n"), Some(&question), out)
}

/// Says which age is meant, in words and as a date of the database's clock, and what goes with it.
fn limit(older_than: Duration, clock: Option<f64>) -> String {
    let date = clock.and_then(|clock| instant(clock - older_than.as_secs_f64()));
    let before = date.map_or_else(String::new, |date| format!(", before {date}"));
    let age = in_words(older_than);
    format!("what ended more than {age} ago{before}; the history of that age goes, too")
}

/// An instant in seconds since 1970; `None`: the calendar has no such instant.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a number that is too large becomes the largest, and that is no instant"
)]
fn instant(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_second(seconds as i64).ok()
}

/// How much is deleted, or would be.
#[derive(Default)]
struct Gone {
    contacts: u64,
    batches: u64,
    /// The first rule that keeps what is old enough.
    refused: Option<String>,
}

impl Gone {
    fn is_nothing(&self) -> bool {
        self.contacts == 0 && self.batches == 0
    }

    fn shown(&self) -> String {
        format!("{} and {}", contacts(self.contacts), batches(self.batches))
    }

    fn json(&self, dry_run: bool) -> serde_json::Value {
        json!({"contacts": self.contacts, "batches": self.batches, "dry_run": dry_run})
    }
}

async fn prune(
    pruning: Pruning,
    operations: &dyn Operations,
    action: Option<&Action>,
) -> anyhow::Result<Gone> {
    let mut gone = Gone::default();
    let mut progress = Progress::new("contacts", pruning.older_than);
    let mut after = None;
    loop {
        let step = operations.prune_contacts(pruning, after, action).await?;
        gone.contacts += step.pruned;
        gone.refused = gone.refused.or(step.refused);
        progress.reached(step.reached, gone.contacts);
        after = step.next;
        if after.is_none() {
            break;
        }
    }
    drop(progress);
    let mut progress = Progress::new("batches", pruning.older_than);
    let mut after: Option<String> = None;
    loop {
        let step = operations
            .prune_batches(pruning, after.as_deref(), action)
            .await?;
        gone.batches += step.pruned;
        gone.refused = gone.refused.or(step.refused);
        progress.reached(step.reached, gone.batches);
        after = step.next;
        if after.is_none() {
            return Ok(gone);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_words_and_as_a_date() {
        let ages = [("3m", "3 minutes", "23:57:00Z"), ("90d", "90 days", "")];
        for (written, words, time) in ages {
            let told = limit(age(written).unwrap(), Some(1_769_904_000.0));
            assert!(
                told.starts_with(&format!("what ended more than {words} ago, before 20")),
                "{told}"
            );
            assert!(told.contains(time), "{told}");
        }
        let forever = limit(Duration::MAX, Some(0.0));
        assert!(!forever.contains("before"), "{forever}");
    }
}
