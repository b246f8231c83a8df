//! `requeue`: sends what failed on its way again.
//!
//! It guarantees that nothing but failed contacts is touched, that a contact whose second send is
//! not safe is left out unless that is asked for in so many words, and that what was requeued stays
//! so when it is broken off: it works in small transactions.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};

use clap::Args;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde_json::json;

use super::operator::{self, FilterArgs};
use super::settings_args::SettingsArgs;
use super::span::contacts;
use super::{UsageError, asking};
use crate::app;
use crate::contact::{ContactId, RequestDefaults, Suffix};
use crate::outbox::{
    AskedFor, FailKind, FailedContact, FailureCount, FailureFilter, Operations, SentAs,
};
use crate::settings::Settings;

/// Sends contacts that failed on their way again
///
/// Says first how many there are of each kind, and asks. A contact that was `unconfirmed` may be on
/// the platform already: when it is, it ends as `duplicate` this time. Where the platform appends
/// the suffix, or appended it then, or who appends it has changed since, nothing is a duplicate, and
/// the person would be called twice: such contacts are left out, unless `--even-unsafe` is given.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command"
)]
#[derive(Args, Debug)]
pub(super) struct RequeueArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    /// The rows' ids in `contact_outbox`, instead of a filter
    #[arg(value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    ids: Vec<i64>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Everything that failed
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

/// How many contacts one transaction requeues.
const CHUNK: u32 = 500;

pub(super) async fn run(
    args: &RequeueArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    args.check()?;
    let operations = operator::connect(settings).await?;
    let safety = Safety(settings.request_defaults());
    let found = find(args, &*operations).await?;
    let tally = Tally::of(&found, &safety, args.even_unsafe);
    if !args.json {
        write!(out, "{}", tally.shown(args))?;
        out.flush()?;
    }
    let mut requeued = 0;
    let goes_on = tally.to_requeue > 0 && !args.dry_run;
    if goes_on && (args.yes || asking::confirmed(&question(tally.to_requeue), out)?) {
        requeued = requeue(args, &*operations, &safety, tally.to_requeue).await?;
    }
    if args.json {
        writeln!(out, "{}", tally.json(requeued, args.dry_run))?;
    } else if goes_on {
        writeln!(out, "{} requeued", contacts(requeued))?;
    }
    Ok(())
}

impl RequeueArgs {
    fn check(&self) -> Result<(), UsageError> {
        self.filter.filter()?;
        let ways = [!self.ids.is_empty(), !self.filter.is_empty(), self.all];
        let said = match ways.iter().filter(|way| **way).count() {
            0 => "say which: ids, a filter such as --kind expired, or --all",
            1 => return asking::check(self.yes, self.dry_run, self.json),
            _ => "give ids, or a filter, or --all: one of the three",
        };
        Err(UsageError(said.into()))
    }

    /// Which contacts, for the history.
    fn in_words(&self) -> String {
        let which = match (self.ids.len(), self.all) {
            (0, true) => "everything that failed".to_owned(),
            (0, false) => self.filter.in_words(),
            (n, _) => format!("{} by id", contacts(n as u64)),
        };
        let all_the_same = if self.even_unsafe {
            ", even unsafe"
        } else {
            ""
        };
        which + all_the_same
    }

    /// The filter. What an operator has cancelled goes out again only if its kind is named.
    fn filtered(&self) -> Result<FailureFilter, UsageError> {
        let mut filter = self.filter.filter()?;
        if filter.kinds.is_empty() {
            let kinds = FailKind::ALL.into_iter();
            filter.kinds = kinds.filter(|kind| *kind != FailKind::Cancelled).collect();
        }
        Ok(filter)
    }

    fn ids(&self) -> Vec<ContactId> {
        self.ids.iter().copied().map(ContactId).collect()
    }
}

/// How contacts would be sent now.
struct Safety(RequestDefaults);

impl Safety {
    /// Whether a second send may put the person into the task twice.
    ///
    /// The first one may have arrived, and then the second is refused as a duplicate only if it is the
    /// same number to the platform: neither of them with a suffix, or both with the courier's. How the
    /// first one was sent the journal says, for the settings may have changed since.
    fn is_unsafe(&self, kind: &str, asked: AskedFor, sent: Option<SentAs>) -> bool {
        if kind != FailKind::Unconfirmed.as_str() {
            return false;
        }
        let encryption = asked.encryption.unwrap_or(self.0.encryption);
        let suffix = self.0.suffix(asked.number_add_suffix, encryption);
        suffix == Suffix::Platform || sent != Some(SentAs { suffix, encryption })
    }
}

