//! Inserting contacts as an app would, only many at once.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::error::translate;
use super::session::BEGIN_UNHURRIED;
use super::statements::{INSERT_CONTACTS, KEYS_THERE};
use crate::outbox::error::WriteError;
use crate::outbox::intake::{all_known, keys};
use crate::outbox::{Inserted, Insertion, NewContact, OutboxError, server};

/// How many rows go into one statement.
const CHUNK: usize = 5_000;

/// A transaction on a connection of its own. Dropping it drops the connection: the server undoes.
struct PostgresInsertion(PgConnection);

/// Begins the transaction.
pub(super) async fn begin(mut connection: PgConnection) -> sqlx::Result<Box<dyn Insertion>> {
    sqlx::raw_sql(BEGIN_UNHURRIED)
        .execute(&mut connection)
        .await?;
    Ok(Box::new(PostgresInsertion(connection)))
}

#[async_trait]
impl Insertion for PostgresInsertion {
    async fn add(&mut self, contacts: &[NewContact]) -> Result<Inserted, OutboxError> {
        let mut inserted = Inserted::default();
        for chunk in contacts.chunks(CHUNK) {
            let new = insert(&mut self.0, chunk)
                .await
                .map_err(|error| error.translated(translate))?;
            inserted.new += new;
            inserted.known += (chunk.len() as u64).saturating_sub(new);
        }
        Ok(inserted)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), OutboxError> {
        sqlx::query("COMMIT")
            .execute(&mut self.0)
            .await
            .map_err(translate)?;
        server::part(self.0).await;
        Ok(())
    }
}

async fn insert(connection: &mut PgConnection, contacts: &[NewContact]) -> Result<u64, WriteError> {
    let text = |value: fn(&NewContact) -> &str| contacts.iter().map(value).collect::<Vec<_>>();
    let optional =
        |value: fn(&NewContact) -> Option<&str>| contacts.iter().map(value).collect::<Vec<_>>();
    let integer =
        |value: fn(&NewContact) -> Option<i64>| contacts.iter().map(value).collect::<Vec<_>>();
    let flag =
        |value: fn(&NewContact) -> Option<bool>| contacts.iter().map(value).collect::<Vec<_>>();
    let done = sqlx::query(INSERT_CONTACTS)
        .bind(text(|c| &c.user_id))
        .bind(text(|c| &c.task_id))
        .bind(text(|c| &c.phone))
        .bind(optional(|c| c.name.as_deref()))
        .bind(optional(|c| c.email.as_deref()))
        .bind(optional(|c| c.company.as_deref()))
        .bind(integer(|c| c.sex))
        .bind(integer(|c| c.sort))
        .bind(integer(|c| c.source_id))
        .bind(integer(|c| c.industry_id))
        .bind(integer(|c| c.grade_id))
        .bind(optional(|c| c.components.as_deref()))
        .bind(optional(|c| c.custom_vars.as_deref()))
        .bind(optional(|c| c.extra.as_deref()))
        .bind(optional(|c| c.sub_user_id.as_deref()))
        .bind(optional(|c| c.control_select_robot.as_deref()))
        .bind(flag(|c| c.ignore_crm))
        .bind(flag(|c| c.skip_error))
        .bind(flag(|c| c.number_add_suffix))
        .bind(flag(|c| c.encryption))
        .bind(optional(|c| c.phone_mask.as_deref()))
        .bind(optional(|c| c.idempotency_key.as_deref()))
        .bind(optional(|c| c.not_before.as_deref()))
        .execute(&mut *connection)
        .await?;
    let new = done.rows_affected();
    if new < contacts.len() as u64 {
        let keys: Vec<&str> = keys(contacts).into_iter().collect();
        let there = sqlx::query_scalar(KEYS_THERE)
            .bind(keys)
            .fetch_one(connection)
            .await?;
        all_known(contacts, new, there)?;
    }
    Ok(new)
}
