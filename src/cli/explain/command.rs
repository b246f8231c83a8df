//! The command `explain`: its arguments and its run.

use std::io::{Write, stderr};

use anyhow::bail;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Serialize;

use super::search::{End, MOST, PATIENCE, Wanted, nothing, search};
use super::summary::summary;
use crate::cli::operator;
use crate::cli::settings_args::SettingsArgs;
use crate::cli::span::{ago, contacts, count, span};
use crate::cli::table::{lines, numbers, table};
use crate::contact::ContactId;
use crate::mask::mask_key;
use crate::outbox::{BatchReport, LaneStanding, Moment, Operations, Requeued, Story};
use crate::settings::Settings;
use crate::visible::spelt_out;

/// Tells a contact's whole story: every batch it was in, each answer, and what comes next
///
/// Times are the database's, in UTC. The phone number is masked. Where several contacts have the
/// number that is asked for, a list of them comes instead, the newest first.
#[derive(Args, Debug)]
pub(in crate::cli) struct ExplainArgs {
    #[command(flatten)]
    pub(in crate::cli) settings: SettingsArgs,
    #[command(flatten)]
    which: Which,
    /// With --phone: of this lane only
    #[arg(long, value_name = "USER/TASK", conflicts_with_all = ["id", "key"])]
    lane: Option<String>,
    /// Prints JSON; where several contacts have the number, a line for each
    #[arg(long)]
    json: bool,
}

/// What is known of the contact.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Which {
    /// The row's id in `contact_outbox`
    #[arg(value_name = "ID", value_parser = operator::id_beside_numbers)]
    id: Option<i64>,
    /// Its `idempotency_key`
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    key: Option<String>,
    /// Its number, in whatever shape the table has it; `-`: asks for it, or reads it from standard
    /// input. Reads the whole table
    #[arg(long, value_name = "NUMBER", value_parser = operator::number)]
    phone: Option<String>,
}

/// The story, with its conclusion first.
#[derive(Serialize)]
struct Told<'a> {
    summary: String,
    #[serde(flatten)]
    story: &'a Story,
}

pub(in crate::cli) async fn run(
    args: &ExplainArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let lane = args.lane.as_deref().map(operator::lane).transpose()?;
    let phone = args.which.phone.as_deref();
    let phone = phone.map(operator::given_number).transpose()?;
    let operations = operator::connect(settings).await?;
    if let Some(phone) = phone {
        let phone = phone.trim().to_owned();
        return all_with(&Wanted { phone, lane }, args.json, &*operations, out).await;
    }
    let id = match (&args.which.key, args.which.id) {
        (Some(key), _) => operations.find_key(key).await?,
        (None, id) => id.map(ContactId),
    };
    let story = match id {
        Some(id) => operations.story(id).await?,
        None => None,
    };
    match (story, &args.which) {
        (Some(story), _) => tell(&story, args.json, out),
        (None, Which { key: Some(key), .. }) => bail!(
            "there is no contact with the idempotency_key {:?}: it was deleted, or never inserted",
            mask_key(key)
        ),
        (None, which) => {
            let (id, hint) = operator::unknown_id(which.id.unwrap_or_default());
            let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
            bail!("there is no contact {id}: it was deleted, or never inserted{hint}")
        }
    }
}

fn tell(story: &Story, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        let told = Told {
            summary: summary(story),
            story,
        };
        writeln!(out, "{}", serde_json::to_string(&told)?)?;
    } else {
        write!(out, "{}", shown(story))?;
    }
    Ok(())
}

/// Prints the contacts with a number: the story of one, or a list of several.
async fn all_with(
    wanted: &Wanted,
    json: bool,
    operations: &dyn Operations,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (found, end) = search(wanted, PATIENCE, operations).await?;
    let mut stories = Vec::new();
    for id in found {
        // A contact that was deleted meanwhile has no story.
        stories.extend(operations.story(id).await?);
    }
    match stories.as_slice() {
        [] => nothing(wanted, end)?,
        [story] => tell(story, json, out)?,
        several if json => {
            for story in several {
                tell(story, json, out)?;
            }
        }
        several => write!(out, "{}", listed(several))?,
    }
    match the_rest(wanted, end) {
        // The output is for programs.
        Some(rest) if json => writeln!(stderr(), "{rest}")?,
        Some(rest) => writeln!(out, "\n{rest}")?,
        None => {}
    }
    Ok(())
}

/// Which contacts with the number are not told, in a line; `None`: all are.
fn the_rest(wanted: &Wanted, end: End) -> Option<String> {
    match end {
        End::Whole => None,
        End::Enough if wanted.lane.is_some() => {
            Some(format!("there are more than {MOST}: these are the newest"))
        }
        End::Enough => Some(format!(
            "there are more than {MOST}: --lane USER/TASK looks for those of one lane"
        )),
        End::Time(id) => Some(format!(
            "contacts before id {id} were not read: the time is up"
        )),
    }
}

fn listed(stories: &[Story]) -> String {
    let mut list = table(&["id", "lane", "key", "phone", "status", "inserted"]);
    for Story { contact, .. } in stories {
        let ended = contact.fail_kind.as_deref();
        list.add_row([
            contact.id.to_string(),
            format!("{}/{}", contact.user_id, contact.task_id),
            contact
                .idempotency_key
                .clone()
                .unwrap_or_else(|| "-".to_owned()),
            contact.phone.to_string(),
            ended.map_or(contact.status.clone(), |kind| format!("failed, {kind}")),
            or_dash(contact.created_at.as_ref()),
        ]);
    }
    numbers(&mut list, &[0]);
    format!("{}\n`explain ID` tells the story of one\n", lines(&list))
}

