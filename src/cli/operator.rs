//! The parts that the commands for operators share: the open database, and the filter of failed
//! contacts.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use indicatif::HumanCount;

use super::{UsageError, asking};
use crate::app;
use crate::contact::{ContactId, Lane};
use crate::mask::mask;
use crate::operators::{Missed, Reason, lane_of};
use crate::outbox::{FailKind, FailureFilter, Operations, OrderScope};
use crate::settings::Settings;

/// Opens the database, which must be there and migrated: looking at it changes nothing.
pub(super) async fn connect(settings: &Settings) -> anyhow::Result<Arc<dyn Operations>> {
    Ok(open(settings).await?.operations)
}

/// The same through both doors.
pub(super) async fn open(settings: &Settings) -> anyhow::Result<app::Database> {
    let database = app::find_database(settings).await?;
    database.outbox.check_schema().await?;
    Ok(database)
}

/// Which failed contacts.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct FilterArgs {
    /// Of this lane
    #[arg(long, value_name = "USER/TASK", conflicts_with_all = ["user", "task"])]
    lane: Option<String>,
    /// Of this `user_id`
    #[arg(long, value_name = "USER_ID", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
    /// Of this `task_id`
    #[arg(long, value_name = "TASK_ID", value_parser = NonEmptyStringValueParser::new())]
    task: Option<String>,
    /// Of this kind; may be given several times
    #[arg(long, value_name = "KIND", value_enum)]
    kind: Vec<Kind>,
    /// Whose cause contains this text, in capitals or not
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    cause: Option<String>,
    /// That failed at most so long ago, such as 2h
    #[arg(long, value_name = "AGE", value_parser = crate::cli::span::time)]
    since: Option<Duration>,
    /// That failed at least so long ago, such as 10m
    #[arg(long, value_name = "AGE", value_parser = crate::cli::span::time)]
    until: Option<Duration>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// Breaks a rule, was never sent
    Invalid,
    /// Refused by the platform
    Rejected,
    /// Already in the task
    Duplicate,
    /// May or may not be on the platform
    Unconfirmed,
    /// Surely not delivered; given up
    Expired,
    /// Surely not delivered; ended by `cancel`
    Cancelled,
}

impl From<Kind> for FailKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Invalid => Self::Invalid,
            Kind::Rejected => Self::Rejected,
            Kind::Duplicate => Self::Duplicate,
            Kind::Unconfirmed => Self::Unconfirmed,
            Kind::Expired => Self::Expired,
            Kind::Cancelled => Self::Cancelled,
        }
    }
}

impl FilterArgs {
    /// Returns the filter of the arguments.
    pub(super) fn filter(&self) -> Result<FailureFilter, UsageError> {
        let lane = self.lane.as_deref().map(lane).transpose()?;
        let user = self.user.as_deref().map(user).transpose()?;
        let (user_id, task_id) = match &lane {
            Some(lane) => (
                Some(lane.user_id().to_owned()),
                Some(lane.task_id().to_owned()),
            ),
            None => (user, self.task.clone()),
        };
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since < until
        {
            return Err(UsageError(format!(
                "--since {} is later than --until {}: nothing can be in between",
                humantime::format_duration(since),
                humantime::format_duration(until)
            )));
        }
        Ok(FailureFilter {
            user_id,
            task_id,
            kinds: self.kind.iter().copied().map(FailKind::from).collect(),
            cause: self.cause.clone(),
            since: self.since,
            until: self.until,
        })
    }

    /// Whether no filter was given.
    pub(super) fn is_empty(&self) -> bool {
        self.filter()
            .is_ok_and(|filter| filter == FailureFilter::default())
    }
}

/// Checks a user given by `--user`; `--lane` names a lane.
pub(super) fn user(text: &str) -> Result<String, UsageError> {
    let known = OrderScope::user(text).map(|_| text.to_owned());
    known.map_err(|violation| {
        UsageError(format!(
            "--user {text:?} is no user: {violation}; a lane is given as --lane USER/TASK"
        ))
    })
}

/// Reads a reason given by `--reason`.
pub(super) fn reason(text: Option<&str>) -> Result<Option<Reason>, UsageError> {
    let read = Reason::read(text.unwrap_or_default());
    read.map_err(|error| UsageError(format!("--reason: {error}")))
}

/// Reads the id of a contact.
pub(super) fn id(text: &str) -> Result<i64, String> {
    read_id(text, &[LANE_GIVEN])
}

/// The same for a command that takes keys, too.
pub(super) fn id_beside_keys(text: &str) -> Result<i64, String> {
    read_id(text, &[LANE_GIVEN, KEY_GIVEN])
}

