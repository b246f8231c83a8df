//! Inserting contacts as an app would, but many at once.
//!
//! The servers can leave out rows whose key is taken, but then either hide every other refusal
//! (`INSERT IGNORE`) or do not tell how many rows were left out (`ON DUPLICATE KEY UPDATE`, for
//! this driver). So the taken keys are asked for first. If another transaction takes one in
//! between, the statement is refused as a whole and tried again.

use std::collections::HashSet;

use sqlx::MySqlConnection;
use sqlx::error::ErrorKind;

use super::language::MySql;
use super::lists::lists;
use super::statements::{INSERT_CONTACTS, TAKEN_KEYS};
use crate::outbox::error::SqlError;
use crate::outbox::plan::json;
use crate::outbox::rows::Columns;
use crate::outbox::sql::ask::ask;
use crate::outbox::sql::value::List;
use crate::outbox::{NewContact, OutboxError};

/// Bytes of a packet beside its list, with room to spare.
const HEADER: usize = 1024;

/// How often another transaction may be faster.
const TRIES: usize = 10;

/// Inserts contacts on a server that takes so many bytes at once, and returns how many were new.
pub(super) async fn insert(
    session: &mut MySqlConnection,
    packet: usize,
    contacts: &[NewContact],
) -> Result<u64, SqlError> {
    let (mut new, mut rest) = (0, contacts);
    for (list, count) in lists(List::NewContacts(contacts).records()) {
        fits(list.len(), packet)?;
        let (chunk, behind) = rest.split_at(count);
        rest = behind;
        new += insert_unknown(session, chunk).await?;
    }
    Ok(new)
}

/// Refuses a statement that would make the server hang up, without an error message that is sure to
/// arrive.
fn fits(bytes: usize, packet: usize) -> Result<(), OutboxError> {
    if bytes + HEADER <= packet {
        return Ok(());
    }
    Err(OutboxError::Refused(format!(
        "it has {bytes} bytes, and the server's max_allowed_packet is {packet}; raise that"
    )))
}

async fn insert_unknown(
    session: &mut MySqlConnection,
    contacts: &[NewContact],
) -> sqlx::Result<u64> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut seen = taken_keys(session, contacts).await?;
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
            .execute(&mut *session)
            .await;
        match done {
            Err(sqlx::Error::Database(error))
                if error.kind() == ErrorKind::UniqueViolation && tries < TRIES => {}
            done => return done.map(|done| done.rows_affected()),
        }
    }
}

async fn taken_keys(
    session: &mut MySqlConnection,
    contacts: &[NewContact],
) -> sqlx::Result<HashSet<String>> {
    let keys = contacts
        .iter()
        .filter_map(|contact| contact.idempotency_key.as_deref());
    let keys: Vec<&str> = keys.collect();
    let taken = ask::<MySql>(TAKEN_KEYS)
        .bind(List::Texts(&keys))
        .fetch_all(session)
        .await?;
    Ok(taken
        .iter()
        .filter_map(|row| row.text("idempotency_key"))
        .collect())
}
