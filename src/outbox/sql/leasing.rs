//! Heartbeats, and the right to work a lane.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::ask::ask;
use super::dialect::Dialect;
use super::language::{Row, Session};
use super::value::List;
use crate::contact::{Lane, OutboxRow};
use crate::outbox::error::{INSTANCES, SqlError, all_written};
use crate::outbox::journal::{adopted, open_entry, with_rows};
use crate::outbox::rows::{self, Columns};
use crate::outbox::span::{to_duration, to_millis, to_seconds};
use crate::outbox::{Instance, LearnedRate, Lease, LeasedLane};

pub(super) async fn beat<D: Dialect>(dialect: &D, instance: &Instance) -> Result<bool, SqlError> {
    let mut tx = dialect.begin().await?;
    let went_back = write_beat::<D>(&mut tx, instance).await;
    let went_back = D::explained(&mut tx, went_back).await?;
    dialect.commit(tx).await?;
    Ok(went_back)
}

/// Writes a heartbeat into a transaction. Returns whether the clock has gone back since some
/// courier's last one.
///
/// A heartbeat in the future is not discarded: its courier may live, with a request under way. Such
/// a heartbeat is set to now, and a living courier soon writes the next one. This comes before our
/// own heartbeat. Otherwise two couriers could each wait for the other's row.
pub(super) async fn write_beat<D: Dialect>(
    tx: &mut Session<D>,
    instance: &Instance,
) -> Result<bool, SqlError> {
    let ahead = ask::<D>(D::STATEMENTS.bring_back_beats).execute(tx).await?;
    // The standing is for people; a heartbeat does not fail for it.
    let standing = serde_json::to_string(&instance.standing).ok();
    let beaten = ask::<D>(D::STATEMENTS.beat)
        .bind(instance.id)
        .bind(instance.host.as_str())
        .bind(i64::from(instance.pid))
        .bind(to_millis(instance.lease))
        .bind(standing.as_deref())
        .execute(tx)
        .await?;
    all_written(INSTANCES, 1, beaten)?;
    if let Some(alive) = D::STATEMENTS.alive {
        // A trigger may have put the old instant back.
        let alive = ask::<D>(alive).bind(instance.id).number(tx).await?;
        all_written(INSTANCES, 1, alive)?;
    }
    ask::<D>(D::STATEMENTS.clear_silent_instances)
        .execute(tx)
        .await?;
    Ok(ahead > 0)
}

pub(super) async fn bring_back<D: Dialect>(
    dialect: &D,
    longest_hold: Duration,
) -> Result<(), SqlError> {
    let mut session = dialect.begin().await?;
    ask::<D>(D::STATEMENTS.bring_back_holds)
        .bind(to_seconds(longest_hold))
        .execute(&mut session)
        .await?;
    ask::<D>(D::STATEMENTS.bring_back_failures)
        .execute(&mut session)
        .await?;
    Ok(dialect.commit(session).await?)
}

pub(super) async fn keep_rate<D: Dialect>(
    dialect: &D,
    learned: &LearnedRate,
) -> Result<(), SqlError> {
    let json = serde_json::to_string(learned).unwrap_or_default();
    let mut session = dialect.begin_one().await?;
    ask::<D>(D::STATEMENTS.keep_rate)
        .bind(json.as_str())
        .execute(&mut session)
        .await?;
    Ok(dialect.commit(session).await?)
}

pub(super) async fn learned_rate<D: Dialect>(dialect: &D) -> Result<Option<LearnedRate>, SqlError> {
    let mut session = dialect.reading().await?;
    let kept = ask::<D>(D::STATEMENTS.learned_rate)
        .fetch_optional(&mut session)
        .await?;
    Ok(kept.as_ref().and_then(rows::learned_rate))
}

pub(super) async fn retire<D: Dialect>(dialect: &D, instance: Uuid) -> Result<(), SqlError> {
    let mut tx = dialect.begin().await?;
    for statement in [D::STATEMENTS.free_lanes, D::STATEMENTS.remove_instance] {
        ask::<D>(statement).bind(instance).execute(&mut tx).await?;
    }
    Ok(dialect.commit(tx).await?)
}

