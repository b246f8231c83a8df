//! Rates that couriers share.

use std::time::Duration;

use tokio::time::Instant;

use super::ask::ask;
use super::dialect::Dialect;
use super::language::Session;
use crate::outbox::RateClaim;
use crate::outbox::error::SqlError;
use crate::outbox::span::{to_micros, to_seconds};

/// A rate is not deleted sooner: the slices of a slow one lie far apart.
const LEAST_UNUSED: Duration = Duration::from_hours(7 * 24);

/// Returns when the slice begins, in microseconds from `asked` on. The database counts from its own
/// reception of the question, which is later: the call may have to wait for a session.
pub(super) async fn claim<D: Dialect>(
    dialect: &D,
    claim: &RateClaim<'_>,
    asked: Instant,
) -> Result<i64, SqlError> {
    let mut session = dialect.begin_claim().await?;
    let waited = to_micros(asked.elapsed());
    let begins_in = dialect.claim_rate(&mut session, claim).await?;
    dialect.commit(session).await?;
    Ok(begins_in.saturating_add(waited))
}

/// Deletes the rates of which nobody has claimed anything for longer than this, or for a week if that
/// is longer. To a courier that comes then, such a rate and one that is not there are the same.
pub(super) async fn forget<D: Dialect>(dialect: &D, unused_for: Duration) -> Result<(), SqlError> {
    let mut session = dialect.begin_one().await?;
    ask::<D>(D::STATEMENTS.forget_rates)
        .bind(to_seconds(unused_for.max(LEAST_UNUSED)))
        .execute(&mut session)
        .await?;
    Ok(dialect.commit(session).await?)
}

/// Claims a slice by one statement.
pub(in crate::outbox) async fn at_once<D: Dialect>(
    claim_rate: &'static str,
    session: &mut Session<D>,
    claim: &RateClaim<'_>,
) -> sqlx::Result<i64> {
    ask::<D>(claim_rate)
        .bind(claim.name)
        .bind(to_micros(claim.span))
        .bind(claim.earliest())
        .bind(to_micros(claim.furthest))
        .bind(claim.anew())
        .number(session)
        .await
}
