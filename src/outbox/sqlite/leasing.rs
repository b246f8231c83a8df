//! Heartbeats, and the right to work a lane.

use std::sync::Arc;

use sqlx::{Row, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::statements::{
    ADOPT_BATCHES, BEAT, CLEAR_SILENT_INSTANCES, FREE_LANES, LEASE_LANE, LIFT_HOLDS, OPEN_ENTRIES,
    PENDING_ROWS, RELEASE_LANE, REMOVE_INSTANCE,
};
use super::transaction::begin;
use crate::contact::{Lane, OutboxRow};
use crate::outbox::error::{INSTANCES, WriteError, all_written};
use crate::outbox::plan::json;
use crate::outbox::rows::{self, Columns, OpenEntry};
use crate::outbox::{Instance, Lease, LeasedLane};

pub(super) async fn beat(pool: &SqlitePool, instance: &Instance) -> Result<(), WriteError> {
    let mut tx = begin(pool).await?;
    write_beat(&mut tx, instance).await?;
    tx.commit().await?;
    Ok(())
}

/// Writes a heartbeat into a transaction.
pub(super) async fn write_beat(
    tx: &mut SqliteConnection,
    instance: &Instance,
) -> Result<(), WriteError> {
    let beaten = sqlx::query(BEAT)
        .bind(instance.id.to_string())
        .bind(&instance.host)
        .bind(i64::from(instance.pid))
        .bind(rows::to_millis(instance.lease))
        .execute(&mut *tx)
        .await?;
    all_written(INSTANCES, 1, beaten.rows_affected())?;
    sqlx::query(CLEAR_SILENT_INSTANCES).execute(tx).await?;
    Ok(())
}

pub(super) async fn retire(pool: &SqlitePool, instance: Uuid) -> sqlx::Result<()> {
    let mut tx = begin(pool).await?;
    for statement in [FREE_LANES, REMOVE_INSTANCE] {
        sqlx::query(statement)
            .bind(instance.to_string())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

pub(super) async fn lease(
    pool: &SqlitePool,
    lane: &Lane,
    instance: Uuid,
) -> sqlx::Result<Option<LeasedLane>> {
    let mut tx = begin(pool).await?;
    let leased = write_lease(&mut tx, lane, instance).await?;
    match leased {
        Some(_) => tx.commit().await?,
        None => tx.rollback().await?,
    }
    Ok(leased)
}

/// Leases a lane in a transaction.
pub(super) async fn write_lease(
    tx: &mut SqliteConnection,
    lane: &Lane,
    instance: Uuid,
) -> sqlx::Result<Option<LeasedLane>> {
    let leased = sqlx::query(LEASE_LANE)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(instance.to_string())
        .fetch_optional(&mut *tx)
        .await?;
    let Some(leased) = leased else {
        return Ok(None);
    };
    let token: i64 = leased.try_get("lease_token")?;
    let open = adopt_batches(tx, lane, token).await?;
    let (adopted, obstacle) = rows::adopted(open, token);
    let ids: Vec<i64> = adopted
        .iter()
        .flat_map(|entry| entry.contacts.iter().copied())
        .collect();
    let rows = pending_rows(tx, &ids).await?;
    Ok(Some(LeasedLane {
        lease: Arc::new(Lease {
            lane: lane.clone(),
            token,
            failures: rows::to_count(leased.integer("failures")),
        }),
        open: rows::open_batches(adopted, rows),
        held_because: leased.text("hold_reason"),
        obstacle,
    }))
}

async fn adopt_batches(
    tx: &mut SqliteConnection,
    lane: &Lane,
    token: i64,
) -> sqlx::Result<Vec<OpenEntry>> {
    sqlx::query(ADOPT_BATCHES)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(token)
        .execute(&mut *tx)
        .await?;
    sqlx::query(OPEN_ENTRIES)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .fetch_all(tx)
        .await?
        .iter()
        .map(rows::open_entry)
        .collect()
}

async fn pending_rows(tx: &mut SqliteConnection, ids: &[i64]) -> sqlx::Result<Vec<OutboxRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(PENDING_ROWS)
        .bind(json(&ids))
        .fetch_all(tx)
        .await?;
    Ok(rows.iter().map(rows::outbox_row).collect())
}

pub(super) async fn lift_holds(pool: &SqlitePool, reason: &str) -> sqlx::Result<u64> {
    let mut tx = begin(pool).await?;
    let lifted = sqlx::query(LIFT_HOLDS)
        .bind(reason)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(lifted.rows_affected())
}

pub(super) async fn release(pool: &SqlitePool, lease: &Lease) -> sqlx::Result<()> {
    let mut tx = begin(pool).await?;
    sqlx::query(RELEASE_LANE)
        .bind(lease.lane.user_id())
        .bind(lease.lane.task_id())
        .bind(lease.token)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}
