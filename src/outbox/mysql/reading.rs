//! Finding lanes, reading ahead in one, counting the contacts that are left.
//!
//! Neither server can go from lane to lane within one statement, seeking the next one behind each
//! ([`super::statements`]). So the walk is here: each step seeks a lane and reads a little further,
//! which passes over many small lanes at once, or over one large one.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::iter::repeat;

use sqlx::{MySqlConnection, Result};

use super::language::MySql;
use super::statements::{BATCHES_AHEAD, READ_DEFERRED, READ_IMMEDIATE, RIPEN_LANES, ROWS_AHEAD};
use crate::contact::Lane;
use crate::outbox::page::Reader;
use crate::outbox::plan::{LaneKey, json};
use crate::outbox::rows;
use crate::outbox::span::{to_micros, to_seconds};
use crate::outbox::sql::ask::ask;
use crate::outbox::{Cursor, LaneFound, LanePage, LaneQuery, Page};

/// How many entries of an index a step reads: about as many as cost the same as seeking.
const STEP: usize = 64;

/// The first instant that a `TIMESTAMP` can hold.
const BEGINNING: &str = "1970-01-01 00:00:01";

pub(super) async fn find_lanes(
    session: &mut MySqlConnection,
    query: &LaneQuery,
) -> Result<LanePage> {
    let limit = query.limit as usize;
    let (mut found, mut named) = (Vec::new(), BTreeSet::new());
    let mut behind = query.after.clone();
    loop {
        let ahead = Ahead::new(
            step(session, ROWS_AHEAD, behind.as_ref()).await?,
            step(session, BATCHES_AHEAD, behind.as_ref()).await?,
        );
        named.extend(ahead.lanes);
        let at_end = ahead.frontier.is_none();
        if at_end || found.len() + named.len() >= limit {
            found.extend(ripen(session, query, &std::mem::take(&mut named)).await?);
        }
        if at_end || found.len() >= limit {
            let last = found.get(limit.saturating_sub(1));
            let next = last.map(|found| found.lane.clone());
            found.truncate(limit);
            return Ok(LanePage { lanes: found, next });
        }
        behind = ahead.frontier;
    }
}

/// Where the next entries of an index stand. Not all need to be of valid lanes.
async fn step(
    session: &mut MySqlConnection,
    statement: &'static str,
    behind: Option<&Lane>,
) -> Result<Vec<Lane>> {
    let (user_id, task_id) = behind.map_or(("", ""), |lane| (lane.user_id(), lane.task_id()));
    let entries = sqlx::query(statement)
        .bind(user_id)
        .bind(user_id)
        .bind(task_id)
        .bind(i64::try_from(STEP).unwrap_or(i64::MAX))
        .fetch_all(&mut *session)
        .await?;
    entries.iter().map(rows::place).collect()
}

/// The lanes that a step has found.
#[derive(Debug, PartialEq, Eq)]
struct Ahead {
    /// All valid lanes up to the frontier.
    lanes: BTreeSet<Lane>,
    /// Where the next step begins; `None`: there is nothing more.
    frontier: Option<Lane>,
}

impl Ahead {
    /// Puts the entries of two indexes together. If an index returned a full step, the lanes behind
    /// its last entry are unknown, and so are the lanes of both.
    fn new(rows: Vec<Lane>, batches: Vec<Lane>) -> Self {
        let ends = [&rows, &batches].map(|entries| {
            let more = entries.len() >= STEP;
            entries.last().filter(|_| more).cloned()
        });
        let frontier = ends.into_iter().flatten().min_by(order);
        let is_known = |lane: &Lane| frontier.as_ref().is_none_or(|end| order(lane, end).is_le());
        let lanes = rows.into_iter().chain(batches);
        Self {
            lanes: lanes
                .filter(|lane| lane.is_valid() && is_known(lane))
                .collect(),
            frontier,
        }
    }
}

/// The order of the index. It takes the shorter of two texts as if blanks followed, which makes a
/// difference for ids that break the rules.
fn order(one: &Lane, other: &Lane) -> Ordering {
    let text = |one: &str, other: &str| {
        let longest = one.len().max(other.len());
        let padded = |text: &str| {
            let padded = text.bytes().chain(repeat(b' ')).take(longest);
            padded.collect::<Vec<_>>()
        };
        padded(one).cmp(&padded(other))
    };
    let users = text(one.user_id(), other.user_id());
    users.then_with(|| text(one.task_id(), other.task_id()))
}

