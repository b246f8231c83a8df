//! Rates that couriers share.

use sqlx::{MySqlConnection, Result};

use super::statements::{NEW_RATE, RATE_ASKED, RATE_GIVEN, RATE_TAKEN};
use crate::outbox::RateClaim;
use crate::outbox::span::to_micros;

/// Claims a slice. Neither server can return the values that an upsert has written, so they are read
/// after it, under its lock.
pub(super) async fn claim(tx: &mut MySqlConnection, claim: &RateClaim<'_>) -> Result<i64> {
    let asked: i64 = sqlx::query_scalar(RATE_ASKED).fetch_one(&mut *tx).await?;
    sqlx::query(NEW_RATE)
        .bind(claim.name)
        .execute(&mut *tx)
        .await?;
    let given: i64 = sqlx::query_scalar(RATE_GIVEN)
        .bind(claim.name)
        .fetch_one(&mut *tx)
        .await?;
    let begins = if given > asked + to_micros(claim.furthest) {
        asked + claim.anew()
    } else {
        given.max(asked - claim.earliest())
    };
    sqlx::query(RATE_TAKEN)
        .bind(begins + to_micros(claim.span))
        .bind(claim.name)
        .execute(tx)
        .await?;
    Ok(begins - asked)
}
