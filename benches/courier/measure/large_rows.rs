//! How much memory long rows take.

use anyhow::Result;

use super::{Bench, drain, throughput};
use crate::dataset::Contacts;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit};

const ROWS: u64 = 100_000;

/// The bytes of each row beside its usual columns.
const BYTES: u64 = 60_000;

/// Drains long rows on each database.
pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    let rows = if bench.options.quick { ROWS / 20 } else { ROWS };
    let contacts = Contacts {
        extra_bytes: BYTES,
        ..Contacts::due(rows, bench.options.lanes)
    };
    for engine in [
        Engine::Sqlite,
        Engine::Postgres,
        Engine::MariaDb,
        Engine::MySql,
    ] {
        if let Some(why) = bench.servers.missing(engine) {
            eprintln!("NOT MEASURED: {why}");
            continue;
        }
        // One run is enough: the bytes are many, and a peak varies little.
        let database = throughput::filled(bench, engine, contacts).await?;
        let drained = drain::run(bench, &database, contacts).await?;
        database.remove().await?;
        let what = format!("peak memory, {rows} rows of 60 kB on {}", engine.name());
        table.push(Line::new(what, Unit::MiB, &[drained.peak]).at_most(96.0));
        let speed = drained.contacts / drained.whole;
        table.push(Line::new("… drained at", Unit::Contacts, &[speed]));
    }
    Ok(())
}