async fn ripen(
    session: &mut MySqlConnection,
    query: &LaneQuery,
    lanes: &BTreeSet<Lane>,
) -> Result<Vec<LaneFound>> {
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    let lanes: Vec<LaneKey<'_>> = lanes.iter().map(LaneKey::from).collect();
    let linger = to_seconds(query.linger);
    let found = sqlx::query(RIPEN_LANES)
        .bind(linger)
        .bind(i64::from(query.batch_size.max(1)) - 1)
        .bind(to_micros(query.horizon))
        .bind(linger)
        .bind(json(&lanes))
        .bind(query.instance.to_string())
        .fetch_all(&mut *session)
        .await?;
    Ok(rows::lanes_found(&found))
}

pub(super) async fn read_page(
    session: &mut MySqlConnection,
    lane: &Lane,
    cursor: &Cursor,
    mut reader: Reader,
) -> Result<Page> {
    let (not_before, deferred_id) = cursor
        .deferred
        .as_ref()
        .map_or((BEGINNING, 0), |(at, id)| (at.as_str(), *id));
    let [longest, short] = reader.lengths();
    ask::<MySql>(READ_DEFERRED)
        .bind(longest)
        .bind(short)
        .bind(lane.user_id())
        .bind(lane.task_id())
        .bind(not_before)
        .bind(deferred_id)
        .bind(i64::from(reader.room()))
        .fetch_while(session, |row| reader.add(&row))
        .await?;
    if reader.room() > 0 {
        ask::<MySql>(READ_IMMEDIATE)
            .bind(longest)
            .bind(short)
            .bind(lane.user_id())
            .bind(lane.task_id())
            .bind(cursor.id)
            .bind(i64::from(reader.room()))
            .fetch_while(session, |row| reader.add(&row))
            .await?;
    }
    Ok(reader.page())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(n: usize) -> Lane {
        Lane::new("u", &format!("{n:03}")).unwrap()
    }

    #[test]
    fn two_short_lists_are_all_there_is() {
        let ahead = Ahead::new(vec![lane(2), lane(2), lane(3)], vec![lane(1), lane(3)]);
        assert_eq!(ahead.lanes, BTreeSet::from([lane(1), lane(2), lane(3)]));
        assert_eq!(ahead.frontier, None);
    }

    #[test]
    fn nothing_is_known_behind_the_end_of_a_list_that_was_cut_off() {
        let many = (0..STEP).map(lane).collect();
        let ahead = Ahead::new(many, vec![lane(5), lane(STEP + 9)]);
        assert_eq!(ahead.lanes.len(), STEP);
        assert_eq!(ahead.frontier, Some(lane(STEP - 1)));
    }

    #[test]
    fn entries_that_are_no_lane_are_skipped_and_the_step_goes_on_behind_them() {
        let bad = Lane::position("a b", "t");
        let ahead = Ahead::new(vec![bad.clone(); STEP], vec![lane(7)]);
        assert_eq!(ahead.lanes, BTreeSet::new());
        assert_eq!(ahead.frontier, Some(bad.clone()));
        let ahead = Ahead::new(vec![bad, lane(7)], Vec::new());
        assert_eq!(ahead.lanes, BTreeSet::from([lane(7)]));
        assert_eq!(ahead.frontier, None);
    }

    #[test]
    fn the_order_is_that_of_the_servers() {
        let at = |user: &str| Lane::position(user, "t");
        for (less, more) in [
            ("a\t", "a"),
            ("a", "a!"),
            ("a b", "a-"),
            ("a", "b"),
            ("z", "张"),
        ] {
            assert_eq!(
                order(&at(less), &at(more)),
                Ordering::Less,
                "{less:?} {more:?}"
            );
        }
        assert_eq!(order(&at("a "), &at("a")), Ordering::Equal);
    }

    #[test]
    fn a_step_passes_over_one_lane_at_least() {
        let ahead = Ahead::new(vec![lane(4); STEP], vec![lane(7); STEP]);
        assert_eq!(ahead.lanes, BTreeSet::from([lane(4)]));
        assert_eq!(ahead.frontier, Some(lane(4)));
    }
}
