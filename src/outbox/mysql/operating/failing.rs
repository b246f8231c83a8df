//! Contacts that failed: which they are, and sending them on their way again.

use sqlx::MySqlPool;

use super::super::cluster::Cluster;
use super::super::lists::{execute, fetch};
use super::super::statements::operating::{
    COUNT_FAILURES, FAILURES, FAILURES_NAMED, KEEP_ENDS, LOCK_FAILED, REQUEUE,
};
use crate::contact::ContactId;
use crate::outbox::error::{CONTACTS, WriteError, none_unwritten};
use crate::outbox::operations::{
    self, FailedContact, FailureCount, FailureCursor, FailureFilter, FailurePage,
};
use crate::outbox::rows::{Columns, to_seconds};

pub(in crate::outbox::mysql) async fn failures(
    pool: &MySqlPool,
    filter: &FailureFilter,
    after: Option<&FailureCursor>,
    limit: u32,
) -> sqlx::Result<FailurePage> {
    let kinds = operations::kinds_of(filter);
    let finished_at = after.map(|after| after.finished_at.as_str());
    let failures = passing(FAILURES, filter, kinds.as_deref())
        .bind(finished_at)
        .bind(finished_at)
        .bind(finished_at)
        .bind(after.map(|after| after.id))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    Ok(operations::failure_page(&failures, limit))
}

pub(in crate::outbox::mysql) async fn count(
    pool: &MySqlPool,
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
) -> sqlx::query::Query<'q, sqlx::MySql, sqlx::mysql::MySqlArguments> {
    sqlx::query(statement)
        .bind(&filter.user_id)
        .bind(&filter.user_id)
        .bind(&filter.task_id)
        .bind(&filter.task_id)
        .bind(kinds)
        .bind(kinds)
        .bind(&filter.cause)
        .bind(&filter.cause)
        .bind(filter.until.map(to_seconds))
        .bind(filter.since.map(to_seconds))
}

pub(in crate::outbox::mysql) async fn named(
    pool: &MySqlPool,
    ids: &[ContactId],
) -> sqlx::Result<Vec<FailedContact>> {
    let mut session = pool.acquire().await?;
    let failed = fetch(&mut session, FAILURES_NAMED, ids).await?;
    Ok(failed.iter().map(operations::failed).collect())
}

pub(in crate::outbox::mysql) async fn requeue(
    pool: &MySqlPool,
    cluster: &Cluster,
    ids: &[ContactId],
) -> Result<u64, WriteError> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    let mut tx = pool.begin().await?;
    let failed = fetch(&mut tx, LOCK_FAILED, &ids).await?;
    let wanted = failed.len() as u64;
    let failed: Vec<i64> = failed.iter().filter_map(|row| row.integer("id")).collect();
    execute(&mut tx, KEEP_ENDS, &failed).await?;
    execute(&mut tx, REQUEUE, &failed).await?;
    let unwritten = fetch(&mut tx, LOCK_FAILED, &failed).await?;
    none_unwritten(CONTACTS, unwritten.len())?;
    cluster.commit(tx).await?;
    Ok(wanted)
}
