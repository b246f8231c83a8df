//! Inserting contacts as an app would, only many at once.

use async_trait::async_trait;
use sqlx::{Connection, Result, SqliteConnection};

use super::error::translate;
use super::statements::{INSERT_CONTACTS, KEYS_THERE};
use super::transaction::BEGIN;
use crate::outbox::intake::{all_known, keys};
use crate::outbox::plan::json;
use crate::outbox::{Inserted, Insertion, NewContact, OutboxError};

/// How many rows go into one statement.
const CHUNK: usize = 1_000;

/// A transaction on a connection of its own. Dropping it closes the connection: SQLite undoes.
struct SqliteInsertion(SqliteConnection);

/// Begins the transaction.
pub(super) async fn begin(mut connection: SqliteConnection) -> Result<Box<dyn Insertion>> {
    sqlx::query(BEGIN).execute(&mut connection).await?;
    Ok(Box::new(SqliteInsertion(connection)))
}

#[async_trait]
impl Insertion for SqliteInsertion {
    async fn add(&mut self, contacts: &[NewContact]) -> Result<Inserted, OutboxError> {
        let mut inserted = Inserted::default();
        for chunk in contacts.chunks(CHUNK) {
            let done = sqlx::query(INSERT_CONTACTS)
                .bind(json(&chunk))
                .execute(&mut self.0)
                .await
                .map_err(translate)?;
            let new = done.rows_affected();
            if new < chunk.len() as u64 {
                let there = sqlx::query_scalar(KEYS_THERE)
                    .bind(json(&keys(chunk)))
                    .fetch_one(&mut self.0)
                    .await
                    .map_err(translate)?;
                all_known(chunk, new, there).map_err(|error| error.translated(translate))?;
            }
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
        // What is committed is committed, however the goodbye goes.
        self.0.close().await.ok();
        Ok(())
    }
}