async fn find(
    args: &RequeueArgs,
    operations: &dyn Operations,
) -> anyhow::Result<Vec<FailureCount>> {
    if args.ids.is_empty() {
        return Ok(operations.count_failures(&args.filtered()?).await?);
    }
    let failed = operations.failures_named(&args.ids()).await?;
    Ok(failed
        .into_iter()
        .map(|failed| FailureCount {
            kind: failed.kind,
            options: failed.options,
            sent: failed.sent,
            contacts: 1,
        })
        .collect())
}

/// How many there are.
#[derive(Debug, Default)]
struct Tally {
    kinds: BTreeMap<String, u64>,
    not_safe: u64,
    to_requeue: u64,
}

impl Tally {
    fn of(found: &[FailureCount], safety: &Safety, even_unsafe: bool) -> Self {
        let mut tally = Self::default();
        for count in found {
            *tally.kinds.entry(count.kind.clone()).or_default() += count.contacts;
            let not_safe = safety.is_unsafe(&count.kind, count.options, count.sent);
            if not_safe {
                tally.not_safe += count.contacts;
            }
            if even_unsafe || !not_safe {
                tally.to_requeue += count.contacts;
            }
        }
        tally
    }

    fn shown(&self, args: &RequeueArgs) -> String {
        let mut lines: Vec<String> = self
            .kinds
            .iter()
            .map(|(kind, n)| format!("{:>10}  {kind}\n", HumanCount(*n).to_string()))
            .collect();
        if lines.is_empty() {
            lines.push("nothing to requeue: no failed contact matches\n".to_owned());
        }
        let found: u64 = self.kinds.values().sum();
        let named = u64::try_from(args.ids.len()).unwrap_or(u64::MAX);
        if named > found {
            let others = HumanCount(named - found);
            lines.push(format!("{others} of the ids named no failed contact\n"));
        }
        if self.not_safe > 0 {
            let what = if args.even_unsafe {
                "not safe to send again, and taken all the same (--even-unsafe): the platform may \
                 put the person into the task twice"
            } else {
                "not safe to send again, and left out: the platform may have it, and as it was sent, \
                 or would be now, the person could be in the task twice (--even-unsafe takes it too; \
                 delivery.suffix = \"courier\" avoids it for what is sent from now on)"
            };
            lines.push(format!("{} {what}\n", contacts(self.not_safe)));
        }
        if args.dry_run {
            let would = contacts(self.to_requeue);
            lines.push(format!("{would} would be requeued (--dry-run)\n"));
        }
        lines.concat()
    }

    fn json(&self, requeued: u64, dry_run: bool) -> serde_json::Value {
        json!({
            "failed": self.kinds, "unsafe": self.not_safe, "to_requeue": self.to_requeue,
            "requeued": requeued, "dry_run": dry_run,
        })
    }
}

fn question(n: u64) -> String {
    format!("Requeue {}?", contacts(n))
}

