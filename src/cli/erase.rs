//! `erase`: takes personal data out of a person's contacts.
//!
//! This guarantees that only final contacts are touched and that how each ended stays. It works in
//! small transactions: an interrupted run keeps what it has erased, and the next run goes on.

use std::io::{IsTerminal, Write, stderr};

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde_json::json;

use super::asking::Told;
use super::operator;
use super::settings_args::SettingsArgs;
use super::span::contacts;
use crate::app;
use crate::contact::ContactId;
use crate::mask::mask;
use crate::operators::note;
use crate::outbox::{Erasable, Erased, Operations};
use crate::settings::Settings;

/// Takes what is personal out of a person's contacts
///
/// Of final contacts only the masked number is left, and how each ended: its lane, status, cause,
/// times and key. Says first how many there are, and asks. Pending contacts are left: `cancel` them
/// first. A key that holds the number is changed, so an app does not find its contact by it any
/// more. Backups and the platform keep their own copies. The daemon does the same by itself to all
/// that ended long ago when `retention.redact_after` is set.
#[derive(Args, Debug)]
pub(super) struct EraseArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    #[command(flatten)]
    which: Which,
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

/// What is known of the person.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Which {
    /// The number, in whatever shape the table has it, or the ciphertext; `-`: asks for it, or reads it
    /// from standard input. Reads the whole table
    #[arg(long, value_name = "NUMBER", value_parser = operator::number)]
    phone: Option<String>,
    /// The contact with this `idempotency_key`
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    key: Option<String>,
}

/// How many contacts the database is asked about at once.
const CHUNK: usize = 200;

/// The ids of more contacts are not listed.
const NAMED: usize = 20;

pub(super) async fn run(
    args: &EraseArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let told = Told {
        yes: args.yes,
        dry_run: args.dry_run,
        json: args.json,
    };
    told.check()?;
    let which = args.which.read()?;
    let operations = operator::connect(settings).await?;
    let found = which.find(&*operations).await?;
    let tally = Tally::make(&found, &*operations).await?;
    let n = tally.free.len() as u64;
    let question = (n > 0).then(|| {
        let n = contacts(n);
        format!("Erase what is personal in {n}? Nothing brings it back.")
    });
    let shown_first = tally.shown(&which);
    let goes_on = told.goes_on(&shown_first, question.as_deref(), out)?;
    let mut done = Erased::default();
    if goes_on {
        done = erase(&tally.free, which.in_words(), &*operations).await?;
    }
    if args.json {
        writeln!(out, "{}", tally.json(&done, args.dry_run))?;
    } else if goes_on {
        write!(out, "{}", shown(&done))?;
    } else if args.dry_run && n > 0 {
        writeln!(out, "{} would be erased (--dry-run)", contacts(n))?;
    }
    Ok(())
}

impl Which {
    /// Completes it with the number on standard input, if that is where it is.
    fn read(&self) -> anyhow::Result<Self> {
        let phone = self.phone.as_deref();
        Ok(Self {
            phone: phone.map(operator::given_number).transpose()?,
            key: self.key.clone(),
        })
    }

    async fn find(&self, operations: &dyn Operations) -> anyhow::Result<Vec<ContactId>> {
        match (&self.phone, &self.key) {
            (Some(number), _) => with_number(number, operations).await,
            (None, Some(key)) => Ok(operations.find_key(key).await?.into_iter().collect()),
            (None, None) => Ok(Vec::new()),
        }
    }

    /// Which contacts, in words for the history.
    fn in_words(&self) -> &'static str {
        match self.phone {
            Some(_) => "contacts with one number",
            None => "1 contact by key",
        }
    }

    fn matching(&self) -> String {
        match &self.phone {
            Some(number) => format!("has the number {}", mask(number.trim())),
            None => "has this key".to_owned(),
        }
    }
}

/// Finds the contacts with a number. Reads the whole table.
async fn with_number(number: &str, operations: &dyn Operations) -> anyhow::Result<Vec<ContactId>> {
    writeln!(
        stderr(),
        "numbers have no index: reading the whole table, the newest contacts first"
    )?;
    let bar = progress("{spinner} {msg}");
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let step = operations.find_number(number, before).await?;
        found.extend(step.found);
        let Some(reached) = step.next else {
            bar.finish_and_clear();
            return Ok(found);
        };
        let id = HumanCount(u64::try_from(reached.0).unwrap_or_default());
        bar.set_message(format!("down to id {id}"));
        bar.tick();
        before = Some(reached);
    }
}

