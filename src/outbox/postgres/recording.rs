//! Carrying out a [`Plan`]: many writes, one transaction, one statement for each kind of change.

use std::collections::{HashMap, HashSet};

use sqlx::{PgConnection, PgPool, Result, Row};
use uuid::Uuid;

use super::statements::{
    CHANGE_LANES, CLOSE_BATCHES, FIND_BATCHES, LOCK_LANES, LOCKED_ROWS, OPEN_BATCHES,
    POSTPONE_BATCHES, RESEND_BATCHES, SENDING_BATCHES, SETTLE_FAILURES, SETTLE_SUCCESSES,
    STALE_ROWS,
};
use crate::contact::{ContactId, Lane};
use crate::outbox::plan::{
    Closed, Failed, Journaled, LaneChanged, Opened, Plan, Postponed, Resent, Succeeded, batches_of,
    lanes_of,
};
use crate::outbox::rows;
use crate::outbox::{Recorded, Write};

pub(super) async fn record(pool: &PgPool, writes: &[Write]) -> Result<Vec<Recorded>> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = pool.begin().await?;
    let answers = write(&mut tx, writes).await?;
    tx.commit().await?;
    Ok(answers)
}

/// Writes all of it into a transaction.
pub(super) async fn write(tx: &mut PgConnection, writes: &[Write]) -> Result<Vec<Recorded>> {
    let tokens = lock_lanes(tx, writes).await?;
    let batches = find_batches(tx, &batches_of(writes)).await?;
    let mut plan = Plan::new(writes, &tokens, &batches);
    open_batches(tx, &mut plan).await?;
    hold_back(tx, &mut plan).await?;
    postpone_batches(tx, &plan.postpones).await?;
    resend_batches(tx, &plan.resends).await?;
    close_batches(tx, &plan.closes).await?;
    settle_successes(tx, &plan.successes).await?;
    settle_failures(tx, &plan.failures).await?;
    change_lanes(tx, &plan.lanes).await?;
    Ok(plan.answers)
}

/// Those of the contacts whose rows other sessions keep locked.
pub(super) async fn locked(pool: &PgPool, contacts: &[ContactId]) -> Result<Vec<ContactId>> {
    let locked: Vec<i64> = sqlx::query_scalar(LOCKED_ROWS)
        .bind(column(contacts, |contact| contact.0))
        .fetch_all(pool)
        .await?;
    Ok(locked.into_iter().map(ContactId).collect())
}

/// One column of a list of records, as an array.
fn column<'a, R, T>(records: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    records.iter().map(value).collect()
}

async fn lock_lanes(tx: &mut PgConnection, writes: &[Write]) -> Result<HashMap<Lane, i64>> {
    let lanes: Vec<&Lane> = lanes_of(writes).into_iter().collect();
    let locked = sqlx::query(LOCK_LANES)
        .bind(column(&lanes, |lane| lane.user_id()))
        .bind(column(&lanes, |lane| lane.task_id()))
        .fetch_all(tx)
        .await?;
    Ok(rows::tokens(&locked))
}

async fn find_batches(tx: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Journaled>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    sqlx::query(FIND_BATCHES)
        .bind(ids)
        .fetch_all(tx)
        .await?
        .iter()
        .map(|row| {
            let journaled = Journaled {
                lease_token: row.try_get("lease_token")?,
                closed: row.try_get("closed")?,
            };
            Ok((row.try_get("id")?, journaled))
        })
        .collect()
}

/// Puts new batches into the journal. Where it does not take all of them it is asked why.
async fn open_batches(tx: &mut PgConnection, plan: &mut Plan<'_>) -> Result<()> {
    if insert_batches(tx, &plan.opens).await? == plan.opens.len() as u64 {
        return Ok(());
    }
    let (batches, rows) = plan.going();
    let sending: Vec<Uuid> = sqlx::query_scalar(SENDING_BATCHES)
        .bind(batches)
        .fetch_all(&mut *tx)
        .await?;
    let stale = stale_rows(tx, &rows).await?;
    plan.refuse(&sending.into_iter().collect(), &stale);
    Ok(())
}

/// Leaves out what would be sent again with a row that is not pending any more.
async fn hold_back(tx: &mut PgConnection, plan: &mut Plan<'_>) -> Result<()> {
    let rows = plan.going_again();
    if !rows.is_empty() {
        plan.hold_back(&stale_rows(tx, &rows).await?);
    }
    Ok(())
}

