//! The measurements, in the order of the table.

mod backlog;
mod deferred;
mod drain;
mod floor;
mod idle;
mod latency;
mod memory;
mod rate;
mod small_lane;
mod throughput;

use anyhow::Result;

use crate::database::Database;
use crate::options::Options;
use crate::process::Courier;
use crate::servers::{Engine, Servers};
use crate::table::Table;
use crate::tuning;

/// What every measurement needs.
pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) servers: Servers,
}

impl Bench {
    /// The settings that speed is measured with, then those of a measurement, then those of the
    /// command line.
    pub(crate) fn speed<'a>(&'a self, own: &[&'a str]) -> Vec<&'a str> {
        let changed = self.options.set.iter().map(String::as_str);
        tuning::SPEED
            .iter()
            .chain(own)
            .copied()
            .chain(changed)
            .collect()
    }

    /// The same, beginning with the program's defaults.
    pub(crate) fn defaults<'a>(&'a self, own: &[&'a str]) -> Vec<&'a str> {
        let changed = self.options.set.iter().map(String::as_str);
        own.iter().copied().chain(changed).collect()
    }

    /// A courier between a database and a platform.
    pub(crate) fn courier(
        &self,
        database: &Database,
        platform: &str,
        arguments: &[&str],
        settings: &[&str],
    ) -> Result<Courier> {
        Courier::start(
            &self.options.program,
            &database.url,
            platform,
            arguments,
            settings,
        )
    }
}

/// Something that can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measurement {
    /// [`throughput`], with [`drain`] and [`floor`].
    Drain(Engine),
    /// [`backlog`]
    Backlog,
    /// [`deferred`]
    Deferred,
    /// [`memory`]
    Memory,
    /// [`idle`]
    Idle,
    /// [`latency`]
    Latency,
    /// [`small_lane`]
    SmallLane,
    /// [`rate`]
    Rate,
    /// [`rate`], with several couriers.
    Cluster,
}

impl Measurement {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 12] = [
        Self::Drain(Engine::Postgres),
        Self::Drain(Engine::Sqlite),
        Self::Drain(Engine::MariaDb),
        Self::Drain(Engine::MySql),
        Self::Backlog,
        Self::Deferred,
        Self::Memory,
        Self::Idle,
        Self::Latency,
        Self::SmallLane,
        Self::Rate,
        Self::Cluster,
    ];

    /// What it is called on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Drain(Engine::Postgres) => "drain-postgres",
            Self::Drain(Engine::MariaDb) => "drain-mariadb",
            Self::Drain(Engine::MySql) => "drain-mysql",
            Self::Drain(Engine::Sqlite) => "drain-sqlite",
            Self::Backlog => "backlog",
            Self::Deferred => "deferred",
            Self::Memory => "memory",
            Self::Idle => "idle",
            Self::Latency => "latency",
            Self::SmallLane => "small-lane",
            Self::Rate => "rate-limit",
            Self::Cluster => "cluster",
        }
    }

    /// What it is, in a line.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Drain(_) => "contacts per second, beside the SQL-only floor; CPU, memory, WAL",
            Self::Backlog => "speed at a backlog of 2,000,000 against 20,000",
            Self::Deferred => "speed of a lane that also holds 1,000,000 rows for tomorrow",
            Self::Memory => "peak memory with 1,000 lanes and a backlog",
            Self::Idle => "CPU with 1,000 empty lanes",
            Self::Latency => "from commit to request at low load",
            Self::SmallLane => "first row of a small lane behind 1,000,000 rows of another",
            Self::Rate => "use and excess of a limit of 50 requests per second",
            Self::Cluster => "the same by three couriers that share it",
        }
    }

    /// Measures and adds to the table.
    pub(crate) async fn run(self, bench: &Bench, table: &mut Table) -> Result<()> {
        match self {
            Self::Drain(engine) => throughput::run(bench, engine, table).await,
            Self::Backlog => backlog::run(bench, table).await,
            Self::Deferred => deferred::run(bench, table).await,
            Self::Memory => memory::run(bench, table).await,
            Self::Idle => idle::run(bench, table).await,
            Self::Latency => latency::run(bench, table).await,
            Self::SmallLane => small_lane::run(bench, table).await,
            Self::Rate => rate::run(bench, table).await,
            Self::Cluster => rate::run_cluster(bench, table).await,
        }
    }
}
