//! Finding lanes, reading ahead in one, counting what is left.

use sqlx::{Result, SqlitePool};
use uuid::Uuid;

use super::statements::{BACKLOG, FIND_LANES, READ_PAGE};
use crate::contact::Lane;
use crate::outbox::rows::{self, to_seconds};
use crate::outbox::{Backlog, Cursor, LaneFound, LaneQuery, Page};

pub(super) async fn find_lanes(readers: &SqlitePool, query: &LaneQuery) -> Result<Vec<LaneFound>> {
    // The key of a lane, as the statement explains it; the key of none is less than all others.
    let after = query.after.as_ref().map_or_else(
        || " ".to_owned(),
        |lane| format!("{} {}", lane.user_id(), lane.task_id()),
    );
    let found = sqlx::query(FIND_LANES)
        .bind(query.instance.to_string())
        .bind(after)
        .bind(to_seconds(query.linger))
        .bind(i64::from(query.batch_size.max(1)))
        .bind(i64::from(query.limit))
        .fetch_all(readers)
        .await?;
    Ok(rows::lanes_found(&found))
}

pub(super) async fn read_page(
    readers: &SqlitePool,
    lane: &Lane,
    cursor: &Cursor,
    limit: u32,
) -> Result<Page> {
    let (not_before, deferred_id) = cursor
        .deferred
        .as_ref()
        .map_or(("", 0), |(at, id)| (at.as_str(), *id));
    let read = sqlx::query(READ_PAGE)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(i64::from(limit))
        .bind(not_before)
        .bind(deferred_id)
        .bind(cursor.id)
        .fetch_all(readers)
        .await?;
    Ok(rows::page(&read, cursor, limit))
}

pub(super) async fn backlog(readers: &SqlitePool, instance: Uuid) -> Result<Backlog> {
    let counted = sqlx::query(BACKLOG)
        .bind(instance.to_string())
        .fetch_all(readers)
        .await?;
    Ok(rows::backlog(&counted))
}
