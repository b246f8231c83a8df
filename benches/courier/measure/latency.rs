//! How long a single contact waits for its request when little is going on.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Bench;
use crate::arrivals::Arrivals;
use crate::database::Database;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit, percentile};

/// Single INSERTs in each of the two cases.
const INSERTS: u64 = 100;

/// Between two of them, chosen by chance; on average slower than the default rate limit.
const BETWEEN: std::ops::Range<f64> = 0.05..0.35;

const PATIENCE: Duration = Duration::from_secs(30);

/// With the settings as they come, and with those of somebody who is in a hurry.
pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    let hasty = ["delivery.linger=0s", "delivery.poll_interval=100ms"];
    for (what, settings) in [
        ("commit to request, default settings", &[][..]),
        ("commit to request, linger 0s, poll 100ms", &hasty),
    ] {
        let waits = waits(bench, &bench.defaults(settings)).await?;
        for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
            let millis = percentile(&waits, part) * 1000.0;
            table.push(Line::new(
                format!("{what}, {name}"),
                Unit::Millis,
                &[millis],
            ));
        }
    }
    Ok(())
}

/// Seconds from each commit until the request with the contact came, sorted.
async fn waits(bench: &Bench, settings: &[&str]) -> Result<Vec<f64>> {
    let database = Database::create(&bench.servers, Engine::Postgres).await?;
    let platform = Arrivals::listen(true)?;
    let courier = bench.courier(&database, &platform.base_url, &[], settings)?;
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
            // The first one also waits for the courier's start, and does not count.
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
