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

/// Watches a courier with 1,000 lanes that have been worked and are empty, on each database.
pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    for engine in Engine::ALL {
        let what = format!(
            "idle, 1,000 empty lanes on {}: CPU of a core",
            engine.name()
        );
        if let Some(why) = bench.servers.missing(engine) {
            table.push(Line::not_available(what, Unit::Percent, &why));
            continue;
        }
        let (own, servers) = watched(bench, engine).await?;
        table.push(Line::new(what, Unit::Percent, &[own]).below(1.0));
        if engine != Engine::Sqlite {
            table.push(
                Line::new("… the database's beside it", Unit::Percent, &[servers]).below(1.0),
            );
        }
    }
    Ok(())
}

/// Percent of a core that the courier takes, and the database's server.
async fn watched(bench: &Bench, engine: Engine) -> Result<(f64, f64)> {
    let contacts = Contacts::due(20 * LANES, LANES);
    let database = throughput::filled(bench, engine, contacts).await?;
    drain::run(bench, &database, contacts).await?;
    database.settle_down().await?;
    let simulator = Simulator::start(&bench.options.program).await?;
    let courier = bench.courier(&database, &simulator.base_url, &[], &bench.defaults(&[]))?;
    tokio::time::sleep(REST).await;
    let before = (usage::cpu(courier.pid)?, bench.servers.cpu(engine).await?);
    let began = Instant::now();
    tokio::time::sleep(bench.options.time(TIME)).await;
    let after = (usage::cpu(courier.pid)?, bench.servers.cpu(engine).await?);
    let percent = 100.0 / began.elapsed().as_secs_f64();
    courier.stop().await?;
    simulator.stop().await?;
    database.remove().await?;
    Ok((
        (after.0 - before.0) * percent,
        (after.1 - before.1) * percent,
    ))
}
