//! Carrying out a [`Plan`]: many writes, one transaction, one statement for each kind of change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use sqlx::{SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::statements::{
    CHANGE_LANES, CLOSE_BATCHES, FIND_BATCHES, FIND_TOKENS, OPEN_BATCHES, POSTPONE_BATCHES,
    RESEND_BATCHES, SENDING_BATCHES, SETTLE_FAILURES, SETTLE_SUCCESSES, STALE_ROWS, STILL_PENDING,
};
use super::transaction::begin;
use crate::batch::BatchId;
use crate::contact::{ContactId, Lane};
use crate::outbox::error::{BATCHES, CONTACTS, LANES, WriteError, all_written, none_unwritten};
use crate::outbox::plan::{
    Journaled, LaneKey, Plan, Succeeded, batches_of, distinct, json, lanes_of,
};
use crate::outbox::rows;
use crate::outbox::{Change, Lease, Recorded, Write, trial};

pub(super) async fn record(
    pool: &SqlitePool,
    writes: &[Write],
) -> Result<Vec<Recorded>, WriteError> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = begin(pool).await?;
    let answers = write(&mut tx, writes).await?;
    tx.commit().await?;
    Ok(answers)
}

/// Writes all of it into a transaction.
pub(super) async fn write(
    tx: &mut SqliteConnection,
    writes: &[Write],
) -> Result<Vec<Recorded>, WriteError> {
    let tokens = find_tokens(tx, writes).await?;
    let batches = find_batches(tx, &batches_of(writes)).await?;
    let mut plan = Plan::new(writes, &tokens, &batches);
    carry_out(tx, &mut plan).await?;
    Ok(plan.answers)
}

/// Puts new batches into the journal. Where it does not take all of them it is asked why.
async fn open_batches(tx: &mut SqliteConnection, plan: &mut Plan<'_>) -> Result<(), WriteError> {
    let opened = execute(tx, OPEN_BATCHES, &plan.opens).await?;
    if opened == plan.opens.len() as u64 {
        return Ok(());
    }
    let (batches, rows) = plan.going();
    let sending: Vec<String> = sqlx::query_scalar(SENDING_BATCHES)
        .bind(json(&batches))
        .fetch_all(&mut *tx)
        .await?;
    let stale = stale_rows(tx, &rows).await?;
    plan.refuse(&rows::uuids(&sending)?, &stale);
    let ids: Vec<Uuid> = plan.opens.iter().map(|open| open.id).collect();
    let there = find_batches(tx, &ids).await?;
    none_unwritten(BATCHES, plan.missing(&there))
}

/// Leaves out what would be sent again with a row that is not pending any more.
async fn hold_back(tx: &mut SqliteConnection, plan: &mut Plan<'_>) -> sqlx::Result<()> {
    let rows = plan.going_again();
    if !rows.is_empty() {
        plan.hold_back(&stale_rows(tx, &rows).await?);
    }
    Ok(())
}

async fn stale_rows(tx: &mut SqliteConnection, rows: &[i64]) -> sqlx::Result<HashSet<i64>> {
    let stale: Vec<i64> = sqlx::query_scalar(STALE_ROWS)
        .bind(json(&rows))
        .fetch_all(tx)
        .await?;
    Ok(stale.into_iter().collect())
}

/// Writes all that a lane may write, and undoes it.
pub(super) async fn try_settling(
    pool: &SqlitePool,
    lease: &Arc<Lease>,
    contacts: &[ContactId],
    batches: &[BatchId],
) -> Result<Recorded, WriteError> {
    let write = Write {
        lease: Arc::clone(lease),
        change: Change::Recover,
    };
    let entry = trial::entry(contacts);
    for mut plan in trial::plans(lease, &entry, batches) {
        let mut tx = begin(pool).await?;
        let tokens = find_tokens(&mut tx, std::slice::from_ref(&write)).await?;
        if tokens.get(&lease.lane) != Some(&lease.token) {
            return Ok(Recorded::Fenced);
        }
        carry_out(&mut tx, &mut plan).await?;
        tx.rollback().await?;
    }
    Ok(Recorded::Done)
}

/// Writes all of the plan, or fails.
async fn carry_out(tx: &mut SqliteConnection, plan: &mut Plan<'_>) -> Result<(), WriteError> {
    open_batches(tx, plan).await?;
    hold_back(tx, plan).await?;
    let postponed = execute(tx, POSTPONE_BATCHES, &plan.postpones).await?;
    all_written(
        BATCHES,
        distinct(plan.postpones.iter().map(|p| p.id)),
        postponed,
    )?;
    let resent = execute(tx, RESEND_BATCHES, &plan.resends).await?;
    all_written(BATCHES, distinct(plan.resends.iter().map(|r| r.id)), resent)?;
    let closed = execute(tx, CLOSE_BATCHES, &plan.closes).await?;
    all_written(BATCHES, plan.closes.len(), closed)?;
    settle(tx, plan).await?;
    let changed = execute(tx, CHANGE_LANES, &plan.lanes).await?;
    all_written(LANES, plan.lanes.len(), changed)
}

/// Settles the rows. Fewer may be there to be settled than were sent: an app deletes some. Those that
/// are there and as they were are asked for only then.
async fn settle(tx: &mut SqliteConnection, plan: &Plan<'_>) -> Result<(), WriteError> {
    let mut settled = settle_successes(tx, &plan.successes).await?;
    settled += execute(tx, SETTLE_FAILURES, &plan.failures).await?;
    let rows = plan.settled();
    if usize::try_from(settled) == Ok(rows.len()) {
        return Ok(());
    }
    let pending: i64 = sqlx::query_scalar(STILL_PENDING)
        .bind(json(&rows))
        .fetch_one(tx)
        .await?;
    none_unwritten(CONTACTS, pending)
}

/// One statement for each batch: a list of plain numbers costs least to read.
async fn settle_successes(tx: &mut SqliteConnection, successes: &[Succeeded]) -> sqlx::Result<u64> {
    let mut settled = 0;
    for batch in successes {
        let done = sqlx::query(SETTLE_SUCCESSES)
            .bind(json(&batch.rows))
            .bind(batch.batch_id.to_string())
            .bind(batch.attempts)
            .execute(&mut *tx)
            .await?;
        settled += done.rows_affected();
    }
    Ok(settled)
}

/// Runs a statement over a list of records, if there are any. Answers how many rows it wrote.
async fn execute(
    tx: &mut SqliteConnection,
    statement: &'static str,
    records: &[impl Serialize],
) -> sqlx::Result<u64> {
    if records.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query(statement)
        .bind(json(&records))
        .execute(tx)
        .await?;
    Ok(done.rows_affected())
}

async fn find_tokens(
    tx: &mut SqliteConnection,
    writes: &[Write],
) -> sqlx::Result<HashMap<Lane, i64>> {
    let lanes: Vec<LaneKey<'_>> = lanes_of(writes).into_iter().map(LaneKey::from).collect();
    let found = sqlx::query(FIND_TOKENS)
        .bind(json(&lanes))
        .fetch_all(tx)
        .await?;
    Ok(rows::tokens(&found))
}

async fn find_batches(
    tx: &mut SqliteConnection,
    ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Journaled>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = sqlx::query(FIND_BATCHES)
        .bind(json(&ids))
        .fetch_all(tx)
        .await?;
    rows::journaled(&found)
}
