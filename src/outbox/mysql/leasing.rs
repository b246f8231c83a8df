//! Taking a lane: neither server can return what it has written, or upsert under a condition.

use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Result};
use uuid::Uuid;

use super::statements::{LEASED, NEW_LANE, STATEMENTS};
use crate::contact::Lane;

/// Writes the lease into the lane's row, or makes the row, and reads it.
pub(super) async fn take(
    tx: &mut MySqlConnection,
    lane: &Lane,
    instance: Uuid,
) -> Result<Option<MySqlRow>> {
    let instance = instance.to_string();
    let taken = sqlx::query(STATEMENTS.lease_lane)
        .bind(&instance)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(&instance)
        .execute(&mut *tx)
        .await?;
    if taken.rows_affected() == 0 {
        let made = sqlx::query(NEW_LANE)
            .bind(lane.user_id())
            .bind(lane.task_id())
            .bind(&instance)
            .execute(&mut *tx)
            .await?;
        if made.rows_affected() == 0 {
            return Ok(None);
        }
    }
    sqlx::query(LEASED)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(&instance)
        .fetch_optional(tx)
        .await
}
