//! Whether rows that are put off until tomorrow make their lane slower.

use anyhow::Result;

use super::drain;
use super::{Bench, throughput};
use crate::database::Database;
use crate::dataset::Contacts;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit};

const DUE: u64 = 200_000;
const TOMORROW: u64 = 1_000_000;

/// Drains one lane with and without such rows, in turns.
pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    let due = Contacts::due(bench.options.scaled(DUE), 1);
    let tomorrow = Contacts {
        first: due.count,
        tomorrow: true,
        ..Contacts::due(bench.options.scaled(TOMORROW), 1)
    };
    let alone = throughput::filled(bench, Engine::Postgres, due).await?;
    let beside = throughput::filled(bench, Engine::Postgres, tomorrow).await?;
    due.insert(&beside).await?;
    beside.settle_down().await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..bench.options.runs() {
        with.push(speed(bench, &beside, due).await?);
        without.push(speed(bench, &alone, due).await?);
    }
    alone.remove().await?;
    beside.remove().await?;
    table.push(Line::new("one lane", Unit::Contacts, &without));
    let name = format!("one lane that also holds {} for tomorrow", tomorrow.count);
    table.push(Line::new(name, Unit::Contacts, &with));
    let changes: Vec<f64> = with
        .iter()
        .zip(&without)
        .map(|(w, o)| (w / o - 1.0) * 100.0)
        .collect();
    table.push(Line::new("… against one without", Unit::Change, &changes).at_least(-15.0));
    Ok(())
}

/// Drains a copy, so that in both cases nothing is in the server's own memory yet.
async fn speed(bench: &Bench, template: &Database, due: Contacts) -> Result<f64> {
    let database = Database::copy(&bench.servers, template).await?;
    let drained = drain::run(bench, &database, due).await?;
    database.remove().await?;
    Ok(drained.contacts / drained.net)
}
