//! Carrying out a [`Plan`]: many writes, one transaction, one statement for each kind of change.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use sqlx::{Result, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::statements::{
    CHANGE_LANES, CLOSE_BATCHES, FIND_BATCHES, FIND_TOKENS, OPEN_BATCHES, POSTPONE_BATCHES,
    RESEND_BATCHES, SENDING_BATCHES, SETTLE_FAILURES, SETTLE_SUCCESSES, STALE_ROWS,
};
use super::transaction::begin;
use crate::contact::Lane;
use crate::outbox::plan::{Journaled, LaneKey, Plan, Succeeded, batches_of, json, lanes_of};
use crate::outbox::rows;
use crate::outbox::{Recorded, Write};

pub(super) async fn record(pool: &SqlitePool, writes: &[Write]) -> Result<Vec<Recorded>> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = begin(pool).await?;
    let answers = write(&mut tx, writes).await?;
    tx.commit().await?;
    Ok(answers)
}

/// Writes all of it into a transaction.
pub(super) async fn write(tx: &mut SqliteConnection, writes: &[Write]) -> Result<Vec<Recorded>> {
    let tokens = find_tokens(tx, writes).await?;
    let batches = find_batches(tx, &batches_of(writes)).await?;
    let mut plan = Plan::new(writes, &tokens, &batches);
    open_batches(tx, &mut plan).await?;
    hold_back(tx, &mut plan).await?;
    execute(tx, POSTPONE_BATCHES, &plan.postpones).await?;
    execute(tx, RESEND_BATCHES, &plan.resends).await?;
    execute(tx, CLOSE_BATCHES, &plan.closes).await?;
    settle_successes(tx, &plan.successes).await?;
    execute(tx, SETTLE_FAILURES, &plan.failures).await?;
    execute(tx, CHANGE_LANES, &plan.lanes).await?;
    Ok(plan.answers)
}

/// Puts new batches into the journal. Where it does not take all of them it is asked why.
async fn open_batches(tx: &mut SqliteConnection, plan: &mut Plan<'_>) -> Result<()> {
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
    Ok(())
}

/// Leaves out what would be sent again with a row that is not pending any more.
async fn hold_back(tx: &mut SqliteConnection, plan: &mut Plan<'_>) -> Result<()> {
    let rows = plan.going_again();
    if !rows.is_empty() {
        plan.hold_back(&stale_rows(tx, &rows).await?);
    }
    Ok(())
}

async fn stale_rows(tx: &mut SqliteConnection, rows: &[i64]) -> Result<HashSet<i64>> {
    let stale: Vec<i64> = sqlx::query_scalar(STALE_ROWS)
        .bind(json(&rows))
        .fetch_all(tx)
        .await?;
    Ok(stale.into_iter().collect())
}

/// One statement for each batch: a list of plain numbers costs least to read.
async fn settle_successes(tx: &mut SqliteConnection, successes: &[Succeeded]) -> Result<()> {
    for batch in successes {
        sqlx::query(SETTLE_SUCCESSES)
            .bind(json(&batch.rows))
            .bind(batch.batch_id.to_string())
            .bind(batch.attempts)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// Runs a statement over a list of records, if there are any. Answers how many rows it wrote.
async fn execute(
    tx: &mut SqliteConnection,
    statement: &'static str,
    records: &[impl Serialize],
) -> Result<u64> {
    if records.is_empty() {
        return Ok(0);
    }
    let executed = sqlx::query(statement)
        .bind(json(&records))
        .execute(tx)
        .await?;
    Ok(executed.rows_affected())
}

async fn find_tokens(tx: &mut SqliteConnection, writes: &[Write]) -> Result<HashMap<Lane, i64>> {
    let lanes: Vec<LaneKey<'_>> = lanes_of(writes).into_iter().map(LaneKey::from).collect();
    let found = sqlx::query(FIND_TOKENS)
        .bind(json(&lanes))
        .fetch_all(tx)
        .await?;
    Ok(rows::tokens(&found))
}

async fn find_batches(tx: &mut SqliteConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Journaled>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = sqlx::query(FIND_BATCHES)
        .bind(json(&ids))
        .fetch_all(tx)
        .await?;
    rows::journaled(&found)
}
