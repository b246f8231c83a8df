//! How fast a backlog is drained, and how near that is to the speed of the database alone.

use anyhow::Result;

use super::Bench;
use super::drain::{self, Drained};
use super::{careful, floor};
use crate::database::Database;
use crate::dataset::Contacts;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit};
use crate::usage::as_f64;

/// Runs drain, floor and a careful script in turns, each on its own copy of the same contacts.
pub(crate) async fn run(bench: &Bench, engine: Engine, table: &mut Table) -> Result<()> {
    if let Some(why) = bench.servers.missing(engine) {
        eprintln!("NOT MEASURED: {why}");
        return Ok(());
    }
    let contacts = Contacts::due(bench.options.contacts(), bench.options.lanes);
    let (mut drains, mut floors, mut careful) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.options.runs() {
        let database = filled(bench, engine, contacts).await?;
        drains.push(drain::run(bench, &database, contacts).await?);
        database.remove().await?;
        let database = filled(bench, engine, contacts).await?;
        floors.push(floor::run(bench, &database, contacts).await?);
        database.remove().await?;
        let database = filled(bench, engine, contacts).await?;
        careful.extend(careful::run(bench, &database, contacts).await?);
        database.remove().await?;
    }
    show(engine, &drains, &floors, table);
    if !careful.is_empty() {
        let line = Line::new(
            "… a careful script on the same contacts",
            Unit::Contacts,
            &careful,
        );
        table.push(line);
    }
    Ok(())
}

/// A database with these contacts.
pub(crate) async fn filled(bench: &Bench, engine: Engine, contacts: Contacts) -> Result<Database> {
    let database = Database::create(&bench.servers, engine).await?;
    contacts.insert(&database).await?;
    database.settle_down().await?;
    Ok(database)
}

fn show(engine: Engine, drains: &[Drained], floors: &[f64], table: &mut Table) {
    let on = engine.name();
    let of = |f: fn(&Drained) -> f64| -> Vec<f64> { drains.iter().map(f).collect() };
    let speed = of(|d| d.contacts / d.whole);
    let line = Line::new(format!("drain on {on}"), Unit::Contacts, &speed);
    table.push(match engine {
        Engine::Postgres => line.at_least(112_000.0),
        Engine::MariaDb => line.at_least(60_000.0),
        Engine::Sqlite => line.at_least(52_000.0),
        Engine::MySql => line,
    });
    let net = of(|d| d.contacts / d.net);
    table.push(Line::new("… net of its start", Unit::Contacts, &net));
    let ended = of(|d| d.ended - d.whole);
    table.push(Line::new(
        "… from the last row to its end",
        Unit::Seconds,
        &ended,
    ));
    table.push(Line::new("… SQL-only floor", Unit::Contacts, floors));
    let ratios: Vec<f64> = speed.iter().zip(floors).map(|(d, f)| d / f).collect();
    let ratio = Line::new("… drain to floor", Unit::Ratio, &ratios);
    let cpu = of(|d| d.per_100k(d.courier_cpu));
    let cpu = Line::new("… CPU per 100,000, courier", Unit::CpuPer100k, &cpu);
    let peak = Line::new("… peak memory of the courier", Unit::MiB, &of(|d| d.peak));
    if engine == Engine::Postgres {
        table.push(ratio.at_least(0.5));
        table.push(cpu.at_most(0.6));
    } else {
        table.push(ratio);
        table.push(cpu);
    }
    let simulator = of(|d| d.per_100k(d.simulator_cpu));
    if engine != Engine::Sqlite {
        let database = of(|d| d.per_100k(d.database_cpu));
        table.push(Line::new(
            format!("… CPU per 100,000, {on}"),
            Unit::CpuPer100k,
            &database,
        ));
    }
    table.push(Line::new(
        "… CPU per 100,000, simulator",
        Unit::CpuPer100k,
        &simulator,
    ));
    table.push(peak.at_most(64.0));
    if engine == Engine::Postgres {
        let wal = of(|d| d.wal / d.contacts);
        table.push(Line::new("… WAL per contact", Unit::Bytes, &wal));
    }
    let size = of(|d| d.contacts / as_f64(d.requests));
    table.push(Line::new("… contacts per request", Unit::Requests, &size));
}
