//! Pausing and resuming.

use std::time::Duration;

use uuid::Uuid;

use super::ask::ask;
use super::dialect::Dialect;
use super::history;
use super::language::Session;
use crate::outbox::error::SqlError;
use crate::outbox::operations::{Action, Part};
use crate::outbox::orders::{OrderScope, Orders, Pause, Resumed, ends_in};

/// The end of an action that is a single transaction.
fn whole(affected: Option<u64>) -> Part {
    Part {
        affected,
        is_last: true,
    }
}

pub(super) async fn orders<D: Dialect>(dialect: &D) -> Result<Orders, SqlError> {
    let mut held = dialect.at_hand().await?;
    let rows = ask::<D>(D::INTERVENING.orders)
        .fetch_all(&mut held.session)
        .await?;
    held.keep();
    Ok(Orders::read(&rows))
}

/// Reads the pauses that are in force.
pub(super) async fn pauses<D: Dialect>(session: &mut Session<D>) -> sqlx::Result<Vec<Pause>> {
    let rows = ask::<D>(D::INTERVENING.pauses).fetch_all(session).await?;
    Ok(rows.iter().filter_map(Pause::read).collect())
}

pub(super) async fn pause<D: Dialect>(
    dialect: &D,
    scope: &OrderScope,
    reason: &str,
    last: Option<Duration>,
    action: &Action,
) -> Result<(), SqlError> {
    let (user, task) = scope.columns();
    let mut tx = dialect.begin().await?;
    ask::<D>(D::INTERVENING.pause)
        .bind(user)
        .bind(task)
        .bind(reason)
        .bind(ends_in(last))
        .execute(&mut tx)
        .await?;
    history::note::<D>(&mut tx, action, whole(None)).await?;
    Ok(dialect.commit(tx).await?)
}

pub(super) async fn resume<D: Dialect>(
    dialect: &D,
    scope: &OrderScope,
    action: &Action,
) -> Result<Resumed, SqlError> {
    let (user, task) = scope.columns();
    let mut tx = dialect.begin().await?;
    for leave_out in D::INTERVENING.leave_out_pauses {
        ask::<D>(leave_out)
            .bind(user)
            .bind(task)
            .execute(&mut tx)
            .await?;
    }
    ask::<D>(D::INTERVENING.forget_orders[0])
        .execute(&mut tx)
        .await?;
    ask::<D>(D::INTERVENING.forget_orders[1])
        .execute(&mut tx)
        .await?;
    let pauses = ask::<D>(D::INTERVENING.end_pauses)
        .bind(user)
        .bind(task)
        .execute(&mut tx)
        .await?;
    let holds = ask::<D>(D::INTERVENING.end_holds)
        .bind(user)
        .bind(task)
        .execute(&mut tx)
        .await?;
    ask::<D>(D::INTERVENING.resume)
        .bind(Uuid::now_v7())
        .bind(user)
        .bind(task)
        .execute(&mut tx)
        .await?;
    history::note::<D>(&mut tx, action, whole(Some(pauses + holds))).await?;
    dialect.commit(tx).await?;
    Ok(Resumed { pauses, holds })
}
