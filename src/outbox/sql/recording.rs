//! Carrying out a [`Plan`]: many writes, one transaction, one statement for each kind of change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::ask::ask;
use super::dialect::Dialect;
use super::language::Session;
use super::statements::Statement;
use super::value::List;
use super::written::Written;
use crate::batch::BatchId;
use crate::contact::{ContactId, Lane};
use crate::outbox::error::{BATCHES, CONTACTS, LANES, SqlError, all_written, none_unwritten};
use crate::outbox::journal::{Journaled, journaled};
use crate::outbox::plan::{LaneKey, Opened, Plan, Succeeded, batches_of, distinct, lanes_of};
use crate::outbox::rows::{self, Columns};
use crate::outbox::{Change, Lease, Recorded, Write, trial};

pub(super) async fn record<D: Dialect>(
    dialect: &D,
    writes: &[Write],
) -> Result<Vec<Recorded>, SqlError> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = dialect.begin_briefly().await?;
    let answers = write(dialect, &mut tx, writes).await?;
    dialect.commit(tx).await?;
    Ok(answers)
}

/// Writes all of it into a transaction.
pub(super) async fn write<D: Dialect>(
    dialect: &D,
    tx: &mut Session<D>,
    writes: &[Write],
) -> Result<Vec<Recorded>, SqlError> {
    let tokens = lock_lanes(dialect, tx, writes).await?;
    let batches = find_batches::<D>(tx, &batches_of(writes)).await?;
    let mut plan = Plan::new(writes, &tokens, &batches);
    carry_out::<D>(tx, &mut plan).await?;
    Ok(plan.answers)
}

/// Writes everything that a lane may write, and undoes it.
pub(super) async fn try_settling<D: Dialect>(
    dialect: &D,
    lease: &Arc<Lease>,
    contacts: &[ContactId],
    batches: &[BatchId],
) -> Result<Recorded, SqlError> {
    let write = Write {
        lease: Arc::clone(lease),
        change: Change::Recover,
    };
    let entry = trial::entry(contacts);
    for mut plan in trial::plans(lease, &entry, batches) {
        // The lane tries again, and meanwhile holds a connection and its own row.
        let mut tx = dialect.begin_briefly().await?;
        let tokens = lock_lanes(dialect, &mut tx, std::slice::from_ref(&write)).await?;
        if tokens.get(&lease.lane) != Some(&lease.token) {
            return Ok(Recorded::Fenced);
        }
        carry_out::<D>(&mut tx, &mut plan).await?;
        D::fire_deferred(&mut tx).await?;
        dialect.rollback(tx).await?;
    }
    Ok(Recorded::Done)
}

/// Writes all of the plan, or fails.
async fn carry_out<D: Dialect>(tx: &mut Session<D>, plan: &mut Plan<'_>) -> Result<(), SqlError> {
    let written = put_all::<D>(tx, plan).await;
    D::explained(tx, written).await
}

async fn put_all<D: Dialect>(tx: &mut Session<D>, plan: &mut Plan<'_>) -> Result<(), SqlError> {
    open_batches::<D>(tx, plan).await?;
    hold_back::<D>(tx, plan).await?;
    let ours = D::STATEMENTS;
    let written = Written {
        postponed: put::<D>(tx, ours.postpone_batches, List::Postponed(&plan.postpones)).await?,
        resent: put::<D>(tx, ours.resend_batches, List::Resent(&plan.resends)).await?,
        closed: put::<D>(tx, ours.close_batches, List::Closed(&plan.closes)).await?,
        settled: D::succeed(tx, &plan.successes).await?
            + put::<D>(tx, ours.settle_failures, List::Failed(&plan.failures)).await?,
        lanes: put::<D>(tx, ours.change_lanes, List::LanesChanged(&plan.lanes)).await?,
    };
    D::look_back(tx, plan, written).await
}

/// Writes one part of a plan and returns its number of rows.
async fn put<D: Dialect>(
    tx: &mut Session<D>,
    statement: impl Into<Statement>,
    records: List<'_>,
) -> sqlx::Result<u64> {
    ask::<D>(statement).bind(records).execute(tx).await
}

