//! The measurements, in the order of the table.

mod drain;
mod floor;
mod throughput;

use anyhow::Result;

use crate::options::Options;
use crate::servers::{Engine, Servers};
use crate::table::Table;

/// What every measurement needs.
pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) servers: Servers,
}

impl Bench {
    /// Settings of the courier for speed, then those of a measurement, then those of the command
    /// line.
    pub(crate) fn settings<'a>(&'a self, own: &[&'a str]) -> Vec<&'a str> {
        let mut settings = crate::tuning::SPEED.to_vec();
        settings.extend_from_slice(own);
        settings.extend(self.options.set.iter().map(String::as_str));
        settings
    }
}

/// Something that can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measurement {
    /// [`throughput`]
    Throughput(Engine),
}

impl Measurement {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 3] = [
        Self::Throughput(Engine::Postgres),
        Self::Throughput(Engine::MariaDb),
        Self::Throughput(Engine::Sqlite),
    ];

    /// What it is called on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Throughput(Engine::Postgres) => "drain-postgres",
            Self::Throughput(Engine::MariaDb) => "drain-mariadb",
            Self::Throughput(Engine::Sqlite) => "drain-sqlite",
        }
    }

    /// What it is, in a line.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Throughput(_) => {
                "contacts per second, beside the SQL-only floor; CPU, memory, WAL"
            }
        }
    }

    /// Measures and adds to the table.
    pub(crate) async fn run(self, bench: &Bench, table: &mut Table) -> Result<()> {
        match self {
            Self::Throughput(engine) => throughput::run(bench, engine, table).await,
        }
    }
}
