//! Deleting what is old, in small steps.

use std::collections::HashSet;

use sqlx::{PgPool, Result};

use super::super::session::begin;
use super::super::statements::operating::{
    CONTACTS_STANDING, DELETE_BATCHES, DELETE_CONTACTS, FORGET_REQUEUES, PRUNABLE_BATCHES,
    PRUNABLE_CONTACTS,
};
use crate::contact::ContactId;
use crate::outbox::operations::{
    BATCHES, CONTACTS, PrunePage, PruneStep, Pruning, bereft, holding,
};
use crate::outbox::rows::{Columns, to_seconds};

pub(in crate::outbox::postgres) async fn contacts(
    pool: &PgPool,
    pruning: Pruning,
    after: Option<ContactId>,
) -> Result<PruneStep<ContactId>> {
    let age = to_seconds(pruning.older_than);
    let read = sqlx::query(PRUNABLE_CONTACTS)
        .bind(age)
        .bind(after.map_or(0, |after| after.0))
        .bind(i64::try_from(CONTACTS).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    let page = PrunePage::new(&read, CONTACTS, |row| row.integer("id").map(ContactId));
    let mut pruned = u64::try_from(page.old.len()).unwrap_or(u64::MAX);
    if !pruning.dry_run && pruned > 0 {
        pruned = delete_contacts(pool, age, &page.old).await?;
    }
    Ok(page.step(pruned))
}

async fn delete_contacts(pool: &PgPool, age: f64, old: &[ContactId]) -> Result<u64> {
    let old: Vec<i64> = old.iter().map(|id| id.0).collect();
    let mut tx = begin(pool).await?;
    let deleted = sqlx::query(DELETE_CONTACTS)
        .bind(age)
        .bind(&old)
        .execute(&mut *tx)
        .await?;
    sqlx::query(FORGET_REQUEUES)
        .bind(&old)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(deleted.rows_affected())
}

pub(in crate::outbox::postgres) async fn batches(
    pool: &PgPool,
    pruning: Pruning,
    after: Option<&str>,
) -> Result<PruneStep<String>> {
    let age = to_seconds(pruning.older_than);
    let read = sqlx::query(PRUNABLE_BATCHES)
        .bind(age)
        .bind(after.unwrap_or("00000000-0000-0000-0000-000000000000"))
        .bind(i64::try_from(BATCHES).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    let page = PrunePage::new(&read, BATCHES, |row| row.text("id"));
    let old = holding(&read)?;
    let gone = bereft(old.clone(), &standing(pool, pruning, &old).await?);
    let mut pruned = u64::try_from(gone.len()).unwrap_or(u64::MAX);
    if !pruning.dry_run && pruned > 0 {
        let deleted = sqlx::query(DELETE_BATCHES).bind(gone).execute(pool).await?;
        pruned = deleted.rows_affected();
    }
    Ok(page.step(pruned))
}

/// Those of the contacts that are there. Of a dry run those that would be gone by now are none.
async fn standing(
    pool: &PgPool,
    pruning: Pruning,
    batches: &[(String, Vec<i64>)],
) -> Result<HashSet<i64>> {
    let contacts: Vec<i64> = batches.iter().flat_map(|(_, ids)| ids).copied().collect();
    let gone = pruning.dry_run.then(|| to_seconds(pruning.older_than));
    let standing = sqlx::query(CONTACTS_STANDING)
        .bind(gone)
        .bind(contacts)
        .fetch_all(pool)
        .await?;
    Ok(standing
        .iter()
        .filter_map(|row| row.integer("id"))
        .collect())
}
