//! Batches as the journal has them.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::error::BATCHES;
use super::rows::{Columns, needed, parsed, to_count};
use super::span::to_duration;
use super::{OpenBatch, OutboxError};
use crate::batch::BatchId;
use crate::contact::{OutboxRow, RequestOptions};

/// A batch as the journal has it now.
#[derive(Clone, Copy, Debug)]
pub struct Journaled {
    /// The token that owns the batch.
    pub lease_token: i64,
    /// Whether the batch has its final answer.
    pub closed: bool,
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

/// An open batch out of a row.
pub(super) fn open_entry(row: &impl Columns) -> sqlx::Result<OpenEntry> {
    Ok(OpenEntry {
        id: needed("id", row.id("id")?)?,
        lease_token: row.integer("lease_token").unwrap_or_default(),
        parent: row.id("parent_id")?,
        contacts: needed("contact_ids", row.contacts("contact_ids")?)?,
        options: parsed("options", &needed("options", row.text("options"))?)?,
        attempts: row.integer("attempts").unwrap_or_default(),
        maybe_delivered: row.flag("maybe_delivered").unwrap_or(true),
        failing_for: row.seconds("failing_for"),
    })
}

/// Returns all open batches of a lane if they carry the newest token. If not, the database keeps
/// them from being written. Then none may be sent, because its end could not be written either.
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

/// The batches that the journal has, by id.
pub(super) fn journaled(rows: &[impl Columns]) -> sqlx::Result<HashMap<Uuid, Journaled>> {
    rows.iter()
        .map(|row| {
            let journaled = Journaled {
                lease_token: row.integer("lease_token").unwrap_or_default(),
                closed: row.flag("closed").unwrap_or_default(),
            };
            Ok((needed("id", row.id("id")?)?, journaled))
        })
        .collect()
}

/// Gives each open batch its rows that are still there and pending, in sending order. The batches come
/// with the oldest first.
///
/// A row that was cancelled and requeued while its batch waited stands in two. The younger one has it: in
/// that one it was sent. If the older one may have been delivered, so may the row.
pub(super) fn with_rows(entries: Vec<OpenEntry>, rows: Vec<OutboxRow>) -> Vec<OpenBatch> {
    let marked = entries.iter().filter(|entry| entry.maybe_delivered);
    let marked: HashSet<i64> = marked.flat_map(|entry| &entry.contacts).copied().collect();
    let mut rows: HashMap<i64, OutboxRow> = rows.into_iter().map(|row| (row.id, row)).collect();
    let youngest_first = entries.into_iter().rev();
    let mut open: Vec<OpenBatch> = youngest_first
        .map(|entry| {
            let contacts = entry.contacts.iter();
            let rows: Vec<OutboxRow> = contacts.filter_map(|id| rows.remove(id)).collect();
            OpenBatch {
                id: BatchId(entry.id),
                parent: entry.parent.map(BatchId),
                options: entry.options,
                attempts: to_count(Some(entry.attempts)),
                maybe_delivered: entry.maybe_delivered
                    || rows.iter().any(|row| marked.contains(&row.id)),
                failing_for: to_duration(entry.failing_for),
                rows,
            }
        })
        .collect();
    open.reverse();
    open
}
