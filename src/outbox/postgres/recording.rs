//! Carrying out a [`Plan`]: many writes, one transaction, one statement for each kind of change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::error::is_locked;
use super::session::begin;
use super::statements::{
    CHANGE_LANES, CLOSE_BATCHES, FIND_BATCHES, LOCK_LANES, LOCK_ROWS_AT_ONCE, LOCKED_ROWS,
    OPEN_BATCHES, POSTPONE_BATCHES, RESEND_BATCHES, SENDING_BATCHES, SETTLE_FAILURES,
    SETTLE_SUCCESSES, STALE_ROWS, STILL_PENDING,
};
use crate::batch::BatchId;
use crate::contact::{ContactId, Lane};
use crate::outbox::error::{BATCHES, CONTACTS, LANES, WriteError, all_written, none_unwritten};
use crate::outbox::plan::{
    Closed, Failed, Journaled, LaneChanged, Opened, Plan, Postponed, Resent, Succeeded, batches_of,
    distinct, lanes_of,
};
use crate::outbox::rows;
use crate::outbox::{Change, Lease, Recorded, Write, trial};

pub(super) async fn record(pool: &PgPool, writes: &[Write]) -> Result<Vec<Recorded>, WriteError> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = begin(pool).await?;
    let answers = write(&mut tx, writes).await?;
    tx.commit().await?;
    Ok(answers)
}

/// Writes all of it into a transaction.
pub(super) async fn write(
    tx: &mut PgConnection,
    writes: &[Write],
) -> Result<Vec<Recorded>, WriteError> {
    let tokens = lock_lanes(tx, writes).await?;
    let batches = find_batches(tx, &batches_of(writes)).await?;
    let mut plan = Plan::new(writes, &tokens, &batches);
    carry_out(tx, &mut plan).await?;
    Ok(plan.answers)
}

/// Writes all that a lane may write, and undoes it.
pub(super) async fn try_settling(
    pool: &PgPool,
    lease: &Arc<Lease>,
    contacts: &[ContactId],
    batches: &[BatchId],
) -> Result<Recorded, WriteError> {
    let write = Write {
        lease: Arc::clone(lease),
        change: Change::Recover,
    };
    let entry = trial::entry(contacts);
    for mut plan in trial::plans(lease, &entry, batches) {
        let mut tx = begin(pool).await?;
        let tokens = lock_lanes(&mut tx, std::slice::from_ref(&write)).await?;
        if tokens.get(&lease.lane) != Some(&lease.token) {
            return Ok(Recorded::Fenced);
        }
        carry_out(&mut tx, &mut plan).await?;
        tx.rollback().await?;
    }
    Ok(Recorded::Done)
}

/// Writes all of the plan, or fails.
async fn carry_out(tx: &mut PgConnection, plan: &mut Plan<'_>) -> Result<(), WriteError> {
    open_batches(tx, plan).await?;
    hold_back(tx, plan).await?;
    let postponed = postpone_batches(tx, &plan.postpones).await?;
    all_written(
        BATCHES,
        distinct(plan.postpones.iter().map(|p| p.id)),
        postponed,
    )?;
    let resent = resend_batches(tx, &plan.resends).await?;
    all_written(BATCHES, distinct(plan.resends.iter().map(|r| r.id)), resent)?;
    let closed = close_batches(tx, &plan.closes).await?;
    all_written(BATCHES, plan.closes.len(), closed)?;
    settle(tx, plan).await?;
    let changed = change_lanes(tx, &plan.lanes).await?;
    all_written(LANES, plan.lanes.len(), changed)
}

/// Settles the rows. Fewer may be there to be settled than were sent: an app deletes some. Those that
/// are there and as they were are asked for only then.
async fn settle(tx: &mut PgConnection, plan: &Plan<'_>) -> Result<(), WriteError> {
    let mut settled = settle_successes(tx, &plan.successes).await?;
    settled += settle_failures(tx, &plan.failures).await?;
    let rows = plan.settled();
    if usize::try_from(settled) == Ok(rows.len()) {
        return Ok(());
    }
    let pending: i64 = sqlx::query_scalar(STILL_PENDING)
        .bind(rows)
        .fetch_one(tx)
        .await?;
    none_unwritten(CONTACTS, pending)
}

/// Those of the contacts whose rows other sessions keep locked.
pub(super) async fn locked(pool: &PgPool, contacts: &[ContactId]) -> sqlx::Result<Vec<ContactId>> {
    let locked: Vec<i64> = sqlx::query_scalar(LOCKED_ROWS)
        .bind(column(contacts, |contact| contact.0))
        .fetch_all(pool)
        .await?;
    if locked.is_empty() || !is_any_locked(pool, &locked).await? {
        return Ok(Vec::new());
    }
    Ok(locked.into_iter().map(ContactId).collect())
}

/// Whether a lock is what keeps these rows from us. A row policy may keep them, too: it hides them from
/// everybody who wants to lock them, and says nothing.
async fn is_any_locked(pool: &PgPool, ids: &[i64]) -> sqlx::Result<bool> {
    let tried = sqlx::query(LOCK_ROWS_AT_ONCE).bind(ids).execute(pool).await;
    match tried {
        Err(error) if is_locked(&error) => Ok(true),
        tried => tried.map(|_| false),
    }
}

