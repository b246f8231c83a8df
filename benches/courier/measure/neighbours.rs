//! A good lane beside a thousand bad ones: how long its contacts wait, and whether the rate that
//! the bad ones leave is used.

use std::time::{Duration, Instant};

use anyhow::Result;
use axum::http::StatusCode;

use super::Bench;
use crate::arrivals::{Arrival, Arrivals, success};
use crate::database::Database;
use crate::servers::Engine;
use crate::table::{Line, Table, Unit};
use crate::usage::as_f64;

/// Requests per second.
const RATE: u64 = 50;

/// Bad lanes.
const BAD: u64 = 1_000;

/// Good contacts, one after the other.
const GOOD: u64 = 50;

/// The pause between two of them, chosen by chance.
const BETWEEN: std::ops::Range<f64> = 0.1..0.4;

/// How long the use of the rate is measured.
const TIME: Duration = Duration::from_secs(10);

/// A good contact that has not come by then counts as this late.
const PATIENCE: Duration = Duration::from_mins(2);

/// The trouble of the bad lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// 404.
    Missing,
    /// 6007.
    Running,
    /// 403, for each of their users.
    Forbidden,
    /// 5xx for all lanes of one user.
    Broken,
    /// The lanes wait for their user's rate.
    OwnRate,
    /// An app keeps the lanes' rows locked.
    Locked,
}

impl Trouble {
    const ALL: [Self; 6] = [
        Self::Missing,
        Self::Running,
        Self::Forbidden,
        Self::Broken,
        Self::OwnRate,
        Self::Locked,
    ];

    fn about(self) -> &'static str {
        match self {
            Self::Missing => "1,000 lanes with an unknown task",
            Self::Running => "1,000 lanes whose task runs",
            Self::Forbidden => "1,000 forbidden users",
            Self::Broken => "a user with 1,000 lanes that get 500",
            Self::OwnRate => "a user with 1,000 lanes and 2 requests/s",
            Self::Locked => "1,000 lanes whose rows are locked",
        }
    }

    /// The user of the n-th bad lane.
    fn user(self, nth: u64) -> String {
        match self {
            Self::Missing => format!("missing-{nth}"),
            Self::Running => format!("running-{nth}"),
            Self::Forbidden => format!("forbidden-{nth}"),
            Self::Broken => "broken".into(),
            Self::OwnRate => "slow".into(),
            Self::Locked => format!("locked-{nth}"),
        }
    }
}

