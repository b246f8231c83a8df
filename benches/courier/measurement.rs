//! A part of the benchmark that can run alone, by its name.

use crate::servers::Engine;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measurement {
    /// `measure::throughput`, with `drain` and `floor`.
    Drain(Engine),
    /// `measure::backlog`
    Backlog,
    /// `measure::deferred`
    Deferred,
    /// `measure::memory`
    Memory,
    /// `measure::large_rows`
    LargeRows,
    /// `measure::idle`
    Idle,
    /// `measure::latency`
    Latency,
    /// `measure::trickle`
    Trickle,
    /// `measure::small_lane`
    SmallLane,
    /// `measure::neighbours`
    Neighbours(Engine),
    /// `measure::rate`
    Rate,
    /// `measure::rate`, with several couriers.
    Cluster,
    /// `measure::rate`, with couriers on databases of different kinds.
    Shared,
    /// `measure::door`: the configured limit is the true one, over a network that jitters.
    Jitter,
    /// `measure::door`: the true limit is lower.
    UnknownLimit,
    /// `measure::answers`
    Answers,
}

impl Measurement {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 22] = [
        Self::Drain(Engine::Postgres),
        Self::Drain(Engine::Sqlite),
        Self::Drain(Engine::MariaDb),
        Self::Drain(Engine::MySql),
        Self::Backlog,
        Self::Deferred,
        Self::Memory,
        Self::LargeRows,
        Self::Idle,
        Self::Latency,
        Self::Trickle,
        Self::SmallLane,
        Self::Neighbours(Engine::Postgres),
        Self::Neighbours(Engine::Sqlite),
        Self::Neighbours(Engine::MariaDb),
        Self::Neighbours(Engine::MySql),
        Self::Rate,
        Self::Cluster,
        Self::Shared,
        Self::Jitter,
        Self::UnknownLimit,
        Self::Answers,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Drain(Engine::Postgres) => "drain-postgres",
            Self::Drain(Engine::MariaDb) => "drain-mariadb",
            Self::Drain(Engine::MySql) => "drain-mysql",
            Self::Drain(Engine::Sqlite) => "drain-sqlite",
            Self::Backlog => "backlog",
            Self::Deferred => "deferred",
            Self::Memory => "memory",
            Self::LargeRows => "large-rows",
            Self::Idle => "idle",
            Self::Latency => "latency",
            Self::Trickle => "trickle",
            Self::SmallLane => "small-lane",
            Self::Neighbours(Engine::Postgres) => "neighbours-postgres",
            Self::Neighbours(Engine::MariaDb) => "neighbours-mariadb",
            Self::Neighbours(Engine::MySql) => "neighbours-mysql",
            Self::Neighbours(Engine::Sqlite) => "neighbours-sqlite",
            Self::Rate => "rate-limit",
            Self::Cluster => "cluster",
            Self::Shared => "shared-limit",
            Self::Jitter => "jitter",
            Self::UnknownLimit => "unknown-limit",
            Self::Answers => "answers",
        }
    }

    /// Its description in a line.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Drain(_) => "contacts per second, beside the SQL-only floor; CPU, memory, WAL",
            Self::Backlog => "speed at a backlog of 2,000,000 against 20,000",
            Self::Deferred => "speed of a lane that also holds 1,000,000 rows for tomorrow",
            Self::Memory => "peak memory with 1,000 lanes and a backlog",
            Self::LargeRows => "peak memory with rows of 60 kB, on each database",
            Self::Idle => "CPU with 1,000 empty lanes, on each database",
            Self::Latency => "from commit or `not_before` to request at low load, on each database",
            Self::Trickle => "how full requests are with 1,000 lanes of a row a second",
            Self::SmallLane => "first row of a small lane behind 1,000,000 rows of another",
            Self::Neighbours(_) => "a good lane beside 1,000 in each kind of trouble",
            Self::Rate => "use and excess of a limit of 50 requests per second",
            Self::Cluster => "the same by three couriers that share it",
            Self::Shared => "the same by two that share it, on PostgreSQL and SQLite",
            Self::Jitter => "the same where requests are delayed by 0 to 60 ms",
            Self::UnknownLimit => "the same where the platform allows 20 requests per second",
            Self::Answers => "CPU of the costliest answers of 1 MiB",
        }
    }
}
