//! Rates that couriers share.

use sqlx::{PgConnection, PgPool, Result};

use super::statements::CLAIM_RATE;
use crate::outbox::RateClaim;
use crate::outbox::rows::to_micros;

pub(super) async fn claim(pool: &PgPool, claim: &RateClaim<'_>) -> Result<i64> {
    let mut session = pool.acquire().await?;
    write_claim(&mut session, claim).await
}

/// The same in a session.
pub(super) async fn write_claim(session: &mut PgConnection, claim: &RateClaim<'_>) -> Result<i64> {
    sqlx::query_scalar(CLAIM_RATE)
        .bind(claim.name)
        .bind(to_micros(claim.span))
        .bind(claim.earliest())
        .fetch_one(session)
        .await
}