async fn requeue(
    args: &RequeueArgs,
    operations: &dyn Operations,
    safety: &Safety,
    total: u64,
) -> anyhow::Result<u64> {
    let bar = progress(total);
    let action = app::action("requeue", &args.in_words());
    let mut requeued = 0;
    let mut some = async |failed: Vec<FailedContact>| -> anyhow::Result<()> {
        let ids: Vec<ContactId> = failed
            .iter()
            .filter(|f| args.even_unsafe || !safety.is_unsafe(&f.kind, f.options, f.sent))
            .map(|f| f.id)
            .collect();
        if !ids.is_empty() {
            requeued += operations.requeue(&ids, Some(&action)).await?;
            bar.set_position(requeued);
        }
        Ok(())
    };
    if args.ids.is_empty() {
        let filter = args.filtered()?;
        let mut after = None;
        loop {
            let page = operations.failures(&filter, after.as_ref(), CHUNK).await?;
            some(page.failures).await?;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    } else {
        for ids in args.ids().chunks(CHUNK as usize) {
            some(operations.failures_named(ids).await?).await?;
        }
    }
    app::note(operations, &action, Some(0)).await;
    bar.finish_and_clear();
    Ok(requeued)
}

fn progress(total: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("requeueing {wide_bar} {human_pos}/{human_len} {eta}");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safety(courier_appends_suffix: bool) -> Safety {
        Safety(RequestDefaults {
            courier_appends_suffix,
            ..RequestDefaults::default()
        })
    }

    fn asked(number_add_suffix: Option<bool>, encryption: Option<bool>) -> AskedFor {
        AskedFor {
            number_add_suffix,
            encryption,
        }
    }

    const fn sent(suffix: Suffix, encryption: bool) -> SentAs {
        SentAs { suffix, encryption }
    }

    #[test]
    fn a_second_send_is_safe_if_it_is_the_same_number_to_the_platform() {
        let suffix = asked(Some(true), None);
        let nothing = asked(None, None);
        let (by_platform, by_courier) = (safety(false), safety(true));
        for (safety, asked, sent, is_safe) in [
            (&by_platform, nothing, Some(sent(Suffix::None, false)), true),
            (
                &by_platform,
                nothing,
                Some(sent(Suffix::Platform, false)),
                false,
            ),
            (
                &by_platform,
                nothing,
                Some(sent(Suffix::Courier, false)),
                false,
            ),
            (&by_platform, nothing, Some(sent(Suffix::None, true)), false),
            (&by_platform, nothing, None, false),
            (
                &by_platform,
                suffix,
                Some(sent(Suffix::Platform, false)),
                false,
            ),
            (
                &by_platform,
                suffix,
                Some(sent(Suffix::Courier, false)),
                false,
            ),
            (
                &by_courier,
                suffix,
                Some(sent(Suffix::Courier, false)),
                true,
            ),
            (
                &by_courier,
                suffix,
                Some(sent(Suffix::Platform, false)),
                false,
            ),
            (&by_courier, suffix, Some(sent(Suffix::None, false)), false),
            (&by_courier, suffix, None, false),
        ] {
            let is_unsafe = safety.is_unsafe("unconfirmed", asked, sent);
            assert_eq!(is_unsafe, !is_safe, "{asked:?} {sent:?}");
            assert!(!safety.is_unsafe("expired", asked, sent));
        }
    }

    #[test]
    fn the_platform_appends_the_suffix_of_a_ciphertext_whatever_the_settings_say() {
        let encrypted = asked(Some(true), Some(true));
        let sent = Some(sent(Suffix::Courier, true));
        assert!(safety(true).is_unsafe("unconfirmed", encrypted, sent));
    }

    #[test]
    fn where_a_row_says_nothing_the_settings_of_today_decide_how_it_would_be_sent() {
        let today = Safety(RequestDefaults {
            number_add_suffix: true,
            courier_appends_suffix: true,
            ..RequestDefaults::default()
        });
        let (nothing, none) = (asked(None, None), Some(sent(Suffix::None, false)));
        assert!(today.is_unsafe("unconfirmed", nothing, none));
        let courier = Some(sent(Suffix::Courier, false));
        assert!(!today.is_unsafe("unconfirmed", nothing, courier));
        assert!(!today.is_unsafe("unconfirmed", asked(Some(false), None), none));
    }

    #[test]
    fn what_is_unsafe_is_counted_apart_and_left_out() {
        let found = [
            ("unconfirmed", asked(Some(true), None), 3),
            ("unconfirmed", asked(None, None), 2),
            ("expired", asked(Some(true), None), 10),
        ]
        .map(|(kind, options, contacts)| FailureCount {
            kind: kind.into(),
            options,
            sent: Some(sent(Suffix::None, false)),
            contacts,
        });
        let tally = Tally::of(&found, &safety(false), false);
        assert_eq!((tally.not_safe, tally.to_requeue), (3, 12));
        assert_eq!(tally.kinds["unconfirmed"], 5);
        let tally = Tally::of(&found, &safety(false), true);
        assert_eq!((tally.not_safe, tally.to_requeue), (3, 15));
        assert_eq!(
            tally.json(0, true).to_string(),
            r#"{"dry_run":true,"failed":{"expired":10,"unconfirmed":5},"requeued":0,"to_requeue":15,"unsafe":3}"#
        );
    }
}
