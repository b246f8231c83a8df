//! `demo`: everything at once, on a temporary SQLite database and a simulated platform.
//!
//! Some contacts are malformed, some numbers come twice, some rows break a rule, and the platform
//! fails now and then, before and after it has imported. The summary compares what the table says
//! with what the platform holds: they agree, or the demo fails.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::SecretString;
use serde::Serialize;

use crate::app;
use crate::courier::Until;
use crate::courier::lifecycle::{Lifecycle, Signals};
use crate::outbox::{FailedContact, FailureFilter, NewContact, Outbox, OutcomeCount};
use crate::settings::Settings;
use crate::simulator::{Config, Faults, Running, Simulator, State};

/// Shows everything at once: a simulated platform with faults, contacts good and bad, the outcome
///
/// Uses a temporary database and this machine's loopback address alone; needs no settings.
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// How many contacts to deliver
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    contacts: u32,
    /// Repeats the faults of an earlier demo
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Prints the outcome alone, as JSON
    #[arg(long)]
    json: bool,
}

/// The outcome of the demo.
#[derive(Debug, Serialize)]
struct Report<'a> {
    contacts: u64,
    outcomes: &'a [OutcomeCount],
    seconds: f64,
    contacts_per_second: f64,
    requests: u64,
    requests_that_met_a_fault: u64,
    /// Numbers in requests; a number that came twice counts twice.
    numbers_sent: u64,
    numbers_held: u64,
    /// Contacts that succeeded with another contact's number: the answer to their own send was
    /// lost.
    repeated_numbers: u64,
}

impl<'a> Report<'a> {
    fn new(outcomes: &'a [OutcomeCount], delivered: u64, state: &State, took: Duration) -> Self {
        let of = |status: Option<&str>| -> u64 {
            let counted = outcomes
                .iter()
                .filter(|outcome| status.is_none_or(|s| outcome.status == s));
            counted.map(|outcome| outcome.contacts).sum()
        };
        let (contacts, seconds) = (of(None), took.as_secs_f64());
        Self {
            contacts,
            outcomes,
            seconds,
            contacts_per_second: f64::from(u32::try_from(contacts).unwrap_or(u32::MAX))
                / seconds.max(0.001),
            requests: state.totals.requests,
            requests_that_met_a_fault: state.totals.answers.faults(),
            numbers_sent: state.totals.rows_received,
            numbers_held: state.totals.numbers_held,
            repeated_numbers: of(Some("succeeded")).saturating_sub(delivered),
        }
    }
}

const LANES: u32 = 8;
const TOKEN: &str = "demo-token";
const FAILURES_SHOWN: usize = 15;

pub(super) async fn run(args: &DemoArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let app::Database {
        outbox, operations, ..
    } = app::new_sqlite(&folder.path().join("demo.db")).await?;
    let faults = faults();
    let platform = Simulator::start(Config {
        token: TOKEN.into(),
        seed: args.seed,
        faults: faults.clone(),
        ..Config::default()
    })
    .await
    .context("cannot start the simulated platform")?;
    if !args.json {
        introduce(args, &faults, &platform, out)?;
    }
    insert(&*outbox, args.contacts).await?;
    let begun = Instant::now();
    deliver(outbox, &platform, args.contacts).await?;
    let took = begun.elapsed();
    let outcomes = operations.outcomes().await?;
    let everything = FailureFilter::default();
    let mut failures = operations
        .failures(&everything, None, u32::MAX)
        .await?
        .failures;
    failures.sort_by_key(|failed| failed.id);
    let delivered = operations.numbers_delivered().await?;
    let state = platform.state();
    platform.stop().await;
    let report = Report::new(&outcomes, delivered, &state, took);
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        summarize(&report, &failures, out)?;
    }
    agree(&outcomes, delivered, &state)
}

fn faults() -> Faults {
    Faults {
        latency: Duration::from_millis(20),
        error_before: 0.04,
        error_after: 0.04,
        reset_after: 0.04,
        too_many_requests: 0.02,
        garbled: 0.02,
        ..Faults::default()
    }
}

