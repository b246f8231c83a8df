//! Finding lanes, reading ahead in one, counting the contacts that are left.

use std::collections::HashSet;

use uuid::Uuid;

use super::ask::ask;
use super::dialect::Dialect;
use super::language::Session;
use crate::contact::Lane;
use crate::outbox::error::SqlError;
use crate::outbox::page::Reader;
use crate::outbox::rows;
use crate::outbox::span::to_seconds;
use crate::outbox::{Backlog, Cursor, LanePage, LaneQuery, Page};

pub(super) async fn find_lanes<D: Dialect>(
    dialect: &D,
    query: &LaneQuery,
) -> Result<LanePage, SqlError> {
    let mut session = dialect.reading().await?;
    Ok(D::find_lanes(&mut session, query).await?)
}

/// Finds lanes by one statement that goes from lane to lane.
pub(in crate::outbox) async fn walk<D: Dialect>(
    find_lanes: &'static str,
    session: &mut Session<D>,
    query: &LaneQuery,
) -> sqlx::Result<LanePage> {
    let after = query.after.as_ref();
    let found = ask::<D>(find_lanes)
        .bind(query.instance)
        .bind(after.map_or("", Lane::user_id))
        .bind(after.map_or("", Lane::task_id))
        .bind(to_seconds(query.linger))
        .bind(i64::from(query.batch_size.max(1)))
        .bind(i64::from(query.limit))
        .bind(to_seconds(query.horizon))
        .fetch_all(session)
        .await?;
    Ok(rows::lane_page(&found, query.limit))
}

pub(super) async fn newest_lanes<D: Dialect>(
    dialect: &D,
    behind: i64,
    newest: i64,
) -> Result<Vec<Lane>, SqlError> {
    let mut session = dialect.reading().await?;
    let contacts = ask::<D>(D::STATEMENTS.newest_lanes)
        .bind(behind)
        .bind(newest)
        .fetch_all(&mut session)
        .await?;
    let mut seen = HashSet::new();
    let lanes = contacts.iter().filter_map(rows::lane);
    Ok(lanes.filter(|lane| seen.insert(lane.clone())).collect())
}

pub(super) async fn read_page<D: Dialect>(
    dialect: &D,
    lane: &Lane,
    cursor: &Cursor,
    reader: Reader,
) -> Result<Page, SqlError> {
    let mut session = dialect.reading().await?;
    Ok(D::read_page(&mut session, lane, cursor, reader).await?)
}

/// Reads a page by one statement. `beginning` is less than any instant, as the database writes it.
pub(in crate::outbox) async fn page<D: Dialect>(
    (read_page, beginning): (&'static str, &str),
    session: &mut Session<D>,
    lane: &Lane,
    cursor: &Cursor,
    mut reader: Reader,
) -> sqlx::Result<Page> {
    let deferred = cursor.deferred.as_ref();
    let [longest, short] = reader.lengths();
    ask::<D>(read_page)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(i64::from(reader.room()))
        .bind(deferred.map_or(beginning, |(at, _)| at.as_str()))
        .bind(deferred.map_or(0, |(_, id)| *id))
        .bind(cursor.id)
        .bind(longest)
        .bind(short)
        .fetch_while(session, |row| reader.add(&row))
        .await?;
    Ok(reader.page())
}

pub(super) async fn backlog<D: Dialect>(dialect: &D, instance: Uuid) -> Result<Backlog, SqlError> {
    let mut session = dialect.reading().await?;
    let counted = ask::<D>(D::STATEMENTS.backlog)
        .bind(instance)
        .fetch_all(&mut session)
        .await?;
    Ok(rows::backlog(&counted))
}