/// The platform's answer depends on the user, whose name tells the trouble.
fn answer(path: &str) -> (StatusCode, &'static str) {
    let is = |user: &str| path.contains(&format!("/{user}"));
    if is("missing-") {
        (
            StatusCode::NOT_FOUND,
            r#"{"code":404,"message":"no such task"}"#,
        )
    } else if is("running-") {
        (StatusCode::OK, r#"{"code":6007,"message":"任务正在运行"}"#)
    } else if is("forbidden-") {
        (
            StatusCode::FORBIDDEN,
            r#"{"code":403,"message":"not yours"}"#,
        )
    } else if is("broken") {
        (StatusCode::INTERNAL_SERVER_ERROR, "{}")
    } else {
        success(path)
    }
}

/// Each kind of trouble in turn.
pub(crate) async fn run(bench: &Bench, engine: Engine, table: &mut Table) -> Result<()> {
    let name = engine.name();
    if let Some(why) = bench.servers.missing(engine) {
        let what = format!("{name}, a good lane beside bad ones");
        table.push(Line::not_available(what, Unit::Seconds, &why));
        return Ok(());
    }
    for trouble in Trouble::ALL {
        if trouble == Trouble::Locked && engine == Engine::Sqlite {
            continue;
        }
        let (longest, used) = beside(bench, engine, trouble).await?;
        let what = format!("{name}, beside {}: longest wait", trouble.about());
        table.push(Line::new(what, Unit::Seconds, &[longest]).at_most(2.0));
        let what = "… use of the rate that is left";
        table.push(Line::new(what, Unit::Percent, &[used]).at_least(95.0));
    }
    Ok(())
}

/// Returns the longest wait of a good contact in seconds, and the use of the rate in percent.
async fn beside(bench: &Bench, engine: Engine, trouble: Trouble) -> Result<(f64, f64)> {
    let database = Database::create(&bench.servers, engine).await?;
    insert_bad(&database, trouble, bench.options.scaled(BAD)).await?;
    let held = if trouble == Trouble::Locked {
        Some(
            database
                .hold("SELECT id FROM contact_outbox FOR UPDATE")
                .await?,
        )
    } else {
        None
    };
    let platform = Arrivals::answering(true, answer)?;
    let rate = format!("rate_limit.requests_per_second={RATE}");
    let mut own = vec![rate.as_str()];
    if trouble == Trouble::OwnRate {
        own.push("rate_limit.per_user=2");
    }
    let courier = bench.courier(&database, &platform.base_url, &[], &bench.defaults(&own))?;
    platform.wait_for(1, PATIENCE).await?;
    let longest = longest_wait(bench, &database, &platform).await?;
    let used = used(bench, &database, &platform, trouble).await?;
    drop(held);
    courier.stop().await?;
    database.remove().await?;
    Ok((longest, used))
}

async fn insert_bad(database: &Database, trouble: Trouble, lanes: u64) -> Result<()> {
    let row = |nth| {
        let user = trouble.user(nth);
        format!("('{user}', 't-{nth}', '130{nth:08}')")
    };
    insert(database, (0..lanes).map(row)).await
}

async fn insert(database: &Database, rows: impl Iterator<Item = String>) -> Result<()> {
    let rows: Vec<String> = rows.collect();
    let insert = "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES";
    for rows in rows.chunks(1_000) {
        let sql = format!("{insert} {}", rows.join(", "));
        database.execute(sql).await?;
    }
    Ok(())
}

/// Inserts good contacts, and returns how long the slowest took from its commit to its request.
async fn longest_wait(bench: &Bench, database: &Database, platform: &Arrivals) -> Result<f64> {
    let mut longest = Duration::ZERO;
    for nth in 0..bench.options.scaled(GOOD) {
        tokio::time::sleep(Duration::from_secs_f64(rand::random_range(BETWEEN))).await;
        let phone = format!("139{nth:08}");
        let from = platform.count();
        insert(database, [format!("('good', 't', '{phone}')")].into_iter()).await?;
        let committed = Instant::now();
        let carries = |arrival: &Arrival| {
            let mut parts = arrival.body.windows(phone.len());
            parts.any(|part| part == phone.as_bytes())
        };
        let came = platform.first(from, PATIENCE, carries).await;
        let wait = came.map_or(PATIENCE, |came| came.saturating_duration_since(committed));
        longest = longest.max(wait);
    }
    Ok(longest.as_secs_f64())
}

/// Lets good lanes have plenty of rows, and returns which part of the rate that the bad ones leave
/// is used.
async fn used(
    bench: &Bench,
    database: &Database,
    platform: &Arrivals,
    trouble: Trouble,
) -> Result<f64> {
    let time = bench.options.time(TIME);
    let batches = RATE * (time.as_secs() + 5);
    // A user with a rate of its own gets no more than that.
    let lanes = if trouble == Trouble::OwnRate { 200 } else { 20 };
    let row = |nth| format!("('good-{}', 't', '137{nth:08}')", nth % lanes);
    insert(database, (0..batches * 100).map(row)).await?;
    let is_good = |arrival: &Arrival| arrival.path.contains("/good-");
    let first = platform.first(0, PATIENCE, is_good).await?;
    let from = first + Duration::from_secs(1);
    tokio::time::sleep_until((from + time).into()).await;
    let counted = platform.all();
    let counted = counted
        .iter()
        .filter(|a| a.at >= from && a.at < from + time);
    let (good, bad): (Vec<&Arrival>, Vec<&Arrival>) = counted.partition(|a| is_good(a));
    let left = as_f64(RATE) * time.as_secs_f64() - as_f64(bad.len() as u64);
    Ok(as_f64(good.len() as u64) / left * 100.0)
}
