//! The parts of a plan that MySQL and MariaDB carry out in their own way.

use std::collections::HashSet;

use sqlx::{MySqlConnection, Result};

use super::facts::LEAST_PACKET;
use super::language::MySql;
use super::lists::lists;
use super::sessions::BEGIN_BRIEFLY;
use super::statements::operating::{KEEP_ENDS, LOCK_FAILED, REQUEUE};
use super::statements::{FREE_ROWS, PACKET, ROWS, STATEMENTS, UNWRITTEN};
use crate::contact::ContactId;
use crate::outbox::error::{BATCHES, CONTACTS, LANES, SqlError, none_unwritten};
use crate::outbox::plan::{Departing, Opened, Plan, json};
use crate::outbox::rows::Columns;
use crate::outbox::servers::Servers;
use crate::outbox::sql::ask::{Ask, ask};
use crate::outbox::sql::value::List;

/// Bytes of a packet beside its lists, with room to spare.
const HEADER: usize = 1024;

/// So many ids fit into the smallest packet, beside everything else.
const ROWS_AT_ONCE: usize = 25_000;

/// A list without records.
const NOTHING: &str = "[]";

/// Puts batches into the journal. A batch that is there already counts, too.
pub(super) async fn open(tx: &mut MySqlConnection, batches: &[Opened<'_>]) -> Result<u64> {
    let (mut opened, mut behind) = (0, 0);
    for (list, count) in lists(List::Opened(batches).records()) {
        let new = &batches[behind..behind + count];
        behind += count;
        let departing = json(&Departing::of(new));
        fits(tx, list.len() + departing.len()).await?;
        let done = sqlx::query(STATEMENTS.open_batches)
            .bind(list)
            .bind(departing)
            .execute(&mut *tx);
        opened += done.await?.rows_affected();
    }
    Ok(opened)
}

/// Refuses a statement that would make the server hang up: it would look as if the server were
/// away, and the same writes would be handed in for ever. A single record is as long as its
/// `sub_user_id`.
async fn fits(tx: &mut MySqlConnection, bytes: usize) -> Result<()> {
    if bytes + HEADER <= LEAST_PACKET {
        return Ok(());
    }
    let packet: u64 = sqlx::query_scalar(PACKET).fetch_one(tx).await?;
    if bytes + HEADER <= usize::try_from(packet).unwrap_or(usize::MAX) {
        return Ok(());
    }
    Err(sqlx::Error::Encode(
        format!(
            "the journal's entry has {bytes} bytes, and the server's max_allowed_packet is {packet}; \
             raise that, or delete contacts whose sub_user_id is that long"
        )
        .into(),
    ))
}

/// Checks that the rows are as they should be. The number of changed rows does not tell: a trigger
/// can put the old values back, and such a row counts as any other.
pub(super) async fn look_back(tx: &mut MySqlConnection, plan: &Plan<'_>) -> Result<(), SqlError> {
    let (rows, states) = (plan.settled(), plan.states());
    if rows.is_empty() && states.is_empty() && plan.lanes.is_empty() {
        return Ok(());
    }
    let mut rest = [json(&states), json(&plan.holds())];
    // One statement as a rule.
    for part in rows
        .chunks(ROWS_AT_ONCE)
        .chain(rows.is_empty().then_some(&[][..]))
    {
        let [states, holds] = rest;
        let unwritten = sqlx::query(UNWRITTEN)
            .bind(json(&part))
            .bind(states)
            .bind(holds)
            .fetch_one(&mut *tx)
            .await?;
        for table in [CONTACTS, BATCHES, LANES] {
            none_unwritten(table, unwritten.integer(table).unwrap_or_default())?;
        }
        rest = [NOTHING.into(), NOTHING.into()];
    }
    Ok(())
}

/// Returns the contacts among these whose rows other sessions keep locked.
pub(super) async fn locked(
    servers: &Servers<sqlx::MySql>,
    contacts: &[i64],
) -> Result<Vec<ContactId>> {
    let mut tx = servers.begin_with(BEGIN_BRIEFLY).await?;
    let rows = of(ROWS, contacts).fetch_all(&mut tx).await?;
    let free = of(FREE_ROWS, contacts).fetch_all(&mut tx).await?;
    tx.rollback().await?;
    let free: HashSet<i64> = free.iter().filter_map(|row| row.integer(0)).collect();
    let rows = rows.iter().filter_map(|row| row.integer(0));
    let locked = rows.filter(|id| !free.contains(id));
    Ok(locked.map(ContactId).collect())
}

/// Makes failed contacts pending again, whose rows are locked.
pub(super) async fn requeue(tx: &mut MySqlConnection, contacts: &[i64]) -> Result<u64, SqlError> {
    of(KEEP_ENDS, contacts).execute(tx).await?;
    of(REQUEUE, contacts).execute(tx).await?;
    let unwritten = of(LOCK_FAILED, contacts).fetch_all(tx).await?;
    none_unwritten(CONTACTS, unwritten.len())?;
    Ok(contacts.len() as u64)
}

/// A statement about contacts.
fn of<'a>(sql: &'static str, contacts: &'a [i64]) -> Ask<'a, MySql> {
    ask(sql).bind(List::Contacts(contacts))
}
