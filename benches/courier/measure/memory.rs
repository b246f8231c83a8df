//! How much memory many lanes with a backlog take.

use anyhow::Result;

use super::{Bench, drain, throughput};
use crate::dataset::Contacts;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit};

const LANES: u64 = 1000;

/// Drains 1,000 lanes with 400 rows each.
pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    let contacts = Contacts::due(bench.options.scaled(400 * LANES), LANES);
    let (mut peaks, mut speeds) = (Vec::new(), Vec::new());
    for _ in 0..bench.options.runs() {
        let database = throughput::filled(bench, Engine::Postgres, contacts).await?;
        let drained = drain::run(bench, &database, contacts).await?;
        database.remove().await?;
        peaks.push(drained.peak);
        speeds.push(drained.contacts / drained.whole);
    }
    let what = format!(
        "peak memory, 1,000 lanes with {} each",
        contacts.count / LANES
    );
    table.push(Line::new(what, Unit::MiB, &peaks).at_most(64.0));
    table.push(Line::new("… drained at", Unit::Contacts, &speeds));
    Ok(())
}