/// When to ask the statement that counts the rows which are as they were.
#[derive(Clone, Copy)]
pub(in crate::outbox) enum Asked {
    Always(&'static str),
    /// Fewer rows were settled than were to be.
    IfFewer(&'static str),
}

/// Fails if something of a plan was not written. Fewer of the rows to be settled may be there than
/// were sent, because an app may delete some. `still_pending` counts the rows that are there and as
/// they were.
pub(in crate::outbox) async fn check<D: Dialect>(
    tx: &mut Session<D>,
    plan: &Plan<'_>,
    written: Written,
    still_pending: Asked,
) -> Result<(), SqlError> {
    let postpones = distinct(plan.postpones.iter().map(|p| p.id));
    all_written(BATCHES, postpones, written.postponed)?;
    let resends = distinct(plan.resends.iter().map(|r| r.id));
    all_written(BATCHES, resends, written.resent)?;
    all_written(BATCHES, plan.closes.len(), written.closed)?;
    let rows = plan.settled();
    let (still_pending, asks) = match still_pending {
        Asked::Always(sql) => (sql, !rows.is_empty()),
        Asked::IfFewer(sql) => (sql, usize::try_from(written.settled) != Ok(rows.len())),
    };
    if asks {
        D::fire_deferred(tx).await?;
        let pending = ask::<D>(still_pending).bind(List::Contacts(&rows));
        none_unwritten(CONTACTS, pending.number(tx).await?)?;
    }
    all_written(LANES, plan.lanes.len(), written.lanes)
}

/// Puts batches into the journal by one statement.
pub(in crate::outbox) async fn open<D: Dialect>(
    tx: &mut Session<D>,
    batches: &[Opened<'_>],
) -> sqlx::Result<u64> {
    put::<D>(tx, D::STATEMENTS.open_batches, List::Opened(batches)).await
}

/// Settles successes by one statement for each batch: a list of plain numbers costs least to read.
pub(in crate::outbox) async fn succeed<D: Dialect>(
    tx: &mut Session<D>,
    batches: &[Succeeded],
) -> sqlx::Result<u64> {
    let mut settled = 0;
    for batch in batches {
        settled += ask::<D>(D::STATEMENTS.settle_successes)
            .bind(List::Contacts(&batch.rows))
            .bind(i64::from(batch.attempts))
            .bind(batch.batch_id)
            .execute(tx)
            .await?;
    }
    Ok(settled)
}

async fn lock_lanes<D: Dialect>(
    dialect: &D,
    tx: &mut Session<D>,
    writes: &[Write],
) -> sqlx::Result<HashMap<Lane, i64>> {
    let lanes: Vec<LaneKey<'_>> = lanes_of(writes).into_iter().map(LaneKey::from).collect();
    dialect.fence(tx, &lanes).await?;
    let locked = ask::<D>(D::STATEMENTS.lock_lanes)
        .bind(List::Lanes(&lanes))
        .fetch_all(tx)
        .await?;
    Ok(rows::tokens(&locked))
}

async fn find_batches<D: Dialect>(
    tx: &mut Session<D>,
    ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Journaled>> {
    let found = ask::<D>(D::STATEMENTS.find_batches)
        .bind(List::Batches(ids))
        .fetch_all(tx)
        .await?;
    journaled(&found)
}

/// Puts new batches into the journal. If the journal does not take all of them, asks why.
async fn open_batches<D: Dialect>(
    tx: &mut Session<D>,
    plan: &mut Plan<'_>,
) -> Result<(), SqlError> {
    if D::open(tx, &plan.opens).await? >= plan.opens.len() as u64 {
        return Ok(());
    }
    let (batches, rows) = plan.going();
    let sending = ask::<D>(D::STATEMENTS.sending_batches)
        .bind(List::Batches(&batches))
        .fetch_all(tx)
        .await?;
    let sending = sending
        .iter()
        .map(|row| rows::needed("id", row.id("id")?))
        .collect::<sqlx::Result<_>>()?;
    plan.refuse(&sending, &stale_rows::<D>(tx, &rows).await?);
    let ids: Vec<Uuid> = plan.opens.iter().map(|open| open.id).collect();
    let there = find_batches::<D>(tx, &ids).await?;
    none_unwritten(BATCHES, plan.missing(&there))
}

/// Leaves out batches that would be sent again with a row that is not pending any more.
async fn hold_back<D: Dialect>(tx: &mut Session<D>, plan: &mut Plan<'_>) -> sqlx::Result<()> {
    let rows = plan.going_again();
    if !rows.is_empty() {
        plan.hold_back(&stale_rows::<D>(tx, &rows).await?);
    }
    Ok(())
}

/// The rows that are not pending any more, or not there.
pub(super) async fn stale_rows<D: Dialect>(
    tx: &mut Session<D>,
    rows: &[i64],
) -> sqlx::Result<HashSet<i64>> {
    let stale = ask::<D>(D::STATEMENTS.stale_rows)
        .bind(List::Contacts(rows))
        .fetch_all(tx)
        .await?;
    Ok(stale.iter().filter_map(|row| row.integer(0)).collect())
}
