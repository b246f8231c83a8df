//! How full requests are when more lanes have something to send than the limit has requests.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Bench;
use crate::arrivals::{Arrival, Arrivals};
use crate::database::Database;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit};
use crate::usage::as_f64;

/// Lanes that get a row a second.
const LANES: u64 = 1_000;

/// The default limit is 10 requests per second: 100 contacts in each, with all lanes in turn, keep
/// up.
const TURN: Duration = Duration::from_secs(100);

/// How long requests are observed after the first turn over the lanes.
const TIME: Duration = Duration::from_secs(30);

const SECOND: Duration = Duration::from_secs(1);

/// The beginning of a number in a request.
const NUMBER: &[u8] = b"\"phone\":\"";

/// The number of the first lane's first row. Behind it, a number holds its lane and its second.
const FIRST_NUMBER: u64 = 13_000_000_000;

/// More seconds than this takes.
const SECONDS: u64 = 10_000;

pub(crate) async fn run(bench: &Bench, table: &mut Table) -> Result<()> {
    let database = Database::create(&bench.servers, Engine::Postgres).await?;
    let platform = Arrivals::listen(true)?;
    let courier = bench.courier(&database, &platform.base_url, &[], &bench.defaults(&[]))?;
    let (begun, time) = (Instant::now(), bench.options.time(TIME));
    for second in 0..(TURN + time).as_secs() {
        tokio::time::sleep_until((begun + SECOND * u32::try_from(second)?).into()).await;
        database.execute(rows(second)).await?;
    }
    courier.stop().await?;
    let from = begun + TURN;
    let arrivals = platform.all();
    let late: Vec<&Arrival> = arrivals.iter().filter(|a| a.at >= from).collect();
    let contacts: usize = late
        .iter()
        .map(|arrival| seconds(&arrival.body).count())
        .sum();
    let each = as_f64(contacts as u64) / as_f64(late.len().max(1) as u64);
    let what = "1,000 lanes with a row a second, 10 requests/s: contacts per request";
    table.push(Line::new(what, Unit::Ratio, &[each]).at_least(95.0));
    let waits = late.iter().map(|arrival| {
        let oldest = seconds(&arrival.body).min().unwrap_or_default();
        (arrival.at - begun).as_secs_f64() - as_f64(oldest)
    });
    let longest = waits.fold(0.0, f64::max);
    let line = Line::new("… the longest wait of a row", Unit::Seconds, &[longest]);
    // A turn over the lanes, and the second in which the row came.
    table.push(line.at_most(TURN.as_secs_f64() + 1.0));
    database.remove().await
}

/// A row for each lane.
fn rows(second: u64) -> String {
    let row = |lane| {
        let phone = FIRST_NUMBER + lane * SECONDS + second;
        format!("('u-{}', 't-{lane}', '{phone}')", lane % 50)
    };
    let rows: Vec<String> = (0..LANES).map(row).collect();
    let insert = "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES";
    format!("{insert} {}", rows.join(", "))
}

/// The second in which each row of a request was inserted.
fn seconds(body: &[u8]) -> impl Iterator<Item = u64> {
    let parts = body.windows(NUMBER.len() + 11);
    parts
        .filter(|part| part.starts_with(NUMBER))
        .filter_map(|part| {
            std::str::from_utf8(&part[NUMBER.len()..])
                .ok()?
                .parse()
                .ok()
        })
        .map(|number: u64| (number - FIRST_NUMBER) % SECONDS)
}
