//! Rates that couriers share.

use sqlx::{Result, SqliteConnection, SqlitePool};

use super::statements::CLAIM_RATE;
use super::transaction::begin;
use crate::outbox::RateClaim;
use crate::outbox::rows::to_micros;

pub(super) async fn claim(pool: &SqlitePool, claim: &RateClaim<'_>) -> Result<i64> {
    let mut tx = begin(pool).await?;
    let begins_in = write_claim(&mut tx, claim).await?;
    tx.commit().await?;
    Ok(begins_in)
}

/// Claims a slice in a transaction.
pub(super) async fn write_claim(tx: &mut SqliteConnection, claim: &RateClaim<'_>) -> Result<i64> {
    sqlx::query_scalar(CLAIM_RATE)
        .bind(claim.name)
        .bind(to_micros(claim.span))
        .bind(claim.earliest())
        .fetch_one(tx)
        .await
}
