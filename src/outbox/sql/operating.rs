//! The questions of operators about lanes, couriers and single contacts.
//!
//! Failed contacts are in [`failing`](super::failing), and deleting old data is in
//! [`pruning`](super::pruning).

use super::ask::{Ask, ask};
use super::dialect::Dialect;
use super::language::Session;
use super::orders;
use super::statements::{NUMBERS_DELIVERED, OUTCOMES};
use super::value::List;
use crate::contact::ContactId;
use crate::outbox::OrderScope;
use crate::outbox::error::SqlError;
use crate::outbox::operations::{
    self, ContactReport, HeldLane, InstanceReport, LaneReport, OutcomeCount, Overview, Requeued,
    Story, Trail,
};

pub(super) async fn overview<D: Dialect>(dialect: &D) -> Result<Overview, SqlError> {
    let mut session = dialect.reading().await?;
    let registered = read_registered::<D>(&mut session).await?;
    let gated = operations::gated(&registered);
    let totals = ask::<D>(D::OPERATING.overview)
        .bind(gated.as_str())
        .fetch_one(&mut session)
        .await?;
    let pauses = orders::pauses::<D>(&mut session).await?;
    let mut overview = operations::overview(&totals, registered, pauses);
    for pause in &overview.pauses {
        let OrderScope::User(user) = &pause.scope else {
            continue;
        };
        let waits = ask::<D>(D::OPERATING.user_waits).bind(user.as_str());
        if waits.fetch_optional(&mut session).await?.is_none() {
            overview.idle_users.insert(user.clone());
        }
    }
    Ok(overview)
}

pub(super) async fn instances<D: Dialect>(dialect: &D) -> Result<Vec<InstanceReport>, SqlError> {
    let mut session = dialect.reading().await?;
    Ok(read_instances::<D>(&mut session).await?)
}

/// Returns how many living couriers share the rates that are kept here: those of this database and
/// the guests.
pub(super) async fn sharers<D: Dialect>(dialect: &D) -> Result<usize, SqlError> {
    let mut session = dialect.reading().await?;
    let registered = read_registered::<D>(&mut session).await?;
    Ok(operations::sharers(&registered))
}

/// The couriers whose contacts are here.
async fn read_instances<D: Dialect>(session: &mut Session<D>) -> sqlx::Result<Vec<InstanceReport>> {
    let registered = read_registered::<D>(session).await?.into_iter();
    Ok(registered.filter(|courier| !courier.is_guest()).collect())
}

async fn read_registered<D: Dialect>(
    session: &mut Session<D>,
) -> sqlx::Result<Vec<InstanceReport>> {
    let registered = ask::<D>(D::OPERATING.instances).fetch_all(session).await?;
    Ok(registered.iter().map(operations::instance_report).collect())
}

pub(super) async fn lanes<D: Dialect>(
    dialect: &D,
    limit: u32,
) -> Result<Vec<LaneReport>, SqlError> {
    let mut session = dialect.reading().await?;
    let registered = read_registered::<D>(&mut session).await?;
    let gated = operations::gated(&registered);
    let lanes = ask::<D>(D::OPERATING.lanes)
        .bind(gated.as_str())
        .bind(i64::from(limit))
        .fetch_all(&mut session)
        .await?;
    Ok(lanes.iter().map(operations::lane_report).collect())
}

pub(super) async fn held<D: Dialect>(dialect: &D, limit: u32) -> Result<Vec<HeldLane>, SqlError> {
    let mut session = dialect.reading().await?;
    let on_hold = ask::<D>(D::OPERATING.paused)
        .bind(i64::from(limit))
        .fetch_all(&mut session)
        .await?;
    let held = on_hold.iter().map(operations::held_lane).collect();
    let pauses = orders::pauses::<D>(&mut session).await?;
    let mut by_operators = Vec::new();
    for pause in pauses {
        if by_operators.len() >= limit as usize {
            break;
        }
        let OrderScope::Lane(lane) = &pause.scope else {
            continue;
        };
        let (user, task) = (lane.user_id(), lane.task_id());
        let due = ask::<D>(D::OPERATING.lane_is_due).bind(user).bind(task);
        // Without it the pause keeps nothing back.
        if due.fetch_optional(&mut session).await?.is_some() {
            let pending = ask::<D>(D::OPERATING.count_lane).bind(user).bind(task);
            let pending = pending.number(&mut session).await?;
            by_operators.extend(pause.lane(u64::try_from(pending).unwrap_or_default()));
        }
    }
    Ok(operations::with_paused(held, by_operators, limit))
}

