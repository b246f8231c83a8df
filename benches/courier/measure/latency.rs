//! How long a single contact waits for its request when little is going on.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Bench;
use crate::arrivals::Arrivals;
use crate::database::Database;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit, percentile};

const ENGINES: [Engine; 4] = [
    Engine::Postgres,
    Engine::Sqlite,
    Engine::MariaDb,
    Engine::MySql,
];

/// Single INSERTs on each database.
const INSERTS: u64 = 100;

/// The pause between two INSERTs, chosen by chance. It is longer than the default rate limit asks
/// for, so that no INSERT waits for the limit.
const BETWEEN: std::ops::Range<f64> = 0.15..0.45;

const PATIENCE: Duration = Duration::from_secs(30);

/// The median and the 99th percentile that we want, in milliseconds.
const GOALS: [(&str, f64, f64); 2] = [("p50", 0.5, 15.0), ("p99", 0.99, 40.0)];

/// Measures each database, with the default settings.
pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    for engine in ENGINES {
        let what = format!("{}, commit to request", engine.name());
        if let Some(why) = bench.servers.missing(engine) {
            table.push(Line::not_available(what, Unit::Millis, &why));
            continue;
        }
        let waits = waits(bench, engine).await?;
        for (name, part, goal) in GOALS {
            let millis = percentile(&waits, part) * 1000.0;
            let line = Line::new(format!("{what}, {name}"), Unit::Millis, &[millis]);
            table.push(line.at_most(goal));
        }
    }
    Ok(())
}

/// Seconds from each commit until the request with the contact came, sorted.
async fn waits(bench: &Bench, engine: Engine) -> Result<Vec<f64>> {
    let database = Database::create(&bench.servers, engine).await?;
    let platform = Arrivals::listen(true)?;
    let courier = bench.courier(&database, &platform.base_url, &[], &bench.defaults(&[]))?;
    let mut committed = Vec::new();
    for nth in 0..=bench.options.scaled(INSERTS) {
        tokio::time::sleep(Duration::from_secs_f64(rand::random_range(BETWEEN))).await;
        let phone = format!("139{nth:08}");
        let insert = format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES ('u', 't-{}', '{phone}')",
            nth % 20
        );
        database.execute(insert).await?;
        committed.push((phone, Instant::now()));
        if nth == 0 {
            // The first contact also waits for the courier's start, and does not count.
            platform.wait_for(1, PATIENCE).await?;
            committed.clear();
        }
    }
    let mut waits = Vec::new();
    for (phone, at) in committed {
        let carries = |body: &[u8]| {
            body.windows(phone.len())
                .any(|part| part == phone.as_bytes())
        };
        let came = platform
            .first(0, PATIENCE, |arrival| carries(&arrival.body))
            .await?;
        waits.push(came.saturating_duration_since(at).as_secs_f64());
    }
    courier.stop().await?;
    database.remove().await?;
    waits.sort_by(f64::total_cmp);
    Ok(waits)
}