/// The same for a command that tells of a single contact, by its id, key or number.
pub(super) fn id_beside_numbers(text: &str) -> Result<i64, String> {
    read_id(text, &[LANE_TOLD, NUMBER_GIVEN, KEY_GIVEN])
}

/// What somebody may mean who gives something else than an id: whether it looks like that, and what to
/// write.
type Hint = (fn(&str) -> bool, &'static str);

const LANE_GIVEN: Hint = (is_lane, "; a lane is given as --lane USER/TASK");
const LANE_TOLD: Hint = (
    is_lane,
    "; `status` tells of lanes, and `failures --lane USER/TASK` of the contacts in one",
);
const NUMBER_GIVEN: Hint = (is_number, "; a number is given as --phone");
const KEY_GIVEN: Hint = (has_letters, "; a key is given as --key KEY");

fn is_lane(text: &str) -> bool {
    lane_of(text).is_some()
}

fn has_letters(text: &str) -> bool {
    text.contains(char::is_alphabetic)
}

/// Whether a text that is no id looks like a phone number.
fn is_number(text: &str) -> bool {
    let digits = text.chars().filter(|c| c.is_numeric()).count();
    digits >= *DIGITS_OF_A_NUMBER.start() && !has_letters(text)
}

/// How many digits a mobile number has, with or without its country code.
const DIGITS_OF_A_NUMBER: RangeInclusive<usize> = 11..=15;

fn read_id(text: &str, hints: &[Hint]) -> Result<i64, String> {
    if let Some(id) = text.parse().ok().filter(|id| *id > 0) {
        return Ok(id);
    }
    let is_small_number = text.parse::<i64>().is_ok();
    let mut hints = hints.iter().filter(|_| !is_small_number);
    let hint = hints.find(|(is_meant, _)| is_meant(text));
    let hint = hint.map_or("", |(_, words)| words);
    Err(format!(
        "an id of a contact is a whole number above 0{hint}"
    ))
}

/// Names an id that no contact has, with what else it may be: a number, which is masked.
pub(super) fn unknown_id(id: i64) -> (String, Option<&'static str>) {
    let digits = id.to_string();
    if !DIGITS_OF_A_NUMBER.contains(&digits.len()) {
        return (digits, None);
    }
    (
        mask(&digits),
        Some("is this a number? use `explain --phone`"),
    )
}

/// Says which ids, and with which keys in words of their own, name no contact that is meant, and why;
/// `all`: how many there are with those that are not listed.
pub(super) fn missed(listed: &[Missed<ContactId>], keys: Vec<String>, all: u64) -> String {
    let ids = listed.iter().map(|(id, status)| match status {
        Some(status) => format!("{id} ({status})"),
        None => match unknown_id(id.0) {
            (id, Some(hint)) => format!("{id} (not there; {hint})"),
            (id, None) => format!("{id} (not there)"),
        },
    });
    let mut told: Vec<String> = ids.chain(keys).collect();
    if told.is_empty() {
        return String::new();
    }
    match all.saturating_sub(told.len() as u64) {
        0 => {}
        more => told.push(format!("and {} more", HumanCount(more))),
    }
    format!(": {}", told.join(", "))
}

/// Checks a number given by `--phone`. A number without a digit would match every row without one.
pub(super) fn number(text: &str) -> Result<String, String> {
    // A ciphertext may have no digit.
    const CIPHERTEXT: usize = 16;
    if text == ON_INPUT {
        return Ok(text.to_owned());
    }
    // A mask as it is shown, which is no number of anybody.
    if text.contains("***") {
        return Err(
            "this is a mask, under which many numbers may be shown; give the whole number".into(),
        );
    }
    if text.contains(char::is_numeric) || text.trim().chars().count() >= CIPHERTEXT {
        Ok(text.to_owned())
    } else {
        Err("a number has digits".into())
    }
}

/// Stands for a number on standard input: other users of the host see arguments, and so does whoever
/// reads the shell's history or sudo's log.
const ON_INPUT: &str = "-";

/// Returns the number that `--phone` gives, which may have to be read first.
pub(super) fn given_number(text: &str) -> anyhow::Result<String> {
    if text != ON_INPUT {
        return Ok(text.to_owned());
    }
    let read = asking::number()?;
    let checked = number(&read).ok().filter(|number| number != ON_INPUT);
    checked.ok_or_else(|| {
        UsageError("--phone -: there is no number on standard input; write it in one line".into())
            .into()
    })
}

/// Checks a lane given by `--lane`.
pub(super) fn lane(text: &str) -> Result<Lane, UsageError> {
    lane_of(text)
        .ok_or_else(|| UsageError(format!("--lane {text:?} is no lane: write USER_ID/TASK_ID")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_no_number() {
        assert!(number("13012121211").is_ok());
        let said = number("130***1211").unwrap_err();
        assert!(said.starts_with("this is a mask"), "{said}");
    }

    #[test]
    fn an_id_is_a_whole_number_above_0() {
        assert_eq!(id("7"), Ok(7));
        for wrong in ["0", "-1", "7.0", "order-1", "99999999999999999999"] {
            let said = id(wrong).unwrap_err();
            assert_eq!(said, "an id of a contact is a whole number above 0");
        }
    }

    #[test]
    fn what_is_no_id_is_told_how_it_is_given() {
        let hint = |said: Result<i64, String>| {
            let said = said.unwrap_err();
            let hint = said.strip_prefix("an id of a contact is a whole number above 0");
            hint.unwrap().to_owned()
        };
        let lane = "; a lane is given as --lane USER/TASK";
        assert_eq!(hint(id("u/t")), lane);
        assert_eq!(hint(id_beside_keys("u/t")), lane);
        assert_eq!(
            hint(id_beside_keys("order-1")),
            "; a key is given as --key KEY"
        );
        assert_eq!(hint(id_beside_keys("0")), "");
        assert!(hint(id_beside_numbers("u/t")).starts_with("; `status` tells of lanes"));
        assert_eq!(
            hint(id_beside_numbers("order-1")),
            "; a key is given as --key KEY"
        );
        assert_eq!(
            hint(id_beside_numbers("130-1212-1211")),
            "; a number is given as --phone"
        );
    }

    #[test]
    fn ids_that_name_no_contact_that_is_meant_are_told_with_why() {
        let listed = [
            (ContactId(1), Some("succeeded".to_owned())),
            (ContactId(9_999_999), None),
            (ContactId(13_012_121_211), None),
        ];
        assert_eq!(
            missed(&listed, vec!["\"order-1\" (not there)".to_owned()], 5),
            ": 1 (succeeded), 9999999 (not there), 130***1211 (not there; is this a number? use \
             `explain --phone`), \"order-1\" (not there), and 1 more"
        );
        assert_eq!(missed(&[], Vec::new(), 0), "");
    }

    #[test]
    fn a_number_has_digits_unless_it_is_a_ciphertext() {
        for wrong in ["", " ", "+", "abc"] {
            assert!(number(wrong).is_err(), "{wrong:?}");
        }
        for right in ["110", "１３０", "qKzPmWvXyTcBaRdEfGhIjQ=="] {
            assert_eq!(number(right).as_deref(), Ok(right));
        }
    }

    #[test]
    fn a_user_that_is_a_lane_is_told_how_a_lane_is_given() {
        let args = FilterArgs {
            user: Some("u-4/t-1".into()),
            ..FilterArgs::default()
        };
        assert_eq!(
            args.filter().unwrap_err().to_string(),
            "--user \"u-4/t-1\" is no user: user_id must be 1 to 64 letters, digits, '_' or '-'; a \
             lane is given as --lane USER/TASK"
        );
    }

    #[test]
    fn a_lane_is_a_user_and_a_task() {
        let args = FilterArgs {
            lane: Some("u-1/t_1".into()),
            kind: vec![Kind::Expired],
            ..FilterArgs::default()
        };
        let filter = args.filter().unwrap();
        assert_eq!(filter.user_id.as_deref(), Some("u-1"));
        assert_eq!(filter.task_id.as_deref(), Some("t_1"));
        assert_eq!(filter.kinds, [FailKind::Expired]);
        assert!(!args.is_empty() && FilterArgs::default().is_empty());
        for wrong in ["u", "u/", "u/t/x", "u/t x"] {
            let args = FilterArgs {
                lane: Some(wrong.into()),
                ..FilterArgs::default()
            };
            assert!(args.filter().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_empty_text_is_no_filter() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            filter: FilterArgs,
        }
        let read = |flag, value| <Line as clap::Parser>::try_parse_from(["x", flag, value]);
        for flag in ["--user", "--task", "--cause"] {
            let said = read(flag, "").err().map(|error| error.exit_code());
            assert_eq!(said, Some(2), "{flag}");
            let filter = read(flag, "x").unwrap_or_else(|error| panic!("{error}"));
            assert!(!filter.filter.is_empty(), "{flag}");
        }
    }

    #[test]
    fn times_that_leave_nothing_are_wrong_usage() {
        let args = FilterArgs {
            since: Some(Duration::from_secs(1)),
            until: Some(Duration::from_secs(2)),
            ..FilterArgs::default()
        };
        let said = args.filter().unwrap_err().to_string();
        assert_eq!(
            said,
            "--since 1s is later than --until 2s: nothing can be in between"
        );
    }
}
