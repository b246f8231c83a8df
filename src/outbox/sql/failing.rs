//! Failed contacts: reading them, and sending them on their way again.

use super::ask::{Ask, ask};
use super::dialect::Dialect;
use super::history;
use super::language::Session;
use super::statements::Statement;
use super::value::List;
use crate::contact::ContactId;
use crate::outbox::error::SqlError;
use crate::outbox::operations::{
    self, Action, FailedContact, FailureCount, FailureCursor, FailureFilter, FailureGroups,
    FailurePage, FailuresBy, Grouping, MayGo,
};
use crate::outbox::rows::Columns;
use crate::outbox::span::to_seconds;

pub(super) async fn failures<D: Dialect>(
    dialect: &D,
    filter: &FailureFilter,
    after: Option<&FailureCursor>,
    limit: u32,
) -> Result<FailurePage, SqlError> {
    let mut session = dialect.reading().await?;
    let kinds = operations::kinds_of(filter);
    let failures = passing::<D>(D::OPERATING.failures, filter, kinds.as_deref())
        .bind(after.map(|after| after.finished_at.as_str()))
        .bind(after.map(|after| after.id))
        .bind(i64::from(limit))
        .fetch_all(&mut session)
        .await?;
    Ok(operations::failure_page(&failures, limit))
}

pub(super) async fn count<D: Dialect>(
    dialect: &D,
    filter: &FailureFilter,
) -> Result<Vec<FailureCount>, SqlError> {
    let mut session = dialect.reading().await?;
    let kinds = operations::kinds_of(filter);
    let counts = passing::<D>(D::OPERATING.count_failures, filter, kinds.as_deref())
        .fetch_all(&mut session)
        .await?;
    Ok(counts.iter().map(operations::failure_count).collect())
}

pub(super) async fn count_by<D: Dialect>(
    dialect: &D,
    filter: &FailureFilter,
    by: FailuresBy,
    limit: u32,
) -> Result<FailureGroups, SqlError> {
    let mut session = dialect.reading().await?;
    let kinds = operations::kinds_of(filter);
    let mut grouping = Grouping::default();
    passing::<D>(D::OPERATING.failures_by, filter, kinds.as_deref())
        .bind(by.as_str())
        .fetch_while(&mut session, |row| {
            grouping.add(&row, by);
            true
        })
        .await?;
    Ok(grouping.most(limit))
}

/// A statement with the parameters of a filter.
fn passing<'a, D: Dialect>(
    statement: Statement,
    filter: &'a FailureFilter,
    kinds: Option<&'a str>,
) -> Ask<'a, D> {
    ask(statement)
        .bind(filter.user_id.as_deref())
        .bind(filter.task_id.as_deref())
        .bind(kinds)
        .bind(filter.cause.as_deref())
        .bind(filter.until.map(to_seconds))
        .bind(filter.since.map(to_seconds))
}

pub(super) async fn named<D: Dialect>(
    dialect: &D,
    ids: &[ContactId],
) -> Result<Vec<FailedContact>, SqlError> {
    let mut session = dialect.reading().await?;
    Ok(read_named::<D>(&mut session, &plain(ids)).await?)
}

async fn read_named<D: Dialect>(
    session: &mut Session<D>,
    ids: &[i64],
) -> sqlx::Result<Vec<FailedContact>> {
    let failed = ask::<D>(D::OPERATING.failures_named)
        .bind(List::Contacts(ids))
        .fetch_all(session)
        .await?;
    Ok(failed.iter().map(operations::failed).collect())
}

/// Locks the failed ones of these contacts that can be sent, and requeues those that may go.
async fn judge_and_requeue<D: Dialect>(
    tx: &mut Session<D>,
    ids: &[i64],
    may_go: MayGo<'_>,
) -> Result<u64, SqlError> {
    let locked = ask::<D>(D::OPERATING.lock_failed)
        .bind(List::Contacts(ids))
        .fetch_all(tx)
        .await?;
    let locked: Vec<i64> = locked.iter().filter_map(|row| row.integer("id")).collect();
    let failed = read_named::<D>(tx, &locked).await?;
    let mut ids: Vec<i64> = failed
        .iter()
        .filter(|failed| may_go(failed))
        .map(|failed| failed.id.0)
        .collect();
    ids.sort_unstable();
    D::requeue(tx, &ids).await
}

pub(super) async fn requeue<D: Dialect>(
    dialect: &D,
    ids: &[ContactId],
    may_go: MayGo<'_>,
    action: Option<&Action>,
) -> Result<u64, SqlError> {
    let mut ids = plain(ids);
    // The rows are locked in the order of their ids.
    ids.sort_unstable();
    let mut tx = dialect.begin().await?;
    let requeued = judge_and_requeue::<D>(&mut tx, &ids, may_go).await;
    let requeued = D::explained(&mut tx, requeued).await?;
    history::note_part::<D>(&mut tx, action, requeued).await?;
    dialect.commit(tx).await?;
    Ok(requeued)
}

pub(super) fn plain(ids: &[ContactId]) -> Vec<i64> {
    ids.iter().map(|id| id.0).collect()
}
