//! Inserting contacts as an app would, only many at once.
//!
//! The servers' ways to leave out rows whose key is taken either hide every other refusal (`INSERT
//! IGNORE`) or do not tell how many those were (`ON DUPLICATE KEY UPDATE`, for this driver). So the
//! taken keys are asked for first. Should another transaction take one in between, the statement
//! is refused as a whole and tried again.

use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::error::ErrorKind;
use sqlx::{MySqlConnection, Result};

use super::error::translate;
use super::statements::{INSERT_CONTACTS, TAKEN_KEYS};
use crate::outbox::plan::json;
use crate::outbox::rows::Columns;
use crate::outbox::{Inserted, Insertion, NewContact, OutboxError, server};

/// How many rows go into one statement: so few that it fits into the server's packet, though they
/// carry long texts.
const CHUNK: usize = 250;

/// How often another transaction may be faster.
const TRIES: usize = 10;

/// A transaction on a connection of its own. Dropping it drops the connection: the server undoes.
struct MySqlInsertion(MySqlConnection);

/// Begins the transaction.
pub(super) async fn begin(mut connection: MySqlConnection) -> Result<Box<dyn Insertion>> {
    sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
    Ok(Box::new(MySqlInsertion(connection)))
}

#[async_trait]
impl Insertion for MySqlInsertion {
    async fn add(&mut self, contacts: &[NewContact]) -> Result<Inserted, OutboxError> {
        let mut inserted = Inserted::default();
        for chunk in contacts.chunks(CHUNK) {
            let new = insert(&mut self.0, chunk).await.map_err(translate)?;
            inserted.new += new;
            inserted.known += (chunk.len() as u64).saturating_sub(new);
        }
        Ok(inserted)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), OutboxError> {
        sqlx::raw_sql("COMMIT")
            .execute(&mut self.0)
            .await
            .map_err(translate)?;
        server::part(self.0).await;
        Ok(())
    }
}

async fn insert(connection: &mut MySqlConnection, contacts: &[NewContact]) -> Result<u64> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut seen = taken_keys(connection, contacts).await?;
        let new: Vec<&NewContact> = contacts
            .iter()
            .filter(|contact| {
                let key = contact.idempotency_key.as_ref();
                key.is_none_or(|key| seen.insert(key.clone()))
            })
            .collect();
        if new.is_empty() {
            return Ok(0);
        }
        let done = sqlx::query(INSERT_CONTACTS)
            .bind(json(&new))
            .execute(&mut *connection)
            .await;
        match done {
            Err(sqlx::Error::Database(error))
                if error.kind() == ErrorKind::UniqueViolation && tries < TRIES => {}
            done => return done.map(|done| done.rows_affected()),
        }
    }
}

async fn taken_keys(
    connection: &mut MySqlConnection,
    contacts: &[NewContact],
) -> Result<HashSet<String>> {
    let keys: Vec<&String> = contacts
        .iter()
        .filter_map(|contact| contact.idempotency_key.as_ref())
        .collect();
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let taken = sqlx::query(TAKEN_KEYS)
        .bind(json(&keys))
        .fetch_all(connection)
        .await?;
    Ok(taken
        .iter()
        .filter_map(|row| row.text("idempotency_key"))
        .collect())
}
