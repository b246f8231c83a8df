//! The CPU time and memory of a courier that has nothing to do.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Bench, drain, throughput};
use crate::dataset::Contacts;
use crate::process::Simulator;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit};
use crate::usage;

const LANES: u64 = 1000;

/// How long the courier is watched, after it has come to rest.
const TIME: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(3);

/// Watches a courier with 1,000 lanes that have been worked and are empty.
pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    let contacts = Contacts::due(20 * LANES, LANES);
    let database = throughput::filled(bench, Engine::Postgres, contacts).await?;
    drain::run(bench, &database, contacts).await?;
    database.settle_down().await?;
    let simulator = Simulator::start(&bench.options.program).await?;
    let courier = bench.courier(&database, &simulator.base_url, &[], &bench.defaults(&[]))?;
    tokio::time::sleep(REST).await;
    let before = (
        usage::cpu(courier.pid)?,
        bench.servers.cpu(Engine::Postgres).await?,
    );
    let began = Instant::now();
    tokio::time::sleep(bench.options.time(TIME)).await;
    let after = (
        usage::cpu(courier.pid)?,
        bench.servers.cpu(Engine::Postgres).await?,
    );
    let percent = 100.0 / began.elapsed().as_secs_f64();
    courier.stop().await?;
    simulator.stop().await?;
    database.remove().await?;
    let own = Line::new(
        "idle, 1,000 empty lanes: CPU of a core",
        Unit::Percent,
        &[(after.0 - before.0) * percent],
    );
    table.push(own.below(1.0));
    table.push(Line::new(
        "… PostgreSQL's beside it",
        Unit::Percent,
        &[(after.1 - before.1) * percent],
    ));
    Ok(())
}
