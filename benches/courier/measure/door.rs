//! Whether a limit at the platform's own door is used to the full: over a network that jitters, and
//! where the limit is lower than the configured one.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Bench, throughput};
use crate::arrivals::{Arrival, Arrivals, Door};
use crate::dataset::Contacts;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit};
use crate::usage::as_f64;

/// Requests per second, as configured.
const RATE: u64 = 50;

/// Requests per second that the platform allows without telling anybody.
const TRUE_RATE: u64 = 20;

/// Contacts in a request: few, so that the time goes into the limit and not into the rows.
const BATCH: u64 = 10;

/// How long the use is measured.
const TIME: Duration = Duration::from_secs(25);

/// The time for learning, from the first request on.
const LEARNING: Duration = Duration::from_secs(20);

const PATIENCE: Duration = Duration::from_secs(30);

/// The configured limit is the true one, and each request is delayed by 0 to 60 ms.
pub(crate) async fn jitter(bench: &Bench, table: &mut Table) -> Result<()> {
    let door = Door {
        delay: Duration::from_millis(60),
        per_second: Some(as_count(RATE)),
    };
    let what = "limit of 50 requests/s, delays of 0 to 60 ms";
    show(what, (95.0, 0.5), &behind(bench, door, RATE).await?, table);
    Ok(())
}

/// 50 requests per second are configured, and 20 allowed.
pub(crate) async fn unknown_limit(bench: &Bench, table: &mut Table) -> Result<()> {
    let door = Door {
        delay: Duration::ZERO,
        per_second: Some(as_count(TRUE_RATE)),
    };
    let what = "50 requests/s configured, 20 allowed";
    show(
        what,
        (92.0, 2.0),
        &behind(bench, door, TRUE_RATE).await?,
        table,
    );
    Ok(())
}

fn as_count(rate: u64) -> usize {
    usize::try_from(rate).unwrap_or(usize::MAX)
}

/// The results of the requests after the learning, in percent.
struct Passed {
    used: f64,
    refused: f64,
}

fn show(what: &str, (used, refused): (f64, f64), passed: &Passed, table: &mut Table) {
    let line = Line::new(format!("{what}: use"), Unit::Percent, &[passed.used]);
    table.push(line.at_least(used));
    let line = Line::new("… refused", Unit::Percent, &[passed.refused]);
    table.push(line.at_most(refused));
}

async fn behind(bench: &Bench, door: Door, allowed: u64) -> Result<Passed> {
    let time = bench.options.time(TIME);
    let seconds = (LEARNING + time).as_secs() + 20;
    let contacts = Contacts::due(RATE * BATCH * seconds, 90);
    let database = throughput::filled(bench, Engine::Postgres, contacts).await?;
    let platform = Arrivals::behind(door)?;
    let own = [
        format!("rate_limit.requests_per_second={RATE}"),
        format!("delivery.batch_size={BATCH}"),
    ];
    let settings = bench.defaults(&own.each_ref().map(String::as_str));
    let courier = bench.courier(&database, &platform.base_url, &[], &settings)?;
    let first = platform.first(0, PATIENCE, |_| true).await?;
    let from = first + LEARNING;
    tokio::time::sleep_until((from + time).into()).await;
    courier.stop().await?;
    let passed = passed(&platform.all(), from, time, allowed);
    database.remove().await?;
    Ok(passed)
}

fn passed(arrivals: &[Arrival], from: Instant, time: Duration, allowed: u64) -> Passed {
    let counted = arrivals
        .iter()
        .filter(|a| a.at >= from && a.at < from + time);
    let (let_in, refused): (Vec<&Arrival>, Vec<&Arrival>) = counted.partition(|a| a.let_in);
    let (let_in, refused) = (let_in.len() as u64, refused.len() as u64);
    Passed {
        used: as_f64(let_in) / (as_f64(allowed) * time.as_secs_f64()) * 100.0,
        refused: as_f64(refused) / as_f64((let_in + refused).max(1)) * 100.0,
    }
}
