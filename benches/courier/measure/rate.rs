//! Whether a rate limit is used to the full and never exceeded: by one courier, and by three that
//! share it.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Bench, throughput};
use crate::arrivals::{Arrival, Arrivals};
use crate::dataset::Contacts;
use crate::process::Courier;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit};
use crate::usage::as_f64;

/// Requests per second.
const RATE: u64 = 50;

/// Contacts in a request: few, so that the time goes into the limit and not into the rows.
const BATCH: u64 = 10;

/// How long the use is measured.
const TIME: Duration = Duration::from_secs(25);

/// The time that couriers may take, from the first request on, to share a limit among them.
const BEGINNING: Duration = Duration::from_secs(2);

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// The numbers that the requests show, or why there were no requests.
enum Paced {
    Measured { used: f64, excess: f64 },
    NotAvailable(String),
}

/// One courier with a limit of its own.
pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    let paced = paced(bench, 1, "instance").await?;
    show("limit of 50 requests/s", &paced, table);
    Ok(())
}

/// Three couriers with one limit.
pub(crate) async fn run_cluster(bench: &Bench, table: &mut Table) -> Result<()> {
    let paced = paced(bench, 3, "cluster").await?;
    show(
        "three couriers, cluster limit of 50 requests/s",
        &paced,
        table,
    );
    Ok(())
}

fn show(what: &str, paced: &Paced, table: &mut Table) {
    let (used, excess) = (
        format!("{what}: use"),
        "… excess in the worst sliding second",
    );
    let (used, excess) = match paced {
        Paced::Measured {
            used: part,
            excess: too_many,
        } => (
            Line::new(used, Unit::Percent, &[*part]),
            Line::new(excess, Unit::Requests, &[*too_many]),
        ),
        Paced::NotAvailable(why) => (
            Line::not_available(used, Unit::Percent, why),
            Line::not_available(excess, Unit::Requests, "as above"),
        ),
    };
    table.push(used.at_least(98.0));
    table.push(excess.at_most(0.0));
}

async fn paced(bench: &Bench, couriers: u32, scope: &str) -> Result<Paced> {
    let time = bench.options.time(TIME);
    let contacts = Contacts::due(RATE * BATCH * (time.as_secs() + 20), 90);
    let database = throughput::filled(bench, Engine::Postgres, contacts).await?;
    let platform = Arrivals::listen(false)?;
    let own = [
        format!("rate_limit.requests_per_second={RATE}"),
        format!("rate_limit.scope={scope}"),
        format!("delivery.batch_size={BATCH}"),
    ];
    let settings = bench.defaults(&own.each_ref().map(String::as_str));
    let mut running = Vec::new();
    for _ in 0..couriers {
        running.push(bench.courier(&database, &platform.base_url, &[], &settings)?);
    }
    let paced = if let Some(why) = refused(&mut running, &platform).await? {
        Paced::NotAvailable(why)
    } else {
        tokio::time::sleep(BEGINNING + time).await;
        let used = used(&platform.all(), time);
        for courier in running {
            courier.stop().await?;
        }
        let worst = worst_second(&platform.all());
        let excess = as_f64(worst.saturating_sub(RATE));
        Paced::Measured { used, excess }
    };
    database.remove().await?;
    Ok(paced)
}

/// Waits for the first request. If a courier ends instead, returns its last words.
async fn refused(running: &mut [Courier], platform: &Arrivals) -> Result<Option<String>> {
    let until = Instant::now() + PATIENCE;
    while platform.count() == 0 && Instant::now() < until {
        for courier in running.iter_mut() {
            if !courier.runs()? {
                return Ok(Some(courier.last_words()));
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    platform.wait_for(1, Duration::ZERO).await?;
    Ok(None)
}

/// Percent of the limit that is used, after the beginning.
fn used(arrivals: &[Arrival], time: Duration) -> f64 {
    let Some(first) = arrivals.iter().map(|arrival| arrival.at).min() else {
        return 0.0;
    };
    let from = first + BEGINNING;
    let counted = arrivals
        .iter()
        .filter(|a| a.at >= from && a.at < from + time);
    as_f64(counted.count() as u64) / (as_f64(RATE) * time.as_secs_f64()) * 100.0
}

/// The most requests in any second, wherever it begins.
fn worst_second(arrivals: &[Arrival]) -> u64 {
    let mut at: Vec<Instant> = arrivals.iter().map(|arrival| arrival.at).collect();
    at.sort();
    let within = |begin: usize| at[begin..].partition_point(|at_| *at_ < at[begin] + SECOND);
    (0..at.len()).map(within).max().unwrap_or_default() as u64
}
