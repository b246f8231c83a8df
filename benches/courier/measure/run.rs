//! The step from a measurement's name to the file that takes it.

use anyhow::Result;

use super::bench::Bench;
use super::{
    answers, backlog, deferred, door, idle, large_rows, latency, memory, neighbours, rate,
    small_lane, throughput, trickle,
};
use crate::measurement::Measurement;
use crate::table::Table;

/// Measures and adds to the table.
pub(crate) async fn run(measurement: Measurement, bench: &Bench, table: &mut Table) -> Result<()> {
    match measurement {
        Measurement::Drain(engine) => throughput::run(bench, engine, table).await,
        Measurement::Backlog => backlog::run(bench, table).await,
        Measurement::Deferred => deferred::run(bench, table).await,
        Measurement::Memory => memory::run(bench, table).await,
        Measurement::LargeRows => large_rows::run(bench, table).await,
        Measurement::Idle => idle::run(bench, table).await,
        Measurement::Latency => latency::run(bench, table).await,
        Measurement::Trickle => trickle::run(bench, table).await,
        Measurement::SmallLane => small_lane::run(bench, table).await,
        Measurement::Neighbours(engine) => neighbours::run(bench, engine, table).await,
        Measurement::Rate => rate::run(bench, table).await,
        Measurement::Cluster => rate::run_cluster(bench, table).await,
        Measurement::Shared => rate::run_shared(bench, table).await,
        Measurement::Jitter => door::jitter(bench, table).await,
        Measurement::UnknownLimit => door::unknown_limit(bench, table).await,
        Measurement::Answers => answers::run(table),
    }
}
