//! The index of results, which is made only on demand.

use sqlx::{Connection, SqlitePool};

use super::error::translate;
use super::statements::migrating as statements;
use super::statements::operating::OPERATING;
use super::transaction::BEGIN;
use crate::outbox::OutboxError;

/// Makes the index; returns whether it was missing. Other programs that write wait meanwhile.
pub(super) async fn make_results_index(writer: &SqlitePool) -> Result<bool, OutboxError> {
    let mut connection = writer.acquire().await.map_err(translate)?;
    // If this fails, the state of the connection is unknown.
    connection.close_on_drop();
    let mut tx = connection.begin_with(BEGIN).await.map_err(translate)?;
    let found = sqlx::query(OPERATING.results_index)
        .fetch_optional(&mut *tx)
        .await
        .map_err(translate)?;
    sqlx::query(statements::MAKE_RESULTS_INDEX)
        .execute(&mut *tx)
        .await
        .map_err(translate)?;
    tx.commit().await.map_err(translate)?;
    Ok(found.is_none())
}