pub(super) async fn knows<D: Dialect>(dialect: &D, scope: &OrderScope) -> Result<bool, SqlError> {
    let mut session = dialect.reading().await?;
    let row = match scope {
        OrderScope::All => return Ok(true),
        OrderScope::User(user) => {
            ask::<D>(D::OPERATING.lane_of_user)
                .bind(user.as_str())
                .fetch_optional(&mut session)
                .await?
        }
        OrderScope::Lane(lane) => {
            ask::<D>(D::OPERATING.lane)
                .bind(lane.user_id())
                .bind(lane.task_id())
                .fetch_optional(&mut session)
                .await?
        }
    };
    Ok(row.is_some())
}

pub(super) async fn story<D: Dialect>(
    dialect: &D,
    id: ContactId,
) -> Result<Option<Story>, SqlError> {
    let mut session = dialect.reading().await?;
    let contact = ask::<D>(D::OPERATING.contact)
        .bind(id.0)
        .fetch_optional(&mut session)
        .await?;
    let Some(contact) = contact.as_ref().map(operations::contact_report) else {
        return Ok(None);
    };
    let requeued = ask::<D>(D::OPERATING.requeues)
        .bind(id.0)
        .fetch_all(&mut session)
        .await?;
    let requeued: Vec<_> = requeued
        .iter()
        .map(|row| operations::requeued(row, &contact.phone))
        .collect();
    let trail = follow::<D>(&mut session, &contact, &requeued).await?;
    let lane = ask::<D>(D::OPERATING.lane)
        .bind(contact.user_id.as_str())
        .bind(contact.task_id.as_str())
        .fetch_optional(&mut session)
        .await?;
    let ahead = if contact.status == "pending" {
        let ahead = of_lane::<D>(D::OPERATING.ahead, &contact);
        ahead.number(&mut session).await?
    } else {
        0
    };
    let couriers = read_instances::<D>(&mut session).await?;
    let pauses = orders::pauses::<D>(&mut session).await?;
    Ok(Some(Story {
        gate: operations::gate_in_the_way(&pauses, &couriers, &contact),
        locked: operations::lock_in_the_way(&couriers, &contact),
        sessions_in: D::SESSIONS_IN,
        courier_runs: operations::one_runs(&couriers),
        requeued,
        batches: trail.complete(),
        lane: lane.as_ref().map(operations::lane_standing),
        ahead: u64::try_from(ahead).unwrap_or_default(),
        contact,
    }))
}

/// Finds the batches that a contact was in.
async fn follow<D: Dialect>(
    session: &mut Session<D>,
    contact: &ContactReport,
    requeued: &[Requeued],
) -> sqlx::Result<Trail> {
    let open = of_lane::<D>(D::OPERATING.open_batches_with, contact);
    let open = open.fetch_all(session).await?;
    let open = open.iter().map(operations::batch_report).collect();
    let mut trail = Trail::new(open, contact, requeued);
    loop {
        let wanted = trail.wanted();
        if wanted.is_empty() {
            return Ok(trail);
        }
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let found = ask::<D>(D::OPERATING.batches_named)
            .bind(List::Texts(&wanted))
            .fetch_all(session)
            .await?;
        trail.add(found.iter().map(operations::batch_report).collect());
    }
}

/// A statement about a contact and its lane.
fn of_lane<'a, D: Dialect>(statement: &'static str, contact: &'a ContactReport) -> Ask<'a, D> {
    ask(statement)
        .bind(contact.user_id.as_str())
        .bind(contact.task_id.as_str())
        .bind(contact.id.0)
}

pub(super) async fn outcomes<D: Dialect>(dialect: &D) -> Result<Vec<OutcomeCount>, SqlError> {
    let mut session = dialect.reading().await?;
    let counts = ask::<D>(OUTCOMES).fetch_all(&mut session).await?;
    Ok(counts.iter().map(operations::outcome).collect())
}

pub(super) async fn numbers_delivered<D: Dialect>(dialect: &D) -> Result<u64, SqlError> {
    let mut session = dialect.reading().await?;
    let counted = ask::<D>(NUMBERS_DELIVERED).number(&mut session).await?;
    Ok(u64::try_from(counted).unwrap_or_default())
}
