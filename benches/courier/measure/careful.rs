//! The same backlog, delivered by a careful script: see `benches/careful.py`.

use anyhow::{Result, ensure};

use super::Bench;
use super::drain;
use crate::database::Database;
use crate::dataset::Contacts;
use crate::process::{NOT_INSTALLED, Simulator, script};
use crate::usage::as_f64;

/// Returns the script's contacts per second, from the start of its process until the last row is
/// final; `None`: a library that it needs is not installed.
pub(crate) async fn run(
    bench: &Bench,
    database: &Database,
    contacts: Contacts,
) -> Result<Option<f64>> {
    let simulator = Simulator::start(&bench.options.program).await?;
    let started = database.clock().await?;
    let script = script(&database.url, &simulator.base_url).await?;
    let simulator = simulator.stop().await?;
    let words = String::from_utf8_lossy(&script.stderr);
    let words = words.lines().last().unwrap_or_default();
    if script.status.code() == Some(NOT_INSTALLED) {
        eprintln!("NOT MEASURED: the careful script: {words}");
        return Ok(None);
    }
    ensure!(script.status.success(), "the careful script: {words}");
    drain::is_right(database, contacts, simulator.numbers_held).await?;
    let last = database.epoch("max(finished_at)");
    let last = database.number(&last, "FROM contact_outbox").await?;
    Ok(Some(as_f64(contacts.count) / (last - started)))
}
