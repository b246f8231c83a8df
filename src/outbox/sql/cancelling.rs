//! Cancelling: ends contacts before they are sent.

use std::collections::HashSet;

use super::ask::{Ask, ask};
use super::dialect::Dialect;
use super::failing::plain;
use super::history;
use super::language::Session;
use super::recording::stale_rows;
use super::statements::Statement;
use super::value::List;
use crate::contact::{ContactId, Lane};
use crate::outbox::error::{CONTACTS, SqlError, none_unwritten};
use crate::outbox::operations::{
    self, Action, Cancelled, NamedContact, Names, Part, PendingFilter, PendingLane,
};
use crate::outbox::plan::{Failed, LaneKey};
use crate::outbox::rows::Columns;
use crate::outbox::span::to_seconds;
use crate::settlement::FailKind;

pub(super) async fn count<D: Dialect>(
    dialect: &D,
    filter: &PendingFilter,
) -> Result<Vec<PendingLane>, SqlError> {
    let mut session = dialect.reading().await?;
    let counts = of_lanes::<D>(D::INTERVENING.count_pending, filter)
        .bind(filter.created_since.map(to_seconds))
        .fetch_all(&mut session)
        .await?;
    let going = of_lanes::<D>(D::INTERVENING.going, filter)
        .fetch_all(&mut session)
        .await?;
    let going = operations::going(&going)?;
    Ok(operations::pending_lanes(&counts, &going))
}

/// A statement about the lanes of a filter.
fn of_lanes<D: Dialect>(statement: Statement, filter: &PendingFilter) -> Ask<'_, D> {
    ask(statement)
        .bind(filter.user_id.as_deref())
        .bind(filter.task_id.as_deref())
}

pub(super) async fn pending<D: Dialect>(
    dialect: &D,
    lane: &Lane,
    filter: &PendingFilter,
    after: ContactId,
) -> Result<Vec<ContactId>, SqlError> {
    let mut session = dialect.reading().await?;
    let rows = ask::<D>(D::INTERVENING.pending)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(filter.created_since.map(to_seconds))
        .bind(after.0)
        .fetch_all(&mut session)
        .await?;
    let ids = rows.iter().filter_map(|row| row.integer("id"));
    Ok(ids.map(ContactId).collect())
}

pub(super) async fn last<D: Dialect>(dialect: &D) -> Result<ContactId, SqlError> {
    let mut session = dialect.reading().await?;
    let last = ask::<D>(D::STATEMENTS.newest).number(&mut session).await?;
    Ok(ContactId(last))
}

pub(super) async fn going<D: Dialect>(
    dialect: &D,
    lane: &Lane,
) -> Result<HashSet<ContactId>, SqlError> {
    let mut session = dialect.reading().await?;
    let going = on_their_way::<D>(&mut session, lane).await?;
    Ok(going.into_iter().map(ContactId).collect())
}

pub(super) async fn named<D: Dialect>(
    dialect: &D,
    names: Names<'_>,
) -> Result<Vec<NamedContact>, SqlError> {
    let mut session = dialect.reading().await?;
    let rows = match names {
        Names::Ids(ids) => {
            ask::<D>(D::INTERVENING.contacts_by_id)
                .bind(List::Contacts(&plain(ids)))
                .fetch_all(&mut session)
                .await?
        }
        Names::Keys(keys) => {
            ask::<D>(D::INTERVENING.contacts_by_key)
                .bind(List::Texts(keys))
                .fetch_all(&mut session)
                .await?
        }
    };
    Ok(rows.iter().filter_map(operations::named_contact).collect())
}

/// Returns these contacts in the order in which transactions lock and write them, without those
/// that another session keeps locked, and the number of the latter.
pub(super) async fn unlocked<D: Dialect>(
    dialect: &D,
    ids: &[ContactId],
) -> Result<(Vec<i64>, u64), SqlError> {
    let mut ids = plain(ids);
    ids.sort_unstable();
    ids.dedup();
    let locked = dialect.locked(&ids).await?;
    let locked: HashSet<i64> = locked.iter().map(|id| id.0).collect();
    ids.retain(|id| !locked.contains(id));
    Ok((ids, locked.len() as u64))
}

pub(super) async fn cancel<D: Dialect>(
    dialect: &D,
    lane: &Lane,
    ids: &[ContactId],
    cause: &str,
    action: &Action,
) -> Result<Cancelled, SqlError> {
    // A row that another session keeps locked would keep the lane locked, too.
    let (ids, locked) = unlocked(dialect, ids).await?;
    let mut tx = dialect.begin().await?;
    lock::<D>(dialect, &mut tx, lane).await?;
    let going = on_their_way::<D>(&mut tx, lane).await?;
    let (going, free): (Vec<i64>, Vec<i64>) = ids.into_iter().partition(|id| going.contains(id));
    let cancelled = end::<D>(&mut tx, &free, cause).await;
    let cancelled = D::explained(&mut tx, cancelled).await?;
    history::note::<D>(&mut tx, action, Part::some(cancelled)).await?;
    dialect.commit(tx).await?;
    Ok(Cancelled {
        cancelled,
        on_their_way: going.len() as u64,
        locked,
    })
}

/// Keeps couriers from journalling a batch of the lane until the transaction ends. A lane that no
/// courier has leased yet gets its row here.
async fn lock<D: Dialect>(dialect: &D, tx: &mut Session<D>, lane: &Lane) -> Result<(), SqlError> {
    ask::<D>(D::INTERVENING.make_lane)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .execute(tx)
        .await?;
    let lanes = [LaneKey::from(lane)];
    dialect.fence(tx, &lanes).await?;
    ask::<D>(D::STATEMENTS.lock_lanes)
        .bind(List::Lanes(&lanes))
        .fetch_all(tx)
        .await?;
    Ok(())
}

async fn on_their_way<D: Dialect>(
    tx: &mut Session<D>,
    lane: &Lane,
) -> Result<HashSet<i64>, SqlError> {
    let going = ask::<D>(D::INTERVENING.going)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .fetch_all(tx)
        .await?;
    let going = operations::going(&going)?;
    Ok(going.into_iter().flat_map(|(_, ids)| ids).collect())
}

/// Ends the pending ones of the contacts. Those that may be in their task by an earlier send are called so. Returns
/// how many there were: where a table has triggers, not every server counts what it has written.
async fn end<D: Dialect>(tx: &mut Session<D>, ids: &[i64], cause: &str) -> Result<u64, SqlError> {
    let doubted = ask::<D>(D::INTERVENING.doubted)
        .bind(List::Contacts(ids))
        .fetch_all(tx)
        .await?;
    let doubted: HashSet<i64> = doubted.iter().filter_map(|row| row.integer("id")).collect();
    let in_doubt = operations::in_doubt(cause);
    let ended = |id: &i64| {
        let (kind, cause) = if doubted.contains(id) {
            (FailKind::Unconfirmed, in_doubt.as_str())
        } else {
            (FailKind::Cancelled, cause)
        };
        Failed::without_batch(*id, kind, cause)
    };
    let rows: Vec<Failed<'_>> = ids.iter().map(ended).collect();
    let before = stale_rows::<D>(tx, ids).await?.len();
    ask::<D>(D::STATEMENTS.settle_failures)
        .bind(List::Failed(&rows))
        .execute(tx)
        .await?;
    D::fire_deferred(tx).await?;
    let stale = stale_rows::<D>(tx, ids).await?.len();
    none_unwritten(CONTACTS, ids.len().saturating_sub(stale))?;
    Ok(stale.saturating_sub(before) as u64)
}
