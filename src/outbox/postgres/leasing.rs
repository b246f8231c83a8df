//! Heartbeats, and the right to work a lane.

use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::session::begin;
use super::statements::{
    ADOPT_BATCHES, BEAT, CLEAR_SILENT_INSTANCES, FREE_LANES, LEASE_LANE, LIFT_HOLDS, PENDING_ROWS,
    RELEASE_LANE, REMOVE_INSTANCE,
};
use crate::contact::{Lane, OutboxRow};
use crate::outbox::error::{INSTANCES, WriteError, all_written};
use crate::outbox::rows::{self, Columns, OpenEntry};
use crate::outbox::{Instance, Lease, LeasedLane};

pub(super) async fn beat(pool: &PgPool, instance: &Instance) -> Result<(), WriteError> {
    let mut session = pool.acquire().await?;
    write_beat(&mut session, instance).await
}

/// The same in a session.
pub(super) async fn write_beat(
    session: &mut PgConnection,
    instance: &Instance,
) -> Result<(), WriteError> {
    let beaten = sqlx::query(BEAT)
        .bind(instance.id)
        .bind(&instance.host)
        .bind(i64::from(instance.pid))
        .bind(rows::to_millis(instance.lease))
        .execute(&mut *session)
        .await?;
    all_written(INSTANCES, 1, beaten.rows_affected())?;
    sqlx::query(CLEAR_SILENT_INSTANCES).execute(session).await?;
    Ok(())
}

pub(super) async fn retire(pool: &PgPool, instance: Uuid) -> sqlx::Result<()> {
    let mut tx = begin(pool).await?;
    sqlx::query(FREE_LANES)
        .bind(instance)
        .execute(&mut *tx)
        .await?;
    sqlx::query(REMOVE_INSTANCE)
        .bind(instance)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

pub(super) async fn lease(
    pool: &PgPool,
    lane: &Lane,
    instance: Uuid,
) -> sqlx::Result<Option<LeasedLane>> {
    let mut tx = begin(pool).await?;
    let leased = write_lease(&mut tx, lane, instance).await?;
    tx.commit().await?;
    Ok(leased)
}

/// Leases a lane in a transaction.
pub(super) async fn write_lease(
    tx: &mut PgConnection,
    lane: &Lane,
    instance: Uuid,
) -> sqlx::Result<Option<LeasedLane>> {
    let leased = sqlx::query(LEASE_LANE)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(instance)
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
    tx: &mut PgConnection,
    lane: &Lane,
    token: i64,
) -> sqlx::Result<Vec<OpenEntry>> {
    sqlx::query(ADOPT_BATCHES)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(token)
        .fetch_all(tx)
        .await?
        .iter()
        .map(open_entry)
        .collect()
}

fn open_entry(row: &PgRow) -> sqlx::Result<OpenEntry> {
    Ok(OpenEntry {
        id: row.try_get("id")?,
        lease_token: row.try_get("lease_token")?,
        parent: row.try_get("parent_id")?,
        contacts: row.try_get("contact_ids")?,
        options: rows::parsed("options", row.try_get("options")?)?,
        attempts: row.try_get("attempts")?,
        maybe_delivered: row.try_get("maybe_delivered")?,
        failing_for: row.try_get("failing_for")?,
    })
}

async fn pending_rows(tx: &mut PgConnection, ids: &[i64]) -> sqlx::Result<Vec<OutboxRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(PENDING_ROWS).bind(ids).fetch_all(tx).await?;
    Ok(rows.iter().map(rows::outbox_row).collect())
}

pub(super) async fn lift_holds(pool: &PgPool, reason: &str) -> sqlx::Result<u64> {
    let lifted = sqlx::query(LIFT_HOLDS).bind(reason).execute(pool).await?;
    Ok(lifted.rows_affected())
}

pub(super) async fn release(pool: &PgPool, lease: &Lease) -> sqlx::Result<()> {
    sqlx::query(RELEASE_LANE)
        .bind(lease.lane.user_id())
        .bind(lease.lane.task_id())
        .bind(lease.token)
        .execute(pool)
        .await?;
    Ok(())
}