fn introduce(
    args: &DemoArgs,
    faults: &Faults,
    platform: &Running,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let percent = |share: f64| share * 100.0;
    writeln!(
        out,
        "A simulated platform listens on {}.",
        platform.base_url()
    )?;
    writeln!(
        out,
        "Of its answers, {:.0} % are errors before the import, {:.0} % errors after it, {:.0} % \
         get lost,\n{:.0} % are garbled and {:.0} % say \"too many requests\".",
        percent(faults.error_before),
        percent(faults.error_after),
        percent(faults.reset_after),
        percent(faults.garbled),
        percent(faults.too_many_requests),
    )?;
    writeln!(
        out,
        "Delivering {} contacts in {LANES} lanes, at most 200 requests per second (the \
         default is 10).\nSome numbers are malformed, some come twice, some rows break a rule.\n",
        args.contacts
    )?;
    Ok(out.flush()?)
}

/// Makes contact `n`: of a hundred, one is malformed, one repeats an earlier number, one breaks a
/// rule.
fn contact(n: u32) -> NewContact {
    let number = |n: u32| format!("13{:09}", u64::from(n) * 104_729 % 1_000_000_000);
    let mut contact = NewContact {
        user_id: format!("shop-{}", n % LANES / 4 + 1),
        task_id: format!("task-{}", n % LANES + 1),
        phone: number(n),
        name: Some(format!("Contact {n}")),
        ..NewContact::default()
    };
    match n % 100 {
        17 => contact.phone = format!("99{:06}", n % 1_000_000),
        // The same lane, some turns earlier.
        48 => contact.phone = number(n - LANES),
        76 => {
            contact.extra = Some("crm-77".into());
            contact.ignore_crm = Some(true);
        }
        _ => {}
    }
    contact
}

async fn insert(outbox: &dyn Outbox, contacts: u32) -> anyhow::Result<()> {
    let mut insertion = outbox.begin_insert().await?;
    let all: Vec<u32> = (0..contacts).collect();
    for some in all.chunks(1_000) {
        let some: Vec<NewContact> = some.iter().map(|&n| contact(n)).collect();
        insertion.add(&some).await?;
    }
    Ok(insertion.commit().await?)
}

async fn deliver(
    outbox: std::sync::Arc<dyn Outbox>,
    platform: &Running,
    contacts: u32,
) -> anyhow::Result<()> {
    let mut settings = Settings::default();
    settings.platform.base_url = platform.base_url().parse()?;
    settings.platform.token = Some(SecretString::from(TOKEN));
    settings.delivery.linger = Duration::ZERO;
    settings.delivery.poll_interval = Duration::from_millis(100);
    settings.retry.initial_interval = Duration::from_millis(100);
    settings.retry.max_interval = Duration::from_secs(1);
    settings.rate_limit.requests_per_second = 200.0;
    let courier = app::courier(outbox, None, &settings)?;
    let life = Lifecycle::new();
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let bar = progress(contacts);
    let running = courier.run(life.clone(), Until::Done);
    tokio::pin!(running);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            ended = &mut running => {
                bar.finish_and_clear();
                ended?;
                ensure!(!life.is_stopping(), "stopped before the end");
                return Ok(());
            }
            _ = tick.tick() => bar.set_position(platform.totals().numbers_held),
            _ = signals.next() => life.stop(),
        }
    }
}

