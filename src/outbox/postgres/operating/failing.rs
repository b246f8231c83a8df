//! Contacts that failed: which they are, and sending them on their way again.

use sqlx::PgPool;

use super::super::session::begin;
use super::super::statements::operating::{COUNT_FAILURES, FAILURES, FAILURES_NAMED, REQUEUE};
use crate::contact::ContactId;
use crate::outbox::error::{CONTACTS, WriteError, none_unwritten};
use crate::outbox::operations::{
    self, FailedContact, FailureCount, FailureCursor, FailureFilter, FailurePage,
};
use crate::outbox::rows::to_seconds;

pub(in crate::outbox::postgres) async fn failures(
    pool: &PgPool,
    filter: &FailureFilter,
    after: Option<&FailureCursor>,
    limit: u32,
) -> sqlx::Result<FailurePage> {
    let kinds = operations::kinds_of(filter);
    let finished_at = after.map(|after| after.finished_at.as_str());
    let failures = passing(FAILURES, filter, kinds.as_deref())
        .bind(finished_at)
        .bind(after.map(|after| after.id))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    Ok(operations::failure_page(&failures, limit))
}

pub(in crate::outbox::postgres) async fn count(
    pool: &PgPool,
    filter: &FailureFilter,
) -> sqlx::Result<Vec<FailureCount>> {
    let kinds = operations::kinds_of(filter);
    let counts = passing(COUNT_FAILURES, filter, kinds.as_deref())
        .fetch_all(pool)
        .await?;
    Ok(counts.iter().map(operations::failure_count).collect())
}

/// A statement with the parameters of a filter.
fn passing<'q>(
    statement: &'static str,
    filter: &'q FailureFilter,
    kinds: Option<&'q str>,
) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query(statement)
        .bind(&filter.user_id)
        .bind(&filter.task_id)
        .bind(kinds)
        .bind(&filter.cause)
        .bind(filter.until.map(to_seconds))
        .bind(filter.since.map(to_seconds))
}

pub(in crate::outbox::postgres) async fn named(
    pool: &PgPool,
    ids: &[ContactId],
) -> sqlx::Result<Vec<FailedContact>> {
    let failed = sqlx::query(FAILURES_NAMED)
        .bind(plain(ids))
        .fetch_all(pool)
        .await?;
    Ok(failed.iter().map(operations::failed).collect())
}

pub(in crate::outbox::postgres) async fn requeue(
    pool: &PgPool,
    ids: &[ContactId],
) -> Result<u64, WriteError> {
    let mut tx = begin(pool).await?;
    let (wanted, written): (i64, i64) = sqlx::query_as(REQUEUE)
        .bind(plain(ids))
        .fetch_one(&mut *tx)
        .await?;
    none_unwritten(CONTACTS, wanted - written)?;
    tx.commit().await?;
    Ok(u64::try_from(written).unwrap_or_default())
}

fn plain(ids: &[ContactId]) -> Vec<i64> {
    ids.iter().map(|id| id.0).collect()
}
