//! The measurements, in the order of the table.

mod answers;
mod backlog;
mod bench;
mod careful;
mod deferred;
mod door;
mod drain;
mod floor;
mod idle;
mod large_rows;
mod latency;
mod memory;
mod neighbours;
mod rate;
mod run;
mod small_lane;
mod throughput;
mod trickle;

pub(crate) use self::bench::Bench;
pub(crate) use self::run::run;
