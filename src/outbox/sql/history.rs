//! The history of operators' actions.

use std::time::Duration;

use super::ask::ask;
use super::dialect::Dialect;
use super::language::Session;
use crate::outbox::error::SqlError;
use crate::outbox::operations::{Action, ActionReport, Part};
use crate::outbox::span::to_seconds;

/// Notes a part of an action in the transaction that does it.
pub(super) async fn note<D: Dialect>(
    tx: &mut Session<D>,
    action: &Action,
    part: Part,
) -> Result<(), SqlError> {
    let affected = part.affected.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    ask::<D>(D::INTERVENING.note_action)
        .bind(action.id)
        .bind(action.name)
        .bind(action.host.as_str())
        .bind(action.os_user.as_str())
        .bind(action.selection.as_str())
        .bind(affected)
        .bind(i64::from(part.is_last))
        .execute(tx)
        .await?;
    Ok(())
}

/// The same for a number of rows, if the change belongs to an action.
pub(super) async fn note_part<D: Dialect>(
    tx: &mut Session<D>,
    action: Option<&Action>,
    affected: u64,
) -> Result<(), SqlError> {
    match action {
        Some(action) => note::<D>(tx, action, Part::some(affected)).await,
        None => Ok(()),
    }
}

/// Reads the last actions.
pub(super) async fn actions<D: Dialect>(
    dialect: &D,
    limit: u32,
) -> Result<Vec<ActionReport>, SqlError> {
    let mut session = dialect.reading().await?;
    let actions = ask::<D>(D::INTERVENING.actions)
        .bind(i64::from(limit))
        .fetch_all(&mut session)
        .await?;
    Ok(actions.iter().map(ActionReport::read).collect())
}

/// Deletes actions that began longer ago than this.
pub(super) async fn forget<D: Dialect>(dialect: &D, older_than: Duration) -> Result<(), SqlError> {
    let mut session = dialect.begin_one().await?;
    ask::<D>(D::INTERVENING.forget_actions)
        .bind(to_seconds(older_than))
        .execute(&mut session)
        .await?;
    Ok(dialect.commit(session).await?)
}

/// Notes a part by itself.
pub(super) async fn note_alone<D: Dialect>(
    dialect: &D,
    action: &Action,
    part: Part,
) -> Result<(), SqlError> {
    let mut tx = dialect.begin().await?;
    note::<D>(&mut tx, action, part).await?;
    Ok(dialect.commit(tx).await?)
}
