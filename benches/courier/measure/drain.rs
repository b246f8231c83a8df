//! A drain: `run --once` on a backlog, from its start until the last row is final.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::Bench;
use crate::database::Database;
use crate::dataset::Contacts;
use crate::process::Simulator;
use crate::usage::{self, as_f64};

/// The times and resources of a drain.
#[derive(Debug)]
pub(crate) struct Drained {
    pub(crate) contacts: f64,
    /// Seconds from the start of the process until the last row was final.
    pub(crate) whole: f64,
    /// Seconds from the first batch in the journal on.
    pub(crate) net: f64,
    /// Seconds from the start of the process until its end.
    pub(crate) ended: f64,
    /// CPU seconds.
    pub(crate) courier_cpu: f64,
    /// CPU seconds.
    pub(crate) database_cpu: f64,
    /// CPU seconds.
    pub(crate) simulator_cpu: f64,
    /// MiB.
    pub(crate) peak: f64,
    /// Bytes.
    pub(crate) wal: f64,
    pub(crate) requests: u64,
}

impl Drained {
    /// The part of an amount that falls to 100,000 contacts.
    pub(crate) fn per_100k(&self, all: f64) -> f64 {
        all / self.contacts * 100_000.0
    }
}

/// Drains these contacts. The database must hold nothing else.
pub(crate) async fn run(bench: &Bench, database: &Database, contacts: Contacts) -> Result<Drained> {
    let simulator = Simulator::start(&bench.options.program).await?;
    let (wal, server_cpu) = (
        database.wal().await?,
        bench.servers.cpu(database.engine).await?,
    );
    let children_cpu = usage::ended_children_cpu()?;
    let (started, began) = (database.clock().await?, Instant::now());
    let mut courier = bench.courier(
        database,
        &simulator.base_url,
        &["--once"],
        &bench.speed(&[]),
    )?;
    courier.done().await?;
    let ended = began.elapsed().as_secs_f64();
    let courier_cpu = usage::ended_children_cpu()? - children_cpu;
    let database_cpu = bench.servers.cpu(database.engine).await? - server_cpu;
    let wal = database.wal().await? - wal;
    if let Some(file) = &bench.options.log {
        courier.keep_log(file)?;
    }
    let simulator = simulator.stop().await?;
    is_right(database, contacts, simulator.numbers_held).await?;
    let last = database.epoch("max(finished_at)");
    let last = database.number(&last, "FROM contact_outbox").await?;
    let first = database.epoch("min(created_at)");
    let first = database.number(&first, "FROM delivery_batch").await?;
    Ok(Drained {
        contacts: as_f64(contacts.count),
        whole: last - started,
        net: last - first,
        ended,
        courier_cpu,
        database_cpu,
        simulator_cpu: simulator.cpu,
        peak: courier.peak_memory(),
        wal,
        requests: simulator.requests,
    })
}

/// Fails if the work was not done: the bad rows must be refused, and nothing else. Otherwise the
/// speed does not count.
pub(super) async fn is_right(database: &Database, contacts: Contacts, held: u64) -> Result<()> {
    let count = async |status: &str| {
        let rest = format!("FROM contact_outbox WHERE status = '{status}'");
        database.number("count(*)", &rest).await
    };
    let (succeeded, failed) = (count("succeeded").await?, count("failed").await?);
    let bad = as_f64(contacts.bad());
    let good = as_f64(contacts.count) - bad;
    ensure!(
        (succeeded, failed, as_f64(held)) == (good, bad, good),
        "{succeeded} contacts succeeded, {failed} failed and the platform has {held}, instead of \
         {good}, {bad} and {good}"
    );
    Ok(())
}
