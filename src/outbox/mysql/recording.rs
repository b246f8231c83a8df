//! Carrying out a [`Plan`]: many writes, one transaction, one statement for each kind of change.

use std::collections::{HashMap, HashSet};

use sqlx::{MySqlConnection, MySqlPool, Result};
use uuid::Uuid;

use super::lists::{execute, fetch};
use super::statements::{
    CHANGE_LANES, CLOSE_BATCHES, FIND_BATCHES, FREE_ROWS, LOCK_LANES, OPEN_BATCHES,
    POSTPONE_BATCHES, RESEND_BATCHES, ROWS, SETTLE_FAILURES, SETTLE_SUCCESSES,
};
use crate::contact::{ContactId, Lane};
use crate::outbox::plan::{Journaled, LaneKey, Plan, Succeeded, batches_of, json, lanes_of};
use crate::outbox::rows::{self, Columns};
use crate::outbox::{Recorded, Write};

pub(super) async fn record(pool: &MySqlPool, writes: &[Write]) -> Result<Vec<Recorded>> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = pool.begin().await?;
    let tokens = lock_lanes(&mut tx, writes).await?;
    let batches = find_batches(&mut tx, &batches_of(writes)).await?;
    let plan = Plan::new(writes, &tokens, &batches);
    execute(&mut tx, OPEN_BATCHES, &plan.opens).await?;
    execute(&mut tx, POSTPONE_BATCHES, &plan.postpones).await?;
    execute(&mut tx, RESEND_BATCHES, &plan.resends).await?;
    execute(&mut tx, CLOSE_BATCHES, &plan.closes).await?;
    settle_successes(&mut tx, &plan.successes).await?;
    execute(&mut tx, SETTLE_FAILURES, &plan.failures).await?;
    execute(&mut tx, CHANGE_LANES, &plan.lanes).await?;
    tx.commit().await?;
    Ok(plan.answers)
}

/// Those of the contacts whose rows other sessions keep locked.
pub(super) async fn locked(pool: &MySqlPool, contacts: &[ContactId]) -> Result<Vec<ContactId>> {
    let mut tx = pool.begin().await?;
    let rows = fetch(&mut tx, ROWS, contacts).await?;
    let free = fetch(&mut tx, FREE_ROWS, contacts).await?;
    tx.rollback().await?;
    let free: HashSet<i64> = free.iter().filter_map(|row| row.integer(0)).collect();
    let rows = rows.iter().filter_map(|row| row.integer(0));
    let locked = rows.filter(|id| !free.contains(id));
    Ok(locked.map(ContactId).collect())
}

/// One statement for each batch: a list of plain numbers costs least to read.
async fn settle_successes(tx: &mut MySqlConnection, successes: &[Succeeded]) -> Result<()> {
    for batch in successes {
        sqlx::query(SETTLE_SUCCESSES)
            .bind(json(&batch.rows))
            .bind(batch.attempts)
            .bind(batch.batch_id.to_string())
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

async fn lock_lanes(tx: &mut MySqlConnection, writes: &[Write]) -> Result<HashMap<Lane, i64>> {
    let lanes: Vec<LaneKey<'_>> = lanes_of(writes).into_iter().map(LaneKey::from).collect();
    Ok(rows::tokens(&fetch(tx, LOCK_LANES, &lanes).await?))
}

async fn find_batches(tx: &mut MySqlConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Journaled>> {
    rows::journaled(&fetch(tx, FIND_BATCHES, ids).await?)
}