pub(super) async fn lease<D: Dialect>(
    dialect: &D,
    lane: &Lane,
    instance: Uuid,
    longest: u64,
) -> Result<Option<LeasedLane>, SqlError> {
    // All other lanes wait for a place meanwhile.
    let mut tx = dialect.begin_lease().await?;
    let leased = write_lease::<D>(&mut tx, lane, instance, longest).await?;
    match leased {
        Some(_) => dialect.commit(tx).await?,
        None => dialect.rollback(tx).await?,
    }
    Ok(leased)
}

/// Leases a lane in a transaction.
pub(super) async fn write_lease<D: Dialect>(
    tx: &mut Session<D>,
    lane: &Lane,
    instance: Uuid,
    longest: u64,
) -> sqlx::Result<Option<LeasedLane>> {
    let Some(leased) = D::take(tx, lane, instance).await? else {
        return Ok(None);
    };
    let token = rows::needed("lease_token", leased.integer("lease_token"))?;
    let open = adopt_batches::<D>(tx, lane, token).await?;
    // The time of a pause does not count: waits and failures that began before its end begin at its
    // end.
    let unpaused = leased.seconds("unpaused_ago");
    let since_then = |ago: Option<f64>| ago.map(|ago| ago.min(unpaused.unwrap_or(ago)));
    let mut open: Vec<_> = open.iter().map(open_entry).collect::<sqlx::Result<_>>()?;
    for entry in &mut open {
        entry.failing_for = since_then(entry.failing_for);
    }
    let (adopted, obstacle) = adopted(open, token);
    let ids: Vec<i64> = adopted
        .iter()
        .flat_map(|entry| entry.contacts.iter().copied())
        .collect();
    let rows = pending_rows::<D>(tx, &ids, longest).await?;
    Ok(Some(LeasedLane {
        lease: Arc::new(Lease {
            lane: lane.clone(),
            token,
            failures: rows::to_count(leased.integer("failures")),
        }),
        open: with_rows(adopted, rows),
        held_because: leased.text("hold_reason"),
        waiting_for: to_duration(since_then(leased.seconds("waiting_for"))),
        obstacle,
    }))
}

/// Takes a lane by one statement.
pub(in crate::outbox) async fn take<D: Dialect>(
    tx: &mut Session<D>,
    lane: &Lane,
    instance: Uuid,
) -> sqlx::Result<Option<Row<D>>> {
    ask::<D>(D::STATEMENTS.lease_lane)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(instance)
        .fetch_optional(tx)
        .await
}

async fn adopt_batches<D: Dialect>(
    tx: &mut Session<D>,
    lane: &Lane,
    token: i64,
) -> sqlx::Result<Vec<Row<D>>> {
    let adopt = ask::<D>(D::STATEMENTS.adopt_batches)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(token);
    let Some(open_entries) = D::STATEMENTS.open_entries else {
        return adopt.fetch_all(tx).await;
    };
    adopt.execute(tx).await?;
    ask::<D>(open_entries)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .fetch_all(tx)
        .await
}

async fn pending_rows<D: Dialect>(
    tx: &mut Session<D>,
    ids: &[i64],
    longest: u64,
) -> sqlx::Result<Vec<OutboxRow>> {
    let mut read = Vec::new();
    if ids.is_empty() {
        return Ok(read);
    }
    let [longest, short] = rows::lengths(longest);
    ask::<D>(D::STATEMENTS.pending_rows)
        .bind(List::Contacts(ids))
        .bind(longest)
        .bind(short)
        .fetch_while(tx, |row| {
            read.push(rows::outbox_row(&row));
            true
        })
        .await?;
    Ok(read)
}

pub(super) async fn lift_holds<D: Dialect>(dialect: &D, reason: &str) -> Result<u64, SqlError> {
    let mut session = dialect.begin_one().await?;
    let lifted = ask::<D>(D::STATEMENTS.lift_holds)
        .bind(reason)
        .execute(&mut session)
        .await?;
    dialect.commit(session).await?;
    Ok(lifted)
}

pub(super) async fn release<D: Dialect>(dialect: &D, lease: &Lease) -> Result<(), SqlError> {
    let mut session = dialect.begin_one().await?;
    ask::<D>(D::STATEMENTS.release_lane)
        .bind(lease.lane.user_id())
        .bind(lease.lane.task_id())
        .bind(lease.token)
        .execute(&mut session)
        .await?;
    Ok(dialect.commit(session).await?)
}
