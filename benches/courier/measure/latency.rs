//! How long a single contact waits for its request when little is going on.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Bench;
use crate::arrivals::Arrivals;
use crate::database::Database;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit, percentile};

/// Single INSERTs on each database.
const INSERTS: u64 = 100;

/// The pause between two INSERTs, chosen by chance. It is longer than the default rate limit asks
/// for, so that no INSERT waits for the limit.
const BETWEEN: std::ops::Range<f64> = 0.15..0.45;

const PATIENCE: Duration = Duration::from_secs(30);

/// A row that is put off is due so many seconds after its INSERT, chosen by chance.
const PUT_OFF: std::ops::Range<f64> = 1.0..3.0;

/// The share of the contacts, and the milliseconds that we want at most.
type Goals = &'static [(&'static str, f64, f64)];

const AT_ONCE: Goals = &[("p50", 0.5, 15.0), ("p99", 0.99, 40.0)];
const DEFERRED: Goals = &[("p99", 0.99, 60.0)];

/// Measures each database, with the default settings.
pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    for engine in Engine::ALL {
        let name = engine.name();
        let (at_once, deferred) = (
            format!("{name}, commit to request"),
            format!("{name}, `not_before` to request"),
        );
        if let Some(why) = bench.servers.missing(engine) {
            table.push(Line::not_available(at_once, Unit::Millis, &why));
            table.push(Line::not_available(deferred, Unit::Millis, "as above"));
            continue;
        }
        show(&at_once, &waits(bench, engine, None).await?, AT_ONCE, table);
        let waits = waits(bench, engine, Some(PUT_OFF)).await?;
        show(&deferred, &waits, DEFERRED, table);
    }
    Ok(())
}

fn show(what: &str, waits: &[f64], goals: Goals, table: &mut Table) {
    for (name, part, goal) in goals {
        let millis = percentile(waits, *part) * 1000.0;
        let line = Line::new(format!("{what}, {name}"), Unit::Millis, &[millis]);
        table.push(line.at_most(*goal));
    }
}

/// Seconds from each commit until the request with the contact came, sorted. Where contacts are put off, the wait
/// begins at their `not_before`; then the INSERT itself counts, too, because the database reads its clock in it.
async fn waits(
    bench: &Bench,
    engine: Engine,
    put_off: Option<std::ops::Range<f64>>,
) -> Result<Vec<f64>> {
    let database = Database::create(&bench.servers, engine).await?;
    let platform = Arrivals::listen(true)?;
    let courier = bench.courier(&database, &platform.base_url, &[], &bench.defaults(&[]))?;
    let mut due = Vec::new();
    for nth in 0..=bench.options.scaled(INSERTS) {
        tokio::time::sleep(Duration::from_secs_f64(rand::random_range(BETWEEN))).await;
        let phone = format!("139{nth:08}");
        let off = put_off.clone().map(rand::random_range);
        let not_before = off.map_or("NULL".into(), |seconds| database.in_seconds(seconds));
        let insert = format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone, not_before)
             VALUES ('u', 't-{}', '{phone}', {not_before})",
            nth % 20
        );
        let began = Instant::now();
        database.execute(insert).await?;
        let at = off.map_or_else(Instant::now, |seconds| {
            began + Duration::from_secs_f64(seconds)
        });
        due.push((phone, at));
        if nth == 0 {
            // The first contact also waits for the courier's start, and does not count.
            platform.wait_for(1, PATIENCE).await?;
            due.clear();
        }
    }
    let mut waits = Vec::new();
    for (phone, at) in due {
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
