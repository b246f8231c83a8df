//! Whether a rate limit is used to the full and never exceeded: by one courier, and by three that
//! share it, on one database or on two.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{Bench, throughput};
use crate::arrivals::{Arrival, Arrivals};
use crate::database::Database;
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

/// The databases that the couriers are on, and how much of the limit is to be used, in percent.
struct Couriers {
    /// Each has a courier of its own.
    on: &'static [Engine],
    scope: &'static str,
    use_at_least: f64,
}

/// One courier with a limit of its own.
pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    let one = Couriers {
        on: &[Engine::Postgres],
        scope: "instance",
        use_at_least: 99.0,
    };
    measure(bench, "limit of 50 requests/s", &one, table).await
}

/// Three couriers with one limit.
pub(crate) async fn run_cluster(bench: &Bench, table: &mut Table) -> Result<()> {
    let three = Couriers {
        on: &[Engine::Postgres; 3],
        scope: "cluster",
        use_at_least: 98.0,
    };
    let what = "three couriers, cluster limit of 50 requests/s";
    measure(bench, what, &three, table).await
}

/// Two couriers with one limit, which the database of the first keeps.
pub(crate) async fn run_shared(bench: &Bench, table: &mut Table) -> Result<()> {
    let two = Couriers {
        on: &[Engine::Postgres, Engine::Sqlite],
        scope: "cluster",
        use_at_least: 97.0,
    };
    let what = "two couriers, on PostgreSQL and SQLite, one limit of 50 requests/s";
    measure(bench, what, &two, table).await
}

async fn measure(bench: &Bench, what: &str, couriers: &Couriers, table: &mut Table) -> Result<()> {
    let paced = paced(bench, couriers).await?;
    show(what, couriers.use_at_least, &paced, table);
    Ok(())
}

fn show(what: &str, use_at_least: f64, paced: &Paced, table: &mut Table) {
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
    table.push(used.at_least(use_at_least));
    table.push(excess.at_most(0.0));
}

async fn paced(bench: &Bench, couriers: &Couriers) -> Result<Paced> {
    let time = bench.options.time(TIME);
    let contacts = Contacts::due(RATE * BATCH * (time.as_secs() + 20), 90);
    let platform = Arrivals::listen(false)?;
    let own = [
        format!("rate_limit.requests_per_second={RATE}"),
        format!("rate_limit.scope={}", couriers.scope),
        format!("delivery.batch_size={BATCH}"),
    ];
    let mut databases: Vec<Database> = Vec::new();
    let mut running = Vec::new();
    for engine in couriers.on {
        if databases.iter().all(|database| database.engine != *engine) {
            databases.push(throughput::filled(bench, *engine, contacts).await?);
        }
    }
    for engine in couriers.on {
        let home = databases.iter().find(|database| database.engine == *engine);
        let home = home.context("each engine has a database")?;
        let rates = format!("rate_limit.database_url={}", databases[0].url);
        let mut settings: Vec<&str> = own.iter().map(String::as_str).collect();
        if databases.len() > 1 && *engine != databases[0].engine {
            settings.push(&rates);
        }
        let settings = bench.defaults(&settings);
        running.push(bench.courier(home, &platform.base_url, &[], &settings)?);
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
    for database in databases {
        database.remove().await?;
    }
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