fn shown(story: &Story) -> String {
    let contact = &story.contact;
    let mut facts = table(&["contact", &contact.id.to_string()]);
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            facts.add_row([name, &value]);
        }
    };
    fact(
        "lane",
        Some(format!("{}/{}", contact.user_id, contact.task_id)),
    );
    fact("phone", Some(contact.phone.to_string()));
    fact("idempotency_key", contact.idempotency_key.clone());
    fact("status", Some(contact.status.clone()));
    fact("fail_kind", contact.fail_kind.clone());
    fact("fail_cause", contact.fail_cause.clone());
    fact("attempts", Some(contact.attempts.to_string()));
    fact("created_at", contact.created_at.as_ref().map(moment));
    fact("not_before", contact.not_before.as_ref().map(moment));
    fact("finished_at", contact.finished_at.as_ref().map(moment));
    fact("redacted_at", contact.redacted_at.as_ref().map(moment));
    // Line breaks of a foreign text would look like lines of ours.
    let summary = spelt_out(&summary(story)).into_owned();
    let mut parts = vec![summary + "\n", lines(&facts)];
    parts.extend(story.requeued.iter().map(end_undone));
    parts.extend(story.batches.iter().map(told));
    parts.extend(story.lane.as_ref().map(standing));
    parts.join("\n")
}

fn moment(moment: &Moment) -> String {
    format!("{} ({})", moment.at, ago(moment.seconds_ago))
}

fn or_dash(at: Option<&Moment>) -> String {
    at.map_or_else(|| "-".to_owned(), moment)
}

fn end_undone(end: &Requeued) -> String {
    let mut facts = table(&["requeued", &or_dash(end.requeued_at.as_ref())]);
    let before = format!(
        "{} at {}, after {}",
        end.fail_kind,
        or_dash(end.finished_at.as_ref()),
        count(end.attempts.into(), "request", "requests")
    );
    facts.add_row(["had failed as", &before]);
    if let Some(cause) = &end.fail_cause {
        facts.add_row(["fail_cause", cause]);
    }
    lines(&facts)
}

fn told(batch: &BatchReport) -> String {
    let mut facts = table(&["batch", &batch.id]);
    let mut fact = |name: &str, value: String| {
        facts.add_row([name, &value]);
    };
    let split = batch.parent_id.as_ref();
    let of = split.map_or_else(String::new, |parent| format!(", split off {parent}"));
    fact("holds", contacts(batch.contacts) + &of);
    let maybe = if batch.maybe_delivered {
        ", an earlier send may have arrived"
    } else {
        ""
    };
    fact(
        "state",
        format!("{}, {}{maybe}", batch.state, sent(batch.attempts)),
    );
    fact("journalled", or_dash(batch.created_at.as_ref()));
    fact("sent last", or_dash(batch.sent_at.as_ref()));
    fact("closed", or_dash(batch.closed_at.as_ref()));
    if let Some(outcome) = &batch.outcome {
        fact("verdict", outcome.clone());
    }
    if let Some(answer) = batch.answer.as_ref().filter(|answer| !answer.is_empty()) {
        fact("answer", answer.clone());
    }
    lines(&facts)
}

fn sent(attempts: u32) -> String {
    match attempts {
        0 => "not sent yet".into(),
        1 => "sent once".into(),
        n => format!("sent {n} times"),
    }
}

fn failures(n: u32) -> String {
    count(n.into(), "failure", "failures")
}

fn standing(lane: &LaneStanding) -> String {
    let mut facts = table(&["the lane now", ""]);
    let mut fact = |name: &str, value: String| {
        facts.add_row([name, &value]);
    };
    match &lane.owner {
        Some(owner) => fact("in the hands of", format!("{} ({})", owner.host, owner.pid)),
        None => fact("in the hands of", "nobody".to_owned()),
    }
    if let Some(reason) = &lane.reason {
        let since = lane.held_for.map(span).unwrap_or_default();
        fact(
            "on hold for",
            format!("{reason}, {since}, {} in a row", failures(lane.failures)),
        );
        fact("message", lane.message.clone().unwrap_or_default());
        fact("next try in", span(lane.next_try_in));
    }
    lines(&facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::Lane;

    #[test]
    fn it_is_told_which_contacts_with_the_number_are_left_out() {
        let wanted = |lane| Wanted {
            phone: "13012121211".into(),
            lane,
        };
        let (any, one) = (wanted(None), wanted(Lane::new("u", "t").ok()));
        assert_eq!(the_rest(&any, End::Whole), None);
        for (wanted, end, told) in [
            (
                &any,
                End::Enough,
                "there are more than 20: --lane USER/TASK looks for those of one lane",
            ),
            (
                &one,
                End::Enough,
                "there are more than 20: these are the newest",
            ),
            (
                &one,
                End::Time(ContactId(7)),
                "contacts before id 7 were not read: the time is up",
            ),
        ] {
            assert_eq!(the_rest(wanted, end).as_deref(), Some(told));
        }
    }
}
