//! Rates that couriers share.

use sqlx::{MySqlConnection, MySqlPool, Result};

use super::cluster::Cluster;
use super::statements::{NEW_RATE, RATE_ASKED, RATE_GIVEN, RATE_TAKEN};
use crate::outbox::RateClaim;
use crate::outbox::rows::to_micros;

/// Neither server can answer with what an upsert has written, so it is read behind it, under the
/// upsert's lock.
pub(super) async fn claim(
    pool: &MySqlPool,
    cluster: &Cluster,
    claim: &RateClaim<'_>,
) -> Result<i64> {
    let mut tx = pool.begin().await?;
    let begins_in = write_claim(&mut tx, claim).await?;
    cluster.commit(tx).await?;
    Ok(begins_in)
}

/// Claims a slice in a transaction.
pub(super) async fn write_claim(tx: &mut MySqlConnection, claim: &RateClaim<'_>) -> Result<i64> {
    let asked: i64 = sqlx::query_scalar(RATE_ASKED).fetch_one(&mut *tx).await?;
    sqlx::query(NEW_RATE)
        .bind(claim.name)
        .execute(&mut *tx)
        .await?;
    let given: i64 = sqlx::query_scalar(RATE_GIVEN)
        .bind(claim.name)
        .fetch_one(&mut *tx)
        .await?;
    let begins = given.max(asked - claim.earliest());
    sqlx::query(RATE_TAKEN)
        .bind(begins + to_micros(claim.span))
        .bind(claim.name)
        .execute(tx)
        .await?;
    Ok(begins - asked)
}
