//! The parts of recording that PostgreSQL does in its own way.

use sqlx::{PgConnection, Result};
use uuid::Uuid;

use super::error::is_locked;
use super::language::Postgres;
use super::sessions::BEGIN_BRIEFLY;
use super::statements::operating::REQUEUE;
use super::statements::{
    LOCK_ROWS_AT_ONCE, LOCKED_ROWS, SETTLE_UNWATCHED, STATEMENTS, STILL_PENDING,
};
use crate::contact::ContactId;
use crate::outbox::error::{CONTACTS, SqlError, all_written};
use crate::outbox::plan::Succeeded;
use crate::outbox::servers::Servers;
use crate::outbox::sql::sessions::Sessions;

/// Settles the successes of all batches by one statement, and by another one what it has left: rows
/// that are not there or are final, or all of them if something in the database may interfere.
pub(super) async fn succeed(tx: &mut PgConnection, batches: &[Succeeded]) -> Result<u64> {
    if batches.is_empty() {
        return Ok(0);
    }
    let (mut rows, mut attempts, mut ids) = (Vec::new(), Vec::new(), Vec::<Uuid>::new());
    for batch in batches {
        rows.extend_from_slice(&batch.rows);
        attempts.resize(rows.len(), batch.attempts);
        ids.resize(rows.len(), batch.batch_id);
    }
    let settled = sqlx::query(SETTLE_UNWATCHED)
        .bind(&rows)
        .bind(&attempts)
        .bind(&ids)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    if usize::try_from(settled) == Ok(rows.len()) {
        return Ok(settled);
    }
    let rest: i64 = sqlx::query_scalar(STATEMENTS.settle_successes)
        .bind(rows)
        .bind(attempts)
        .bind(ids)
        .fetch_one(tx)
        .await?;
    Ok(settled + u64::try_from(rest).unwrap_or_default())
}

/// Returns the contacts among these whose rows other sessions keep locked.
pub(super) async fn locked(
    servers: &Servers<sqlx::Postgres>,
    contacts: &[i64],
) -> Result<Vec<ContactId>> {
    let mut tx = servers.begin_with(BEGIN_BRIEFLY).await?;
    let locked: Vec<i64> = sqlx::query_scalar(LOCKED_ROWS)
        .bind(contacts)
        .fetch_all(&mut *tx)
        .await?;
    tx.rollback().await?;
    if locked.is_empty() || !is_any_locked(servers, &locked).await? {
        return Ok(Vec::new());
    }
    Ok(locked.into_iter().map(ContactId).collect())
}

/// Whether a lock keeps these rows from us. A row policy may do it, too: without an error it hides
/// rows from everybody who wants to lock them.
async fn is_any_locked(servers: &Servers<sqlx::Postgres>, ids: &[i64]) -> Result<bool> {
    let mut session = servers.acquire().await?;
    let tried = sqlx::query(LOCK_ROWS_AT_ONCE)
        .bind(ids)
        .execute(&mut *session)
        .await;
    match tried {
        Err(error) if is_locked(&error) => Ok(true),
        tried => tried.map(|_| false),
    }
}

/// Makes failed contacts pending again.
pub(super) async fn requeue(tx: &mut PgConnection, contacts: &[i64]) -> Result<u64, SqlError> {
    let failed: Vec<i64> = sqlx::query_scalar(REQUEUE)
        .bind(contacts)
        .fetch_all(&mut *tx)
        .await?;
    Postgres::fire_deferred(tx).await?;
    let pending: i64 = sqlx::query_scalar(STILL_PENDING)
        .bind(&failed)
        .fetch_one(tx)
        .await?;
    all_written(CONTACTS, failed.len(), pending)?;
    Ok(failed.len() as u64)
}
