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

use super::cluster::stands;
use super::error::translate;
use super::lists::{counted, fetch};
use super::statements::{INSERT_CONTACTS, TAKEN_KEYS};
use crate::outbox::plan::json;
use crate::outbox::rows::Columns;
use crate::outbox::{Inserted, Insertion, NewContact, OutboxError, server};

/// What a packet has beside its list, and room to spare.
const HEADER: usize = 1024;

/// How often another transaction may be faster.
const TRIES: usize = 10;

/// A transaction on a connection of its own. Dropping it drops the connection: the server undoes.
struct MySqlInsertion {
    session: MySqlConnection,
    /// The most bytes that the server takes at once.
    packet: usize,
}

/// Begins the transaction. The server takes so many bytes at once.
pub(super) async fn begin(
    mut session: MySqlConnection,
    packet: usize,
) -> Result<Box<dyn Insertion>> {
    // MySQL does not prepare such a statement.
    sqlx::raw_sql("BEGIN").execute(&mut session).await?;
    Ok(Box::new(MySqlInsertion { session, packet }))
}

#[async_trait]
impl Insertion for MySqlInsertion {
    async fn add(&mut self, contacts: &[NewContact]) -> Result<Inserted, OutboxError> {
        let mut inserted = Inserted::default();
        let mut rest = contacts;
        for (list, count) in counted(contacts) {
            self.fits(list.len())?;
            let (chunk, behind) = rest.split_at(count);
            rest = behind;
            let new = insert(&mut self.session, chunk).await.map_err(translate)?;
            inserted.new += new;
            inserted.known += (chunk.len() as u64).saturating_sub(new);
        }
        Ok(inserted)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), OutboxError> {
        stands(&mut self.session).await.map_err(translate)?;
        sqlx::raw_sql("COMMIT")
            .execute(&mut self.session)
            .await
            .map_err(translate)?;
        server::part(self.session).await;
        Ok(())
    }
}

impl MySqlInsertion {
    /// Refuses what the server would hang up on, without a word that is sure to arrive.
    fn fits(&self, bytes: usize) -> Result<(), OutboxError> {
        if bytes + HEADER <= self.packet {
            return Ok(());
        }
        Err(OutboxError::Refused(format!(
            "it has {bytes} bytes, and the server's max_allowed_packet is {}; raise that",
            self.packet
        )))
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
    let taken = fetch(connection, TAKEN_KEYS, &keys).await?;
    Ok(taken
        .iter()
        .filter_map(|row| row.text("idempotency_key"))
        .collect())
}
