//! Heartbeats, and the right to work a lane.

use std::sync::Arc;

use sqlx::{MySqlConnection, MySqlPool, Row};
use uuid::Uuid;

use super::cluster::Cluster;
use super::lists::fetch;
use super::statements::{
    ADOPT_BATCHES, ALIVE, BEAT, CLEAR_SILENT_INSTANCES, FREE_LANES, LEASE_LANE, LEASED, LIFT_HOLDS,
    NEW_LANE, OPEN_ENTRIES, PENDING_ROWS, RELEASE_LANE, REMOVE_INSTANCE,
};
use crate::contact::{Lane, OutboxRow};
use crate::outbox::error::{INSTANCES, WriteError, all_written};
use crate::outbox::rows::{self, Columns, OpenEntry};
use crate::outbox::{Instance, Lease, LeasedLane};

pub(super) async fn beat(pool: &MySqlPool, instance: &Instance) -> Result<(), WriteError> {
    let mut tx = pool.begin().await?;
    write_beat(&mut tx, instance).await?;
    tx.commit().await?;
    Ok(())
}

/// Writes a heartbeat into a transaction.
pub(super) async fn write_beat(
    tx: &mut MySqlConnection,
    instance: &Instance,
) -> Result<(), WriteError> {
    let (pid, lease) = (i64::from(instance.pid), rows::to_millis(instance.lease));
    let beaten = sqlx::query(BEAT)
        .bind(instance.id.to_string())
        .bind(&instance.host)
        .bind(pid)
        .bind(lease)
        .bind(&instance.host)
        .bind(pid)
        .bind(lease)
        .execute(&mut *tx)
        .await?;
    all_written(INSTANCES, 1, beaten.rows_affected())?;
    // A trigger may have put the old instant back.
    let alive: i64 = sqlx::query_scalar(ALIVE)
        .bind(instance.id.to_string())
        .fetch_one(&mut *tx)
        .await?;
    all_written(INSTANCES, 1, alive)?;
    sqlx::query(CLEAR_SILENT_INSTANCES).execute(tx).await?;
    Ok(())
}

pub(super) async fn retire(pool: &MySqlPool, instance: Uuid) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    for statement in [FREE_LANES, REMOVE_INSTANCE] {
        sqlx::query(statement)
            .bind(instance.to_string())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

pub(super) async fn lease(
    pool: &MySqlPool,
    cluster: &Cluster,
    lane: &Lane,
    instance: Uuid,
) -> sqlx::Result<Option<LeasedLane>> {
    let mut tx = pool.begin().await?;
    let leased = write_lease(&mut tx, lane, instance).await?;
    match leased {
        Some(_) => cluster.commit(tx).await?,
        None => tx.rollback().await?,
    }
    Ok(leased)
}

/// Leases a lane in a transaction.
pub(super) async fn write_lease(
    tx: &mut MySqlConnection,
    lane: &Lane,
    instance: Uuid,
) -> sqlx::Result<Option<LeasedLane>> {
    if !take(tx, lane, instance).await? {
        return Ok(None);
    }
    let leased = sqlx::query(LEASED)
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

/// Writes the lease into the lane's row, or makes the row. Whether it did.
async fn take(tx: &mut MySqlConnection, lane: &Lane, instance: Uuid) -> sqlx::Result<bool> {
    let instance = instance.to_string();
    let taken = sqlx::query(LEASE_LANE)
        .bind(&instance)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(&instance)
        .execute(&mut *tx)
        .await?;
    if taken.rows_affected() > 0 {
        return Ok(true);
    }
    let made = sqlx::query(NEW_LANE)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(&instance)
        .execute(tx)
        .await?;
    Ok(made.rows_affected() > 0)
}

async fn adopt_batches(
    tx: &mut MySqlConnection,
    lane: &Lane,
    token: i64,
) -> sqlx::Result<Vec<OpenEntry>> {
    sqlx::query(ADOPT_BATCHES)
        .bind(token)
        .bind(lane.user_id())
        .bind(lane.task_id())
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

async fn pending_rows(tx: &mut MySqlConnection, ids: &[i64]) -> sqlx::Result<Vec<OutboxRow>> {
    let rows = fetch(tx, PENDING_ROWS, ids).await?;
    Ok(rows.iter().map(rows::outbox_row).collect())
}

pub(super) async fn lift_holds(pool: &MySqlPool, reason: &str) -> sqlx::Result<u64> {
    let lifted = sqlx::query(LIFT_HOLDS).bind(reason).execute(pool).await?;
    Ok(lifted.rows_affected())
}

pub(super) async fn release(pool: &MySqlPool, lease: &Lease) -> sqlx::Result<()> {
    sqlx::query(RELEASE_LANE)
        .bind(lease.lane.user_id())
        .bind(lease.lane.task_id())
        .bind(lease.token)
        .execute(pool)
        .await?;
    Ok(())
}
