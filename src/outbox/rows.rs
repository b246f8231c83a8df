//! From the columns of a row to the courier's values, in the same way for every database.
//!
//! A database's module says how it reads a column ([`Columns`]); this module knows which columns
//! there are and what they become. It guarantees that one value that cannot be read never costs the
//! page it stands on: readers of columns are lenient, and the rules of a contact are checked later,
//! row by row.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use sqlx::{ColumnIndex, Row};
use uuid::Uuid;

use super::span::to_duration;
use super::{Backlog, LaneFound, LanePage, LearnedRate};
use crate::contact::{Lane, OutboxRow};

/// How one database hands out the columns of a row. A value that is null or cannot be read is
/// `None`.
pub(super) trait Columns {
    /// Text, or JSON that the statement has turned into text.
    fn text<'a>(&self, column: impl Into<Column<'a>>) -> Option<String>;
    /// An integer of any width.
    fn integer<'a>(&self, column: impl Into<Column<'a>>) -> Option<i64>;
    /// A boolean.
    fn flag<'a>(&self, column: impl Into<Column<'a>>) -> Option<bool>;
    /// A number of seconds.
    fn seconds<'a>(&self, column: impl Into<Column<'a>>) -> Option<f64>;
    /// Bytes.
    fn bytes(&self, column: &str) -> Option<Vec<u8>>;

    /// A UUID. By default it is kept as text.
    fn id(&self, column: &str) -> sqlx::Result<Option<Uuid>> {
        let text = self.text(column);
        let id = text.map(|text| Uuid::try_parse(&text)).transpose();
        id.map_err(|source| unreadable(column, source))
    }

    /// Ids of contacts. By default they are kept as JSON.
    fn contacts(&self, column: &str) -> sqlx::Result<Option<Vec<i64>>> {
        let json = self.text(column);
        json.map(|json| parsed(column, &json)).transpose()
    }
}

/// Names a column: by its name, or, where many rows are read, by its position, which needs no
/// look-up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column<'a> {
    Named(&'a str),
    At(usize),
}

impl<'a> From<&'a str> for Column<'a> {
    fn from(name: &'a str) -> Self {
        Self::Named(name)
    }
}

impl From<usize> for Column<'_> {
    fn from(position: usize) -> Self {
        Self::At(position)
    }
}

impl<R> ColumnIndex<R> for Column<'_>
where
    R: Row,
    for<'a> &'a str: ColumnIndex<R>,
    usize: ColumnIndex<R>,
{
    fn index(&self, row: &R) -> sqlx::Result<usize> {
        match self {
            Self::Named(name) => name.index(row),
            Self::At(position) => position.index(row),
        }
    }
}

/// A count as a database gives it.
pub(super) fn to_count(count: Option<i64>) -> u32 {
    u32::try_from(count.unwrap_or_default().max(0)).unwrap_or(u32::MAX)
}

/// A column that must be there: without it a row of ours cannot be understood.
pub(super) fn needed<T>(column: &str, value: Option<T>) -> sqlx::Result<T> {
    value.ok_or_else(|| unreadable(column, sqlx::error::UnexpectedNullError))
}

/// The number that a row consists of.
pub(super) fn number(columns: &impl Columns) -> sqlx::Result<i64> {
    needed("0", columns.integer(0))
}

/// The same for a number that counts.
pub(super) fn count(columns: &impl Columns) -> sqlx::Result<u64> {
    Ok(u64::try_from(number(columns)?).unwrap_or_default())
}

fn unreadable(
    column: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.into(),
        source: source.into(),
    }
}

/// JSON that we once wrote ourselves.
pub(super) fn parsed<T: DeserializeOwned>(column: &str, json: &str) -> sqlx::Result<T> {
    serde_json::from_str(json).map_err(|source| unreadable(column, source))
}

