//! The command `explain`: its arguments, and what it does with them.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::summary::summary;
use crate::cli::operator;
use crate::cli::settings_args::SettingsArgs;
use crate::cli::span::{ago, contacts, count, span};
use crate::cli::table::{lines, table};
use crate::contact::ContactId;
use crate::outbox::{BatchReport, LaneStanding, Moment, Requeued, Story};
use crate::settings::Settings;

/// Tells a contact's whole story: every batch it was in, each answer, and what comes next
///
/// Times are the database's, in UTC. The phone number is masked.
#[derive(Args, Debug)]
pub(in crate::cli) struct ExplainArgs {
    #[command(flatten)]
    pub(in crate::cli) settings: SettingsArgs,
    /// The row's id in `contact_outbox`
    #[arg(value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    id: i64,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// The story, begun with its end.
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
    let operations = operator::connect(settings).await?;
    let Some(story) = operations.story(ContactId(args.id)).await? else {
        bail!(
            "there is no contact {}: it was deleted, or never inserted",
            args.id
        );
    };
    if args.json {
        let told = Told {
            summary: summary(&story),
            story: &story,
        };
        writeln!(out, "{}", serde_json::to_string(&told)?)?;
    } else {
        write!(out, "{}", shown(&story))?;
    }
    Ok(())
}

fn shown(story: &Story) -> String {
    let contact = &story.contact;
    let mut facts = table(&["contact", &contact.id.to_string()]);
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            facts.add_row([name.to_owned(), value]);
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
    let mut parts = vec![format!("{}\n", summary(story)), lines(&facts)];
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
    facts.add_row(["had failed as".to_owned(), before]);
    if let Some(cause) = &end.fail_cause {
        facts.add_row(["fail_cause".to_owned(), cause.clone()]);
    }
    lines(&facts)
}

fn told(batch: &BatchReport) -> String {
    let mut facts = table(&["batch", &batch.id]);
    let mut fact = |name: &str, value: String| {
        facts.add_row([name.to_owned(), value]);
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

fn standing(lane: &LaneStanding) -> String {
    let mut facts = table(&["the lane now", ""]);
    let mut fact = |name: &str, value: String| {
        facts.add_row([name.to_owned(), value]);
    };
    match &lane.owner {
        Some(owner) => fact("in the hands of", format!("{} ({})", owner.host, owner.pid)),
        None => fact("in the hands of", "nobody".to_owned()),
    }
    if let Some(reason) = &lane.reason {
        let since = lane.held_for.map(span).unwrap_or_default();
        fact(
            "on hold for",
            format!("{reason}, {since}, {} failures in a row", lane.failures),
        );
        fact("message", lane.message.clone().unwrap_or_default());
        fact("next try in", span(lane.next_try_in));
    }
    lines(&facts)
}
