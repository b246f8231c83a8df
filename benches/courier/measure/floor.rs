//! The SQL-only floor: what the database alone can do with the courier's protocol.
//!
//! The same contacts, read in the same pages, journalled and settled by the same statements through
//! the program's own [`Outbox`], ten batches to a transaction; without HTTP, checks and composing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use contact_courier::batch::{BatchId, MAX_BATCH};
use contact_courier::contact::{ContactId, Lane, OutboxRow, RequestOptions};
use contact_courier::outbox::{
    Change, Close, Cursor, FailKind, Final, Instance, JournalEntry, LaneQuery, Lease, Outbox,
    PageLimit, Recorded, RowOutcome, Standing, Write,
};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Bench;
use crate::database::Database;
use crate::dataset::Contacts;
use crate::usage::as_f64;

/// How many rows the courier reads at once.
const PAGE: u32 = 1000;

/// The simulator's cause for a number that is none.
const CAUSE: &str = "格式不正确。";

/// Contacts per second.
pub(crate) async fn run(bench: &Bench, database: &Database, contacts: Contacts) -> Result<f64> {
    let workers = bench.options.floor_workers;
    let outbox = database.outbox(workers).await?;
    let instance = Instance {
        id: Uuid::now_v7(),
        host: "bench".into(),
        pid: std::process::id(),
        lease: Duration::from_mins(10),
        standing: Standing::default(),
    };
    outbox.beat(&instance).await?;
    let began = Instant::now();
    let lanes = Arc::new(Mutex::new(lanes(&*outbox, instance.id).await?));
    let mut working = JoinSet::new();
    for _ in 0..workers {
        let (outbox, lanes) = (Arc::clone(&outbox), Arc::clone(&lanes));
        working.spawn(async move { work(&*outbox, instance.id, &lanes).await });
    }
    let mut settled = 0;
    while let Some(worked) = working.join_next().await {
        settled += worked??;
    }
    let took = began.elapsed().as_secs_f64();
    ensure!(settled == contacts.count, "{settled} contacts were settled");
    let pending = database
        .number("count(*)", "FROM contact_outbox WHERE status = 'pending'")
        .await?;
    ensure!(pending == 0.0, "{pending} contacts are left");
    Ok(as_f64(settled) / took)
}

async fn lanes(outbox: &dyn Outbox, instance: Uuid) -> Result<Vec<Lane>> {
    let query = LaneQuery {
        instance,
        after: None,
        limit: 100_000,
        linger: Duration::ZERO,
        batch_size: u32::try_from(MAX_BATCH)?,
        horizon: Duration::ZERO,
    };
    let found = outbox.find_lanes(&query).await?.lanes;
    Ok(found.into_iter().map(|found| found.lane).collect())
}

/// Takes lane after lane until none is left; returns how many contacts it has settled.
async fn work(outbox: &dyn Outbox, instance: Uuid, lanes: &Mutex<Vec<Lane>>) -> Result<u64> {
    let mut settled = 0;
    loop {
        let Some(lane) = lanes.lock().await.pop() else {
            return Ok(settled);
        };
        let leased = outbox.lease(&lane, instance).await?;
        let lease = leased.context("a lane is not free")?.lease;
        let (mut cursor, mut end) = (Cursor::default(), false);
        while !end {
            let page = outbox
                .read_page(&lane, &cursor, PageLimit::rows(PAGE))
                .await?;
            deliver(outbox, &lease, &page.rows).await?;
            settled += page.rows.len() as u64;
            (cursor, end) = (page.next, page.end);
        }
        outbox.release(&lease).await?;
    }
}

/// Delivers a page: one transaction journals its batches, and another settles them.
async fn deliver(outbox: &dyn Outbox, lease: &Arc<Lease>, rows: &[OutboxRow]) -> Result<()> {
    let batches: Vec<(BatchId, &[OutboxRow])> = rows
        .chunks(MAX_BATCH)
        .map(|rows| (BatchId::generate(), rows))
        .collect();
    record(
        outbox,
        lease,
        batches.iter().map(|(id, rows)| open(*id, rows)),
    )
    .await?;
    record(
        outbox,
        lease,
        batches.iter().map(|(id, rows)| close(*id, rows)),
    )
    .await
}

async fn record(
    outbox: &dyn Outbox,
    lease: &Arc<Lease>,
    changes: impl Iterator<Item = Change>,
) -> Result<()> {
    let writes: Vec<Write> = changes
        .map(|change| Write {
            lease: Arc::clone(lease),
            change,
        })
        .collect();
    let recorded = outbox.record(&writes).await?;
    if recorded.iter().any(|recorded| *recorded != Recorded::Done) {
        bail!("a write was fenced");
    }
    Ok(())
}

fn open(batch: BatchId, rows: &[OutboxRow]) -> Change {
    Change::Open(JournalEntry {
        batch,
        parent: None,
        contacts: rows.iter().map(|row| ContactId(row.id)).collect(),
        options: RequestOptions {
            skip_error: true,
            ..RequestOptions::default()
        },
        attempts: 1,
        maybe_delivered: false,
    })
}

fn close(batch: BatchId, rows: &[OutboxRow]) -> Change {
    Change::Close(Close {
        batch,
        attempts: 1,
        outcome: "delivered",
        answer: "号码导入任务成功".into(),
        rows: rows.iter().map(outcome).collect(),
        children: Vec::new(),
    })
}

fn outcome(row: &OutboxRow) -> RowOutcome {
    let end = if row.phone.starts_with("12") {
        Final::Failed {
            kind: FailKind::Rejected,
            cause: CAUSE.into(),
        }
    } else {
        Final::Succeeded
    };
    RowOutcome {
        contact: ContactId(row.id),
        end,
    }
}