/// Returns the lengths that `row_columns!` takes, out of the most bytes of a contact: these, and the
/// bytes of a text that are too few to be added up. A row has ten texts, so such texts alone never make
/// it too long.
pub(super) fn lengths(longest: u64) -> [i64; 2] {
    [longest, longest / 10].map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// A row of `contact_outbox`, whose columns come first and in the order of each database's
/// `row_columns!`.
pub(super) fn outbox_row(columns: &impl Columns) -> OutboxRow {
    OutboxRow {
        id: columns.integer(0).unwrap_or_default(),
        phone: columns.text(1).unwrap_or_default(),
        name: columns.text(2),
        email: columns.text(3),
        company: columns.text(4),
        sub_user_id: columns.text(5),
        control_select_robot: columns.text(6),
        phone_mask: columns.text(7),
        extra: columns.text(8),
        components: columns.text(9),
        custom_vars: columns.text(10),
        bytes: u64::try_from(columns.integer(11).unwrap_or_default()).unwrap_or_default(),
        sex: columns.integer(12),
        sort: columns.integer(13).unwrap_or_default(),
        source_id: columns.integer(14),
        industry_id: columns.integer(15),
        grade_id: columns.integer(16),
        ignore_crm: columns.flag(17),
        skip_error: columns.flag(18),
        number_add_suffix: columns.flag(19),
        encryption: columns.flag(20),
        due_for: to_duration(columns.seconds(21)),
        in_doubt: columns.flag(22).unwrap_or_default(),
    }
}

/// The lanes that a scan has found. The table's own rule lets no other ids in; should one be there
/// all the same, it is skipped.
pub(super) fn lanes_found(rows: &[impl Columns]) -> Vec<LaneFound> {
    rows.iter()
        .filter_map(|row| {
            Some(LaneFound {
                lane: lane(row)?,
                ripe_in: to_duration(Some(row.seconds("ripe_in")?)),
                held_because: row.text("hold_reason"),
            })
        })
        .collect()
}

/// The same of a scan that ends after so many rows: whether it has come to its end, the rows tell, and not
/// the lanes.
pub(super) fn lane_page(rows: &[impl Columns], limit: u32) -> LanePage {
    let last = rows.last().filter(|_| rows.len() >= limit as usize);
    LanePage {
        lanes: lanes_found(rows),
        next: last.and_then(|row| place(row).ok()),
    }
}

/// Where a row stands in the order of lanes, whatever its ids are.
pub(super) fn place(columns: &impl Columns) -> sqlx::Result<Lane> {
    let id = |column: &str| needed(column, columns.text(column));
    Ok(Lane::position(&id("user_id")?, &id("task_id")?))
}

/// The lane that a row names.
pub(super) fn lane(columns: &impl Columns) -> Option<Lane> {
    Lane::new(&columns.text("user_id")?, &columns.text("task_id")?).ok()
}

/// The present fencing token of each lane that the rows name.
pub(super) fn tokens(rows: &[impl Columns]) -> HashMap<Lane, i64> {
    rows.iter()
        .filter_map(|row| Some((lane(row)?, row.integer("lease_token")?)))
        .collect()
}

/// Adds up counts by `class` (`due`, `elsewhere`, `paused`, `held`, `deferred`), greatest first;
/// rows of `held` are apart by their hold's words.
pub(super) fn backlog(rows: &[impl Columns]) -> Backlog {
    let mut backlog = Backlog::default();
    for row in rows {
        let contacts = u64::try_from(row.integer("contacts").unwrap_or_default()).unwrap_or(0);
        match row.text("class").as_deref() {
            Some("due") => backlog.due += contacts,
            Some("elsewhere") => backlog.elsewhere += contacts,
            Some("paused") => backlog.paused += contacts,
            Some("held") => {
                backlog.held += contacts;
                backlog.held_because = backlog.held_because.or_else(|| row.text("because"));
            }
            _ => backlog.deferred += contacts,
        }
    }
    backlog
}

/// The learned rate, as of now. A value that cannot be read is forgotten.
pub(super) fn learned_rate(row: &impl Columns) -> Option<LearnedRate> {
    let mut learned: LearnedRate = serde_json::from_str(&row.text("learned")?).ok()?;
    learned.seconds_ago += to_duration(row.seconds("learned_ago")).as_secs_f64();
    let numbers = [learned.hurt, learned.low, learned.stays_seconds];
    let is_sound = numbers
        .iter()
        .all(|number| number.is_finite() && *number >= 0.0);
    is_sound.then_some(learned)
}
