//! What every database reads in the same way: from its columns to the courier's values.
//!
//! A database's module says how it reads a column ([`Columns`]); this module knows which columns
//! there are and what becomes of them. It guarantees that one value that cannot be read never costs
//! the page it stands on: readers of columns are lenient, and the rules of a contact are checked
//! later, row by row.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::de::DeserializeOwned;
use sqlx::{ColumnIndex, Row};
use uuid::Uuid;

use super::error::BATCHES;
use super::plan::Journaled;
use super::{Backlog, Cursor, LaneFound, OpenBatch, OutboxError, Page};
use crate::batch::BatchId;
use crate::contact::{Lane, OutboxRow, RequestOptions};

/// How one database hands out the columns of a row. What is null or cannot be read is `None`.
pub(super) trait Columns {
    /// Text, or JSON that the statement has turned into text.
    fn text<'a>(&self, column: impl Into<Column<'a>>) -> Option<String>;
    /// An integer of any width.
    fn integer<'a>(&self, column: impl Into<Column<'a>>) -> Option<i64>;
    /// A boolean.
    fn flag<'a>(&self, column: impl Into<Column<'a>>) -> Option<bool>;
    /// A number of seconds.
    fn seconds<'a>(&self, column: impl Into<Column<'a>>) -> Option<f64>;
}

/// Which column: by its name, or where many rows are read by its position, which costs no look-up.
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

/// The longest time that a database is asked to reckon with: a century.
const LONGEST: Duration = Duration::from_hours(100 * 366 * 24);

/// A time span as a database takes it.
pub(super) fn to_seconds(span: Duration) -> f64 {
    span.min(LONGEST).as_secs_f64()
}

/// A time span as a database gives it; one that is negative (a clock went back) counts as none.
pub(super) fn to_duration(seconds: Option<f64>) -> Duration {
    let seconds = seconds.unwrap_or_default().max(0.0);
    Duration::try_from_secs_f64(seconds).map_or(LONGEST, |span| span.min(LONGEST))
}

/// A time span in whole milliseconds.
pub(super) fn to_millis(span: Duration) -> i64 {
    i64::try_from(span.min(LONGEST).as_millis()).unwrap_or(i64::MAX)
}

/// A time span in whole microseconds.
pub(super) fn to_micros(span: Duration) -> i64 {
    i64::try_from(span.min(LONGEST).as_micros()).unwrap_or(i64::MAX)
}

/// A count as a database gives it.
pub(super) fn to_count(count: Option<i64>) -> u32 {
    u32::try_from(count.unwrap_or_default().max(0)).unwrap_or(u32::MAX)
}

/// A column that must be there: without it a row of ours cannot be understood.
fn needed(columns: &impl Columns, column: &str) -> sqlx::Result<String> {
    columns
        .text(column)
        .ok_or_else(|| unreadable(column, sqlx::error::UnexpectedNullError))
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

fn uuid(column: &str, text: &str) -> sqlx::Result<Uuid> {
    Uuid::try_parse(text).map_err(|source| unreadable(column, source))
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
        sex: columns.integer(5),
        sort: columns.integer(6).unwrap_or_default(),
        source_id: columns.integer(7),
        industry_id: columns.integer(8),
        grade_id: columns.integer(9),
        components: columns.text(10),
        custom_vars: columns.text(11),
        extra: columns.text(12),
        sub_user_id: columns.text(13),
        control_select_robot: columns.text(14),
        ignore_crm: columns.flag(15),
        skip_error: columns.flag(16),
        number_add_suffix: columns.flag(17),
        encryption: columns.flag(18),
        phone_mask: columns.text(19),
        due_for: to_duration(columns.seconds(20)),
    }
}

