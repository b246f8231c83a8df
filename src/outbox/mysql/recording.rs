//! Carrying out a [`Plan`]: many writes, one transaction, one statement for each kind of change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::{MySqlConnection, MySqlPool};
use uuid::Uuid;

use super::cluster::Cluster;
use super::lists::{counted, execute, fetch};
use super::statements::{
    CHANGE_LANES, CLOSE_BATCHES, FENCE_LANES, FIND_BATCHES, FREE_ROWS, LOCK_LANES, OPEN_BATCHES,
    POSTPONE_BATCHES, RESEND_BATCHES, ROWS, SENDING_BATCHES, SETTLE_FAILURES, SETTLE_SUCCESSES,
    STALE_ROWS, UNWRITTEN,
};
use crate::batch::BatchId;
use crate::contact::{ContactId, Lane};
use crate::outbox::error::{BATCHES, CONTACTS, LANES, WriteError, none_unwritten};
use crate::outbox::plan::{
    Departing, Journaled, LaneKey, Plan, Succeeded, batches_of, json, lanes_of,
};
use crate::outbox::rows::{self, Columns};
use crate::outbox::{Change, Lease, Recorded, Write, trial};

pub(super) async fn record(
    pool: &MySqlPool,
    cluster: &Cluster,
    writes: &[Write],
) -> Result<Vec<Recorded>, WriteError> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = pool.begin().await?;
    let answers = write(&mut tx, cluster, writes).await?;
    cluster.commit(tx).await?;
    Ok(answers)
}

/// Writes all of it into a transaction.
pub(super) async fn write(
    tx: &mut MySqlConnection,
    cluster: &Cluster,
    writes: &[Write],
) -> Result<Vec<Recorded>, WriteError> {
    let tokens = lock_lanes(tx, cluster, writes).await?;
    let batches = find_batches(tx, &batches_of(writes)).await?;
    let mut plan = Plan::new(writes, &tokens, &batches);
    carry_out(tx, &mut plan).await?;
    Ok(plan.answers)
}

/// Writes all that a lane may write, and undoes it.
pub(super) async fn try_settling(
    pool: &MySqlPool,
    cluster: &Cluster,
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
        let mut tx = pool.begin().await?;
        let tokens = lock_lanes(&mut tx, cluster, std::slice::from_ref(&write)).await?;
        if tokens.get(&lease.lane) != Some(&lease.token) {
            return Ok(Recorded::Fenced);
        }
        carry_out(&mut tx, &mut plan).await?;
        tx.rollback().await?;
    }
    Ok(Recorded::Done)
}

/// Writes all of the plan, or fails.
async fn carry_out(tx: &mut MySqlConnection, plan: &mut Plan<'_>) -> Result<(), WriteError> {
    open_batches(tx, plan).await?;
    hold_back(tx, plan).await?;
    execute(tx, POSTPONE_BATCHES, &plan.postpones).await?;
    execute(tx, RESEND_BATCHES, &plan.resends).await?;
    execute(tx, CLOSE_BATCHES, &plan.closes).await?;
    settle_successes(tx, &plan.successes).await?;
    execute(tx, SETTLE_FAILURES, &plan.failures).await?;
    execute(tx, CHANGE_LANES, &plan.lanes).await?;
    look_back(tx, plan).await
}

/// Looks whether what was written is there: how many rows a statement changed says nothing. A
/// trigger can put the old values back, and such a row counts as any other.
async fn look_back(tx: &mut MySqlConnection, plan: &Plan<'_>) -> Result<(), WriteError> {
    let (rows, states) = (plan.settled(), plan.states());
    if rows.is_empty() && states.is_empty() && plan.lanes.is_empty() {
        return Ok(());
    }
    let unwritten = sqlx::query(UNWRITTEN)
        .bind(json(&rows))
        .bind(json(&states))
        .bind(json(&plan.holds()))
        .fetch_one(tx)
        .await?;
    for table in [CONTACTS, BATCHES, LANES] {
        none_unwritten(table, unwritten.integer(table).unwrap_or_default())?;
    }
    Ok(())
}

/// Those of the contacts whose rows other sessions keep locked.
pub(super) async fn locked(
    pool: &MySqlPool,
    contacts: &[ContactId],
) -> sqlx::Result<Vec<ContactId>> {
    let mut tx = pool.begin().await?;
    let rows = fetch(&mut tx, ROWS, contacts).await?;
    let free = fetch(&mut tx, FREE_ROWS, contacts).await?;
    tx.rollback().await?;
    let free: HashSet<i64> = free.iter().filter_map(|row| row.integer(0)).collect();
    let rows = rows.iter().filter_map(|row| row.integer(0));
    let locked = rows.filter(|id| !free.contains(id));
    Ok(locked.map(ContactId).collect())
}

/// Puts new batches into the journal. Where it does not take all of them it is asked why.
async fn open_batches(tx: &mut MySqlConnection, plan: &mut Plan<'_>) -> Result<(), WriteError> {
    let (mut opened, mut behind) = (0, 0);
    for (list, count) in counted(&plan.opens) {
        let new = &plan.opens[behind..behind + count];
        behind += count;
        let done = sqlx::query(OPEN_BATCHES)
            .bind(list)
            .bind(json(&Departing::of(new)))
            .execute(&mut *tx);
        opened += done.await?.rows_affected();
    }
    // One that was there already counts, too.
    if opened >= plan.opens.len() as u64 {
        return Ok(());
    }
    let (batches, rows) = plan.going();
    let sending = fetch(tx, SENDING_BATCHES, &batches).await?;
    let sending: Vec<String> = sending.iter().filter_map(|row| row.text(0)).collect();
    let stale = stale_rows(tx, &rows).await?;
    plan.refuse(&rows::uuids(&sending)?, &stale);
    let ids: Vec<Uuid> = plan.opens.iter().map(|open| open.id).collect();
    let there = find_batches(tx, &ids).await?;
    none_unwritten(BATCHES, plan.missing(&there))
}

/// Leaves out what would be sent again with a row that is not pending any more.
async fn hold_back(tx: &mut MySqlConnection, plan: &mut Plan<'_>) -> sqlx::Result<()> {
    let rows = plan.going_again();
    if !rows.is_empty() {
        plan.hold_back(&stale_rows(tx, &rows).await?);
    }
    Ok(())
}

async fn stale_rows(tx: &mut MySqlConnection, rows: &[i64]) -> sqlx::Result<HashSet<i64>> {
    let stale = fetch(tx, STALE_ROWS, rows).await?;
    Ok(stale.iter().filter_map(|row| row.integer(0)).collect())
}

/// One statement for each batch: a list of plain numbers costs least to read.
async fn settle_successes(tx: &mut MySqlConnection, successes: &[Succeeded]) -> sqlx::Result<()> {
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

/// Locks the lanes, which is enough on a server. On a cluster their rows are written.
async fn lock_lanes(
    tx: &mut MySqlConnection,
    cluster: &Cluster,
    writes: &[Write],
) -> sqlx::Result<HashMap<Lane, i64>> {
    let lanes: Vec<LaneKey<'_>> = lanes_of(writes).into_iter().map(LaneKey::from).collect();
    if cluster.is_one() {
        execute(tx, FENCE_LANES, &lanes).await?;
    }
    Ok(rows::tokens(&fetch(tx, LOCK_LANES, &lanes).await?))
}

async fn find_batches(
    tx: &mut MySqlConnection,
    ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Journaled>> {
    rows::journaled(&fetch(tx, FIND_BATCHES, ids).await?)
}
