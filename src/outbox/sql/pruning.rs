//! Deleting old data, in small steps.

use std::collections::HashSet;

use super::ask::ask;
use super::dialect::Dialect;
use super::failing::plain;
use super::history;
use super::language::Session;
use super::rates;
use super::value::List;
use crate::contact::ContactId;
use crate::outbox::OutboxError;
use crate::outbox::error::SqlError;
use crate::outbox::operations::{
    Action, BATCHES, CONTACTS, PrunePage, PruneStep, Pruning, bereft, holding, says_it_is_older,
};
use crate::outbox::rows::Columns;
use crate::outbox::span::to_seconds;

/// The least id of a batch.
const FIRST_BATCH: &str = "00000000-0000-0000-0000-000000000000";

pub(super) async fn contacts<D: Dialect>(
    dialect: &D,
    pruning: Pruning,
    after: Option<ContactId>,
    action: Option<&Action>,
) -> Result<PruneStep<ContactId>, SqlError> {
    let mut session = dialect.reading().await?;
    let age = to_seconds(pruning.older_than);
    let read = ask::<D>(D::OPERATING.prunable_contacts)
        .bind(age)
        .bind(after.map_or(0, |after| after.0))
        .bind(i64::try_from(CONTACTS).unwrap_or(i64::MAX))
        .fetch_all(&mut session)
        .await?;
    drop(session);
    let id = |row: &_| Columns::integer(row, "id").map(ContactId);
    let page = PrunePage::new(&read, CONTACTS, id, |_| false);
    let mut pruned = Ok(u64::try_from(page.old.len()).unwrap_or(u64::MAX));
    if !pruning.dry_run && !page.old.is_empty() {
        let deleted = delete_contacts(dialect, age, &plain(&page.old), action).await;
        pruned = unless_refused::<D>(deleted)?;
    }
    Ok(page.step(pruned))
}

/// Sets a rule apart that does not let rows go: others can.
fn unless_refused<D: Dialect>(
    deleted: Result<u64, SqlError>,
) -> Result<Result<u64, String>, SqlError> {
    match deleted.map_err(|error| error.translated(D::translate)) {
        Ok(deleted) => Ok(Ok(deleted)),
        Err(OutboxError::Refused(rule)) => Ok(Err(rule)),
        Err(error) => Err(error.into()),
    }
}

async fn delete_contacts<D: Dialect>(
    dialect: &D,
    age: f64,
    old: &[i64],
    action: Option<&Action>,
) -> Result<u64, SqlError> {
    let mut tx = dialect.begin().await?;
    let deleted = ask::<D>(D::OPERATING.delete_contacts)
        .bind(age)
        .bind(List::Contacts(old))
        .execute(&mut tx)
        .await?;
    ask::<D>(D::OPERATING.forget_requeues)
        .bind(List::Contacts(old))
        .execute(&mut tx)
        .await?;
    history::note_part::<D>(&mut tx, action, deleted).await?;
    dialect.commit(tx).await?;
    Ok(deleted)
}

pub(super) async fn batches<D: Dialect>(
    dialect: &D,
    pruning: Pruning,
    after: Option<&str>,
    action: Option<&Action>,
) -> Result<PruneStep<String>, SqlError> {
    let mut session = dialect.reading().await?;
    let read = ask::<D>(D::OPERATING.prunable_batches)
        .bind(to_seconds(pruning.older_than))
        .bind(after.unwrap_or(FIRST_BATCH))
        .bind(i64::try_from(BATCHES).unwrap_or(i64::MAX))
        .fetch_all(&mut session)
        .await?;
    let page = PrunePage::new(
        &read,
        BATCHES,
        |row| row.text("id"),
        |row| says_it_is_older(row, pruning.older_than),
    );
    let old = holding(&read)?;
    let standing = standing::<D>(&mut session, pruning, &old).await?;
    drop(session);
    let gone = bereft(old, &standing);
    let mut pruned = Ok(u64::try_from(gone.len()).unwrap_or(u64::MAX));
    if !pruning.dry_run && !gone.is_empty() {
        let deleted = delete_batches(dialect, &gone, action).await;
        pruned = unless_refused::<D>(deleted)?;
    }
    let step = page.step(pruned);
    if step.next.is_none() && !pruning.dry_run {
        history::forget(dialect, pruning.older_than).await?;
        rates::forget(dialect, pruning.older_than).await?;
    }
    Ok(step)
}

async fn delete_batches<D: Dialect>(
    dialect: &D,
    gone: &[String],
    action: Option<&Action>,
) -> Result<u64, SqlError> {
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    let mut tx = dialect.begin().await?;
    let deleted = ask::<D>(D::OPERATING.delete_batches)
        .bind(List::Texts(&gone))
        .execute(&mut tx)
        .await?;
    history::note_part::<D>(&mut tx, action, deleted).await?;
    dialect.commit(tx).await?;
    Ok(deleted)
}

/// Returns the contacts among these that are there. In a dry run, contacts that would be gone by
/// now do not count.
async fn standing<D: Dialect>(
    session: &mut Session<D>,
    pruning: Pruning,
    batches: &[(String, Vec<i64>)],
) -> sqlx::Result<HashSet<i64>> {
    let contacts: Vec<i64> = batches.iter().flat_map(|(_, ids)| ids).copied().collect();
    let gone = pruning.dry_run.then(|| to_seconds(pruning.older_than));
    let standing = ask::<D>(D::OPERATING.contacts_standing)
        .bind(gone)
        .bind(List::Contacts(&contacts))
        .fetch_all(session)
        .await?;
    Ok(standing
        .iter()
        .filter_map(|row| row.integer("id"))
        .collect())
}
