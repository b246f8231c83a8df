//! Whether a large backlog is drained as fast as a small one.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Bench;
use super::throughput::filled;
use crate::database::Database;
use crate::dataset::Contacts;
use crate::process::Simulator;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit, median};
use crate::usage::as_f64;

const LARGE: u64 = 2_000_000;
const SMALL: u64 = 20_000;

/// How many times each run drains the small backlog; the first time does not count.
const REPETITIONS: u32 = 8;

/// How long the large backlog is drained.
const TIME: Duration = Duration::from_secs(20);

/// The settings of a courier that waits for contacts between the repetitions.
const ALERT: [&str; 2] = ["delivery.linger=0s", "delivery.poll_interval=100ms"];

/// Drains both in turns.
pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    let contacts = Contacts::due(bench.options.scaled(LARGE), bench.options.lanes);
    let template = filled(bench, Engine::Postgres, contacts).await?;
    let (mut large, mut small) = (Vec::new(), Vec::new());
    for _ in 0..bench.options.runs() {
        let database = Database::copy(&bench.servers, &template).await?;
        large.push(drain_large(bench, &database).await?);
        database.remove().await?;
        let database = Database::create(&bench.servers, Engine::Postgres).await?;
        small.push(drain_small(bench, &database).await?);
        database.remove().await?;
    }
    template.remove().await?;
    table.push(Line::new("backlog of 20,000", Unit::Contacts, &small));
    let name = if bench.options.quick {
        "backlog of 500,000"
    } else {
        "backlog of 2,000,000"
    };
    table.push(Line::new(name, Unit::Contacts, &large));
    let changes: Vec<f64> = large
        .iter()
        .zip(&small)
        .map(|(l, s)| (l / s - 1.0) * 100.0)
        .collect();
    table.push(Line::new("… against 20,000", Unit::Change, &changes).at_least(-15.0));
    Ok(())
}

/// Contacts per second, from a second after the first batch on.
async fn drain_large(bench: &Bench, database: &Database) -> Result<f64> {
    let simulator = Simulator::start(&bench.options.program).await?;
    let courier = bench.courier(database, &simulator.base_url, &[], &bench.speed(&ALERT))?;
    let until = Instant::now() + bench.options.time(TIME);
    while Instant::now() < until && is_pending(database).await? {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    courier.stop().await?;
    simulator.stop().await?;
    let finished = database.epoch("finished_at");
    let instant = async |which: &str| {
        let expression = format!("{which}({finished})");
        database.number(&expression, "FROM contact_outbox").await
    };
    // The last moment is left out: the courier stops in it.
    let (from, to) = (instant("min").await? + 1.0, instant("max").await? - 0.5);
    ensure!(
        from < to,
        "drained in less than two seconds: too few contacts"
    );
    let rest = format!("FROM contact_outbox WHERE {finished} BETWEEN {from} AND {to}");
    Ok(database.number("count(*)", &rest).await? / (to - from))
}

/// Contacts per second, from the first batch of each repetition until its last row is final.
async fn drain_small(bench: &Bench, database: &Database) -> Result<f64> {
    let simulator = Simulator::start(&bench.options.program).await?;
    let courier = bench.courier(database, &simulator.base_url, &[], &bench.speed(&ALERT))?;
    let mut speeds = Vec::new();
    for nth in 0..=REPETITIONS {
        let began = database.clock().await?;
        let contacts = Contacts {
            // Each number comes once: the platform would refuse a second one.
            first: u64::from(nth) * SMALL,
            ..Contacts::due(SMALL, bench.options.lanes)
        };
        contacts.insert(database).await?;
        while is_pending(database).await? {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let last = database.epoch("max(finished_at)");
        let last = database.number(&last, "FROM contact_outbox").await?;
        let created = database.epoch("created_at");
        let rest = format!("FROM delivery_batch WHERE {created} >= {began}");
        let first = database.number(&format!("min({created})"), &rest).await?;
        speeds.push(as_f64(SMALL) / (last - first));
    }
    courier.stop().await?;
    simulator.stop().await?;
    Ok(median(&speeds[1..]))
}

async fn is_pending(database: &Database) -> Result<bool> {
    let rest = "FROM (SELECT 1 FROM contact_outbox WHERE status = 'pending' LIMIT 1) AS pending";
    Ok(database.number("count(*)", rest).await? > 0.0)
}
