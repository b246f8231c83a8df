//! What operators ask, answered.

use sqlx::{PgPool, Result};

use super::statements::operating::{FAILURES, INSTANCES, LANES, OVERVIEW, PAUSED};
use crate::outbox::operations::{
    self, FailureCursor, FailureFilter, FailurePage, LaneReport, OutcomeCount, Overview, PausedLane,
};
use crate::outbox::rows::to_seconds;

pub(super) async fn overview(pool: &PgPool) -> Result<Overview> {
    let totals = sqlx::query(OVERVIEW).fetch_one(pool).await?;
    let instances = sqlx::query(INSTANCES).fetch_all(pool).await?;
    let instances = instances.iter().map(operations::instance_report).collect();
    Ok(operations::overview(&totals, instances))
}

pub(super) async fn lanes(pool: &PgPool, limit: u32) -> Result<Vec<LaneReport>> {
    let lanes = sqlx::query(LANES)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    Ok(lanes.iter().map(operations::lane_report).collect())
}

pub(super) async fn paused(pool: &PgPool, limit: u32) -> Result<Vec<PausedLane>> {
    let paused = sqlx::query(PAUSED)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    Ok(paused.iter().map(operations::paused_lane).collect())
}

pub(super) async fn failures(
    pool: &PgPool,
    filter: &FailureFilter,
    after: Option<&FailureCursor>,
    limit: u32,
) -> Result<FailurePage> {
    let kinds = operations::kinds_of(filter);
    let finished_at = after.map(|after| after.finished_at.as_str());
    let failures = sqlx::query(FAILURES)
        .bind(&filter.user_id)
        .bind(&filter.task_id)
        .bind(&kinds)
        .bind(&filter.cause)
        .bind(filter.until.map(to_seconds))
        .bind(filter.since.map(to_seconds))
        .bind(finished_at)
        .bind(after.map(|after| after.id))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    Ok(operations::failure_page(&failures, limit))
}

pub(super) async fn outcomes(pool: &PgPool) -> Result<Vec<OutcomeCount>> {
    let counts = sqlx::query(operations::OUTCOMES).fetch_all(pool).await?;
    Ok(counts.iter().map(operations::outcome).collect())
}

pub(super) async fn numbers_delivered(pool: &PgPool) -> Result<u64> {
    let counted: i64 = sqlx::query_scalar(operations::NUMBERS_DELIVERED)
        .fetch_one(pool)
        .await?;
    Ok(u64::try_from(counted).unwrap_or_default())
}
