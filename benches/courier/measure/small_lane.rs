//! How long the first row of a small lane waits behind a lane of a million.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Bench, throughput};
use crate::arrivals::Arrivals;
use crate::dataset::Contacts;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit};

const LARGE: u64 = 1_000_000;
const TRIES: u32 = 5;
const PATIENCE: Duration = Duration::from_mins(1);

/// Between two tries, chosen by chance, so that they meet the poll interval at any moment.
const BETWEEN: std::ops::Range<f64> = 0.1..0.6;

/// While the large lane is drained, a single row is inserted into a lane of its own, again and
/// again.
pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    let contacts = Contacts::due(bench.options.scaled(LARGE), 1);
    let database = throughput::filled(bench, Engine::Postgres, contacts).await?;
    let platform = Arrivals::listen(false)?;
    let settings = bench.speed(&["delivery.linger=0s"]);
    let courier = bench.courier(&database, &platform.base_url, &[], &settings)?;
    platform.wait_for(20, PATIENCE).await?;
    let mut waits = Vec::new();
    for nth in 0..TRIES {
        tokio::time::sleep(Duration::from_secs_f64(rand::random_range(BETWEEN))).await;
        let insert = format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES ('small', 't-{nth}', '13912345678')"
        );
        let from = platform.count();
        database.execute(insert).await?;
        let committed = Instant::now();
        let path = format!("/user/small/task/t-{nth}/");
        let came = platform
            .first(from, PATIENCE, |arrival| arrival.path.contains(&path))
            .await?;
        waits.push(came.saturating_duration_since(committed).as_secs_f64());
    }
    let left = "FROM contact_outbox WHERE status = 'pending'";
    let left = database.number("count(*)", left).await?;
    ensure!(left > 0.0, "the large lane was drained before the last try");
    courier.stop().await?;
    database.remove().await?;
    let longest = waits.iter().copied().fold(0.0, f64::max);
    let what = format!(
        "first row of a small lane behind {}, longest of {TRIES}",
        contacts.count
    );
    let line = Line::new(what, Unit::Seconds, &[longest]).below(1.0);
    table.push(line.note("with linger 0s and the default poll interval"));
    Ok(())
}