/// The lanes that a scan has found. The table's own rule lets no other ids in; should one be there
/// all the same, it is passed over.
pub(super) fn lanes_found(rows: &[impl Columns]) -> Vec<LaneFound> {
    rows.iter()
        .filter_map(|row| {
            Some(LaneFound {
                lane: lane(row)?,
                ripe_in: to_duration(Some(row.seconds("ripe_in")?)),
            })
        })
        .collect()
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

/// A page out of at most `limit` rows, which come with `not_before` as the database wrote it.
pub(super) fn page(rows: &[impl Columns], cursor: &Cursor, limit: u32) -> Page {
    let mut next = cursor.clone();
    let (mut deferred, mut immediate) = (Vec::new(), Vec::new());
    for columns in rows {
        let row = outbox_row(columns);
        // Behind the columns of the row itself.
        if let Some(not_before) = columns.text(21) {
            next.deferred = Some((not_before, row.id));
            deferred.push(row);
        } else {
            next.id = row.id;
            immediate.push(row);
        }
    }
    deferred.append(&mut immediate);
    Page {
        rows: deferred,
        next,
        end: rows.len() < usize::try_from(limit).unwrap_or(usize::MAX),
    }
}

/// An open batch as the journal has it, before its rows are read.
pub(super) struct OpenEntry {
    pub(super) id: Uuid,
    pub(super) lease_token: i64,
    pub(super) parent: Option<Uuid>,
    pub(super) contacts: Vec<i64>,
    pub(super) options: RequestOptions,
    pub(super) attempts: i64,
    pub(super) maybe_delivered: bool,
    pub(super) failing_for: Option<f64>,
}

/// An open batch where the database keeps UUIDs and lists as text.
pub(super) fn open_entry(columns: &impl Columns) -> sqlx::Result<OpenEntry> {
    let parent = columns.text("parent_id");
    Ok(OpenEntry {
        id: uuid("id", &needed(columns, "id")?)?,
        lease_token: columns.integer("lease_token").unwrap_or_default(),
        parent: parent
            .map(|parent| uuid("parent_id", &parent))
            .transpose()?,
        contacts: parsed("contact_ids", &needed(columns, "contact_ids")?)?,
        options: parsed("options", &needed(columns, "options")?)?,
        attempts: columns.integer("attempts").unwrap_or_default(),
        maybe_delivered: columns.flag("maybe_delivered").unwrap_or(true),
        failing_for: columns.seconds("failing_for"),
    })
}

/// Ids of batches, where the database keeps UUIDs as text.
pub(super) fn uuids(texts: &[String]) -> sqlx::Result<HashSet<Uuid>> {
    texts.iter().map(|text| uuid("id", text)).collect()
}

/// All open batches of a lane, if they are in the name of the newest token. If not, the database
/// keeps them from being written; none may be sent then, for its end could not be written either.
pub(super) fn adopted(open: Vec<OpenEntry>, token: i64) -> (Vec<OpenEntry>, Option<OutboxError>) {
    let old = open.iter().filter(|entry| entry.lease_token != token);
    match old.count() {
        0 => (open, None),
        rows => {
            let table = BATCHES;
            (Vec::new(), Some(OutboxError::Unwritten { table, rows }))
        }
    }
}

/// The batches that the journal has, by id, where the database keeps UUIDs as text.
pub(super) fn journaled(rows: &[impl Columns]) -> sqlx::Result<HashMap<Uuid, Journaled>> {
    rows.iter()
        .map(|row| {
            let journaled = Journaled {
                lease_token: row.integer("lease_token").unwrap_or_default(),
                closed: row.flag("closed").unwrap_or_default(),
            };
            Ok((uuid("id", &needed(row, "id")?)?, journaled))
        })
        .collect()
}

/// Gives each open batch those of its rows that are still there and pending, in sending order.
pub(super) fn open_batches(entries: Vec<OpenEntry>, rows: Vec<OutboxRow>) -> Vec<OpenBatch> {
    let mut rows: HashMap<i64, OutboxRow> = rows.into_iter().map(|row| (row.id, row)).collect();
    entries
        .into_iter()
        .map(|entry| OpenBatch {
            id: BatchId(entry.id),
            parent: entry.parent.map(BatchId),
            options: entry.options,
            rows: entry
                .contacts
                .iter()
                .filter_map(|id| rows.remove(id))
                .collect(),
            attempts: to_count(Some(entry.attempts)),
            maybe_delivered: entry.maybe_delivered,
            failing_for: to_duration(entry.failing_for),
        })
        .collect()
}

/// Adds up counts by `class` (`due`, `elsewhere`, `held`, `deferred`), greatest first; rows of
/// `held` are apart by their hold's words.
pub(super) fn backlog(rows: &[impl Columns]) -> Backlog {
    let mut backlog = Backlog::default();
    for row in rows {
        let contacts = u64::try_from(row.integer("contacts").unwrap_or_default()).unwrap_or(0);
        match row.text("class").as_deref() {
            Some("due") => backlog.due += contacts,
            Some("elsewhere") => backlog.elsewhere += contacts,
            Some("held") => {
                backlog.held += contacts;
                backlog.held_because = backlog.held_because.or_else(|| row.text("because"));
            }
            _ => backlog.deferred += contacts,
        }
    }
    backlog
}