fn progress(template: &str) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template);
    ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

async fn erase(
    ids: &[ContactId],
    selection: &str,
    operations: &dyn Operations,
) -> anyhow::Result<Erased> {
    let action = app::action("erase", selection);
    let bar = progress("erasing {wide_bar} {human_pos}/{human_len} {eta}");
    bar.set_length(ids.len() as u64);
    let mut done = Erased::default();
    for ids in ids.chunks(CHUNK) {
        done += operations.erase(ids, Some(&action)).await?;
        bar.inc(ids.len() as u64);
    }
    note(operations, &action, Some(0)).await;
    bar.finish_and_clear();
    Ok(done)
}

/// The states of the contacts that were found.
#[derive(Debug, Default)]
struct Tally {
    free: Vec<ContactId>,
    pending: Vec<ContactId>,
    in_open_batch: u64,
    already: u64,
}

impl Tally {
    async fn make(found: &[ContactId], operations: &dyn Operations) -> anyhow::Result<Self> {
        let mut tally = Self::default();
        for ids in found.chunks(CHUNK) {
            for (id, state) in operations.erasable(ids).await? {
                match state {
                    Erasable::Yes => tally.free.push(id),
                    Erasable::Pending => tally.pending.push(id),
                    Erasable::InOpenBatch => tally.in_open_batch += 1,
                    Erasable::Already => tally.already += 1,
                }
            }
        }
        tally.pending.sort_unstable();
        Ok(tally)
    }

    fn shown(&self, which: &Which) -> String {
        let free = self.free.len() as u64;
        let mut lines = vec![if free == 0 {
            let others = self.pending.len() as u64 + self.in_open_batch + self.already;
            let why = if others == 0 {
                format!("no contact {}", which.matching())
            } else {
                format!("no final contact {}", which.matching())
            };
            format!("nothing to erase: {why}\n")
        } else {
            format!("{} final, to be erased\n", contacts(free))
        }];
        if !self.pending.is_empty() {
            lines.push(self.pending_shown());
        }
        if self.in_open_batch > 0 {
            let n = contacts(self.in_open_batch);
            lines.push(format!("{n} {IN_OPEN_BATCH}\n"));
        }
        if self.already > 0 {
            lines.push(format!("{} erased before\n", contacts(self.already)));
        }
        lines.concat()
    }

    fn pending_shown(&self) -> String {
        let ids = self.pending.iter().take(NAMED);
        let ids: Vec<String> = ids.map(ToString::to_string).collect();
        let more = if self.pending.len() > NAMED {
            " ..."
        } else {
            ""
        };
        format!(
            "{} left, pending: end them first by `cancel {}{more}`\n",
            contacts(self.pending.len() as u64),
            ids.join(" ")
        )
    }

    fn json(&self, done: &Erased, dry_run: bool) -> serde_json::Value {
        json!({
            "to_erase": self.free.len(), "erased": done.erased, "keys_changed": done.keys,
            "left_pending": self.pending.len() as u64 + done.pending,
            "left_in_open_batch": self.in_open_batch + done.in_open_batch,
            "left_locked": done.locked, "erased_before": self.already, "dry_run": dry_run,
        })
    }
}

const IN_OPEN_BATCH: &str =
    "left: an open batch of the journal holds them; run it again when that is closed";

/// Shows the result, in lines.
fn shown(done: &Erased) -> String {
    let rest = [
        (
            done.keys,
            "had a key that held the number, which was changed: no app finds them by it any more, and \
             the same INSERT would be taken again",
        ),
        (done.pending, "left: pending again meanwhile"),
        (done.in_open_batch, IN_OPEN_BATCH),
        (done.locked, "left: locked by another session; run it again"),
    ];
    let rest = rest.iter().filter(|(n, _)| *n > 0);
    let rest = rest.map(|(n, what)| format!("{} {what}\n", contacts(*n)));
    let erased = format!("{} erased\n", contacts(done.erased));
    std::iter::once(erased).chain(rest).collect()
}
