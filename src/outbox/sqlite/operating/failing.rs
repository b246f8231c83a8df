//! Contacts that failed: which they are, and sending them on their way again.

use sqlx::SqlitePool;

use super::super::statements::operating::{
    COUNT_FAILURES, FAILURES, FAILURES_NAMED, KEEP_ENDS, REQUEUE,
};
use super::super::transaction::begin;
use crate::contact::ContactId;
use crate::outbox::error::{CONTACTS, WriteError, none_unwritten};
use crate::outbox::operations::{
    self, FailedContact, FailureCount, FailureCursor, FailureFilter, FailurePage,
};
use crate::outbox::plan::json;
use crate::outbox::rows::to_seconds;

pub(in crate::outbox::sqlite) async fn failures(
    pool: &SqlitePool,
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

pub(in crate::outbox::sqlite) async fn count(
    pool: &SqlitePool,
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
) -> sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
    sqlx::query(statement)
        .bind(&filter.user_id)
        .bind(&filter.task_id)
        .bind(kinds)
        .bind(&filter.cause)
        .bind(filter.until.map(to_seconds))
        .bind(filter.since.map(to_seconds))
}

pub(in crate::outbox::sqlite) async fn named(
    pool: &SqlitePool,
    ids: &[ContactId],
) -> sqlx::Result<Vec<FailedContact>> {
    let failed = sqlx::query(FAILURES_NAMED)
        .bind(json(&ids))
        .fetch_all(pool)
        .await?;
    Ok(failed.iter().map(operations::failed).collect())
}

pub(in crate::outbox::sqlite) async fn requeue(
    writer: &SqlitePool,
    ids: &[ContactId],
) -> Result<u64, WriteError> {
    let ids = json(&ids);
    let mut tx = begin(writer).await?;
    let kept = sqlx::query(KEEP_ENDS).bind(&ids).execute(&mut *tx).await?;
    let done = sqlx::query(REQUEUE).bind(&ids).execute(&mut *tx).await?;
    let (kept, done) = (kept.rows_affected(), done.rows_affected());
    none_unwritten(CONTACTS, kept.abs_diff(done))?;
    tx.commit().await?;
    Ok(done)
}
