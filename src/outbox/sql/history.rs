//! Who did what.

use super::ask::ask;
use super::dialect::{Dialect, Session};
use crate::outbox::error::SqlError;
use crate::outbox::operations::{Action, Part};

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

/// Notes it by itself.
pub(super) async fn note_alone<D: Dialect>(
    dialect: &D,
    action: &Action,
    part: Part,
) -> Result<(), SqlError> {
    let mut tx = dialect.begin().await?;
    note::<D>(&mut tx, action, part).await?;
    Ok(dialect.commit(tx).await?)
}