async fn stale_rows(tx: &mut PgConnection, rows: &[i64]) -> Result<HashSet<i64>> {
    let stale: Vec<i64> = sqlx::query_scalar(STALE_ROWS)
        .bind(rows)
        .fetch_all(tx)
        .await?;
    Ok(stale.into_iter().collect())
}

/// Answers how many were taken in.
async fn insert_batches(tx: &mut PgConnection, opens: &[Opened<'_>]) -> Result<u64> {
    if opens.is_empty() {
        return Ok(0);
    }
    // PostgreSQL writes an array as `{1,2}` where JSON writes `[1,2]`.
    let as_array = |json: &str| json.replace('[', "{").replace(']', "}");
    let inserted = sqlx::query(OPEN_BATCHES)
        .bind(column(opens, |o| o.id))
        .bind(column(opens, |o| o.parent_id))
        .bind(column(opens, |o| o.user_id))
        .bind(column(opens, |o| o.task_id))
        .bind(column(opens, |o| o.lease_token))
        .bind(column(opens, |o| as_array(&o.contact_ids)))
        .bind(column(opens, |o| o.options.as_str()))
        .bind(column(opens, |o| o.state))
        .bind(column(opens, |o| o.attempts))
        .bind(column(opens, |o| o.maybe_delivered))
        .execute(tx)
        .await?;
    Ok(inserted.rows_affected())
}

async fn postpone_batches(tx: &mut PgConnection, postpones: &[Postponed<'_>]) -> Result<()> {
    if postpones.is_empty() {
        return Ok(());
    }
    sqlx::query(POSTPONE_BATCHES)
        .bind(column(postpones, |p| p.id))
        .bind(column(postpones, |p| p.attempts))
        .bind(column(postpones, |p| p.maybe_delivered))
        .bind(column(postpones, |p| p.failing))
        .bind(column(postpones, |p| p.outcome))
        .bind(column(postpones, |p| p.answer.as_deref()))
        .execute(tx)
        .await?;
    Ok(())
}

async fn resend_batches(tx: &mut PgConnection, resends: &[Resent]) -> Result<()> {
    if resends.is_empty() {
        return Ok(());
    }
    sqlx::query(RESEND_BATCHES)
        .bind(column(resends, |r| r.id))
        .bind(column(resends, |r| r.attempts))
        .execute(tx)
        .await?;
    Ok(())
}

async fn close_batches(tx: &mut PgConnection, closes: &[Closed<'_>]) -> Result<()> {
    if closes.is_empty() {
        return Ok(());
    }
    sqlx::query(CLOSE_BATCHES)
        .bind(column(closes, |c| c.id))
        .bind(column(closes, |c| c.attempts))
        .bind(column(closes, |c| c.outcome))
        .bind(column(closes, |c| c.answer.as_str()))
        .execute(tx)
        .await?;
    Ok(())
}

async fn settle_successes(tx: &mut PgConnection, successes: &[Succeeded]) -> Result<()> {
    if successes.is_empty() {
        return Ok(());
    }
    let mut rows: Vec<(i64, i32, Uuid)> = Vec::new();
    for batch in successes {
        let of_batch = |row: &i64| (*row, batch.attempts, batch.batch_id);
        rows.extend(batch.rows.iter().map(of_batch));
    }
    sqlx::query(SETTLE_SUCCESSES)
        .bind(column(&rows, |row| row.0))
        .bind(column(&rows, |row| row.1))
        .bind(column(&rows, |row| row.2))
        .execute(tx)
        .await?;
    Ok(())
}

async fn settle_failures(tx: &mut PgConnection, failures: &[Failed<'_>]) -> Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    sqlx::query(SETTLE_FAILURES)
        .bind(column(failures, |f| f.id))
        .bind(column(failures, |f| f.attempts))
        .bind(column(failures, |f| f.batch_id))
        .bind(column(failures, |f| f.fail_kind))
        .bind(column(failures, |f| f.fail_cause.as_str()))
        .execute(tx)
        .await?;
    Ok(())
}

async fn change_lanes(tx: &mut PgConnection, lanes: &[LaneChanged<'_>]) -> Result<()> {
    if lanes.is_empty() {
        return Ok(());
    }
    sqlx::query(CHANGE_LANES)
        .bind(column(lanes, |l| l.user_id))
        .bind(column(lanes, |l| l.task_id))
        .bind(column(lanes, |l| l.failures))
        .bind(column(lanes, |l| l.delay))
        .bind(column(lanes, |l| l.reason))
        .bind(column(lanes, |l| l.message.as_deref()))
        .execute(tx)
        .await?;
    Ok(())
}
