//! Rates that couriers share.

use sqlx::{Result, SqlitePool};

use super::begin;
use super::statements::CLAIM_RATE;
use crate::outbox::RateClaim;
use crate::outbox::rows::to_micros;

pub(super) async fn claim(pool: &SqlitePool, claim: &RateClaim<'_>) -> Result<i64> {
    let mut tx = begin(pool).await?;
    let begins_in = sqlx::query_scalar(CLAIM_RATE)
        .bind(claim.name)
        .bind(to_micros(claim.span))
        .bind(claim.earliest())
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(begins_in)
}