fn progress(contacts: u32) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} on the platform, {elapsed}");
    ProgressBar::new(contacts.into())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn summarize(
    report: &Report<'_>,
    failures: &[FailedContact],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["outcome", "contacts"]);
    for outcome in report.outcomes {
        let name = match &outcome.fail_kind {
            Some(kind) => format!("{}, {kind}", outcome.status),
            None => outcome.status.clone(),
        };
        table.add_row([name, outcome.contacts.to_string()]);
    }
    writeln!(out, "{table}\n")?;
    writeln!(
        out,
        "{} contacts, {} requests ({} met a fault), {:.1} s, {:.0} contacts per second",
        report.contacts,
        report.requests,
        report.requests_that_met_a_fault,
        report.seconds,
        report.contacts_per_second,
    )?;
    writeln!(
        out,
        "the platform holds {} numbers, each once, though numbers were sent to it {} times",
        report.numbers_held, report.numbers_sent
    )?;
    writeln!(
        out,
        "{} contacts succeeded with another contact's number: the answer to their own send was lost\n",
        report.repeated_numbers
    )?;
    failures_table(failures, out)
}

fn failures_table(failures: &[FailedContact], out: &mut dyn Write) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["id", "lane", "phone", "fail_kind", "fail_cause"]);
    for failed in failures.iter().take(FAILURES_SHOWN) {
        table.add_row([
            failed.id.to_string(),
            format!("{}/{}", failed.user_id, failed.task_id),
            failed.phone.to_string(),
            failed.kind.clone(),
            failed.cause.clone(),
        ]);
    }
    writeln!(out, "{table}")?;
    if let Some(more) = failures
        .len()
        .checked_sub(FAILURES_SHOWN)
        .filter(|more| *more > 0)
    {
        let mut kinds = BTreeMap::new();
        for failed in &failures[FAILURES_SHOWN..] {
            *kinds.entry(failed.kind.as_str()).or_insert(0u32) += 1;
        }
        let kinds: Vec<String> = kinds
            .iter()
            .map(|(kind, n)| format!("{n} {kind}"))
            .collect();
        writeln!(out, "and {more} more: {}", kinds.join(", "))?;
    }
    Ok(())
}

/// Checks that the numbers that succeeded are the numbers that the platform holds, each once.
fn agree(outcomes: &[OutcomeCount], delivered: u64, state: &State) -> anyhow::Result<()> {
    let pending = outcomes
        .iter()
        .filter(|outcome| outcome.status == "pending");
    let pending: u64 = pending.map(|outcome| outcome.contacts).sum();
    ensure!(pending == 0, "{pending} contacts are still pending");
    let held = state.totals.numbers_held;
    ensure!(
        delivered == held,
        "{delivered} numbers succeeded, but the platform holds {held}"
    );
    let mut numbers = state.tasks.iter().flat_map(|task| &task.numbers);
    ensure!(
        numbers.all(|number| number.times_held <= 1),
        "a number is held twice"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shown(json: bool) -> String {
        let args = DemoArgs {
            contacts: 600,
            seed: 7,
            json,
        };
        let mut out = Vec::new();
        run(&args, &mut out).await.unwrap();
        String::from_utf8(out).unwrap()
    }

    #[tokio::test]
    async fn the_demo_ends_by_itself_and_the_table_agrees_with_the_platform() {
        let text = shown(false).await;
        for part in [
            "succeeded",
            "failed, rejected",
            "failed, duplicate",
            "failed, invalid",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("600 contacts"), "{text}");
        assert!(
            !text.contains(&contact(17).phone),
            "numbers are masked: {text}"
        );
    }

    #[tokio::test]
    async fn as_json_it_prints_one_line_whose_numbers_add_up() {
        let text = shown(true).await;
        assert_eq!(text.lines().count(), 1, "{text}");
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["contacts"], 600);
        let of = |key: &str| report[key].as_u64().unwrap();
        let succeeded = report["outcomes"].as_array().unwrap().iter();
        let succeeded: u64 = succeeded
            .filter(|outcome| outcome["status"] == "succeeded")
            .map(|outcome| outcome["contacts"].as_u64().unwrap())
            .sum();
        // Of a hundred contacts, 97 have a good number of their own.
        assert_eq!(of("numbers_held"), 6 * 97);
        assert_eq!(succeeded, 6 * 97 + of("repeated_numbers"));
        assert!(of("numbers_sent") >= succeeded && of("requests_that_met_a_fault") > 0);
    }
}