/// One column of a list of records, as an array.
fn column<'a, R, T>(records: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    records.iter().map(value).collect()
}

async fn lock_lanes(tx: &mut PgConnection, writes: &[Write]) -> sqlx::Result<HashMap<Lane, i64>> {
    let lanes: Vec<&Lane> = lanes_of(writes).into_iter().collect();
    let locked = sqlx::query(LOCK_LANES)
        .bind(column(&lanes, |lane| lane.user_id()))
        .bind(column(&lanes, |lane| lane.task_id()))
        .fetch_all(tx)
        .await?;
    Ok(rows::tokens(&locked))
}

async fn find_batches(
    tx: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Journaled>> {
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
async fn open_batches(tx: &mut PgConnection, plan: &mut Plan<'_>) -> Result<(), WriteError> {
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
    let ids: Vec<Uuid> = column(&plan.opens, |open| open.id);
    let there = find_batches(tx, &ids).await?;
    none_unwritten(BATCHES, plan.missing(&there))
}

/// Leaves out what would be sent again with a row that is not pending any more.
async fn hold_back(tx: &mut PgConnection, plan: &mut Plan<'_>) -> sqlx::Result<()> {
    let rows = plan.going_again();
    if !rows.is_empty() {
        plan.hold_back(&stale_rows(tx, &rows).await?);
    }
    Ok(())
}

async fn stale_rows(tx: &mut PgConnection, rows: &[i64]) -> sqlx::Result<HashSet<i64>> {
    let stale: Vec<i64> = sqlx::query_scalar(STALE_ROWS)
        .bind(rows)
        .fetch_all(tx)
        .await?;
    Ok(stale.into_iter().collect())
}

/// Answers how many were taken in.
async fn insert_batches(tx: &mut PgConnection, opens: &[Opened<'_>]) -> sqlx::Result<u64> {
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
        .execute(&mut *tx)
        .await?;
    Ok(inserted.rows_affected())
}

async fn postpone_batches(tx: &mut PgConnection, postpones: &[Postponed<'_>]) -> sqlx::Result<i64> {
    if postpones.is_empty() {
        return Ok(0);
    }
    sqlx::query_scalar(POSTPONE_BATCHES)
        .bind(column(postpones, |p| p.id))
        .bind(column(postpones, |p| p.attempts))
        .bind(column(postpones, |p| p.maybe_delivered))
        .bind(column(postpones, |p| p.failing))
        .bind(column(postpones, |p| p.outcome))
        .bind(column(postpones, |p| p.answer.as_deref()))
        .fetch_one(tx)
        .await
}

async fn resend_batches(tx: &mut PgConnection, resends: &[Resent]) -> sqlx::Result<i64> {
    if resends.is_empty() {
        return Ok(0);
    }
    sqlx::query_scalar(RESEND_BATCHES)
        .bind(column(resends, |r| r.id))
        .bind(column(resends, |r| r.attempts))
        .fetch_one(tx)
        .await
}

async fn close_batches(tx: &mut PgConnection, closes: &[Closed<'_>]) -> sqlx::Result<i64> {
    if closes.is_empty() {
        return Ok(0);
    }
    sqlx::query_scalar(CLOSE_BATCHES)
        .bind(column(closes, |c| c.id))
        .bind(column(closes, |c| c.attempts))
        .bind(column(closes, |c| c.outcome))
        .bind(column(closes, |c| c.answer.as_str()))
        .fetch_one(tx)
        .await
}

async fn settle_successes(tx: &mut PgConnection, successes: &[Succeeded]) -> sqlx::Result<i64> {
    if successes.is_empty() {
        return Ok(0);
    }
    let mut rows: Vec<(i64, i32, Uuid)> = Vec::new();
    for batch in successes {
        let of_batch = |row: &i64| (*row, batch.attempts, batch.batch_id);
        rows.extend(batch.rows.iter().map(of_batch));
    }
    sqlx::query_scalar(SETTLE_SUCCESSES)
        .bind(column(&rows, |row| row.0))
        .bind(column(&rows, |row| row.1))
        .bind(column(&rows, |row| row.2))
        .fetch_one(tx)
        .await
}

async fn settle_failures(tx: &mut PgConnection, failures: &[Failed<'_>]) -> sqlx::Result<i64> {
    if failures.is_empty() {
        return Ok(0);
    }
    sqlx::query_scalar(SETTLE_FAILURES)
        .bind(column(failures, |f| f.id))
        .bind(column(failures, |f| f.attempts))
        .bind(column(failures, |f| f.batch_id))
        .bind(column(failures, |f| f.fail_kind))
        .bind(column(failures, |f| f.fail_cause.as_str()))
        .fetch_one(tx)
        .await
}

async fn change_lanes(tx: &mut PgConnection, lanes: &[LaneChanged<'_>]) -> sqlx::Result<i64> {
    if lanes.is_empty() {
        return Ok(0);
    }
    sqlx::query_scalar(CHANGE_LANES)
        .bind(column(lanes, |l| l.user_id))
        .bind(column(lanes, |l| l.task_id))
        .bind(column(lanes, |l| l.failures))
        .bind(column(lanes, |l| l.delay))
        .bind(column(lanes, |l| l.reason))
        .bind(column(lanes, |l| l.message.as_deref()))
        .fetch_one(tx)
        .await
}
