//! Failed contacts, printed one by one.

use std::io::Write;

use super::csv_line::csv_line;
use crate::cli::span::span;
use crate::cli::table::{lines, numbers, short, table};
use crate::outbox::FailedContact;
use crate::visible::one_line;

/// How many characters of a cause, or of a key, a table on a terminal shows.
pub(super) const CAUSE: usize = 60;
const KEY: usize = 40;

const COLUMNS: [&str; 10] = [
    "id",
    "user_id",
    "task_id",
    "phone",
    "fail_kind",
    "fail_cause",
    "attempts",
    "batch_id",
    "finished_at",
    "idempotency_key",
];

/// The format of the output.
pub(super) enum Format {
    /// Long texts are cut only on a terminal: elsewhere a program can cut them itself.
    Table {
        rows: Vec<FailedContact>,
        cut: bool,
    },
    Json,
    Csv,
}

impl Format {
    pub(super) fn new(json: bool, csv: bool, terminal: bool) -> Self {
        match (json, csv) {
            (true, _) => Self::Json,
            (false, true) => Self::Csv,
            (false, false) => Self::Table {
                rows: Vec::new(),
                cut: terminal,
            },
        }
    }

    pub(super) fn begin(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        match self {
            Self::Csv => csv_line(out, &COLUMNS),
            Self::Table { .. } | Self::Json => Ok(()),
        }
    }

    pub(super) fn write(
        &mut self,
        failed: &FailedContact,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        match self {
            Self::Table { rows, .. } => rows.push(failed.clone()),
            Self::Json => writeln!(out, "{}", serde_json::to_string(failed)?)?,
            Self::Csv => csv_line(
                out,
                &[
                    &failed.id.to_string(),
                    &failed.user_id,
                    &failed.task_id,
                    &one_line(&failed.phone.to_string()),
                    &failed.kind,
                    &failed.cause,
                    &failed.attempts.to_string(),
                    failed.batch_id.as_deref().unwrap_or_default(),
                    &failed.finished_at,
                    failed.idempotency_key.as_deref().unwrap_or_default(),
                ],
            )?,
        }
        Ok(())
    }

    pub(super) fn end(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        match self {
            Self::Table { rows, .. } if rows.is_empty() => writeln!(out, "nothing failed")?,
            Self::Table { rows, cut } => write!(out, "{}", shown(rows, *cut))?,
            Self::Json | Self::Csv => {}
        }
        Ok(())
    }
}

/// Returns a text for a table, cut or whole.
pub(super) fn cell(text: &str, most: usize, cut: bool) -> String {
    short(text, if cut { most } else { usize::MAX })
}

fn shown(rows: &[FailedContact], cut: bool) -> String {
    let mut table = table(&[
        "id",
        "lane",
        "key",
        "phone",
        "failed",
        "fail_kind",
        "attempts",
        "fail_cause",
    ]);
    for failed in rows {
        table.add_row([
            failed.id.to_string(),
            format!("{}/{}", failed.user_id, failed.task_id),
            cell(failed.idempotency_key.as_deref().unwrap_or("-"), KEY, cut),
            failed.phone.to_string(),
            format!("{} ago", span(failed.finished_ago)),
            failed.kind.clone(),
            failed.attempts.to_string(),
            cell(&failed.cause, CAUSE, cut),
        ]);
    }
    numbers(&mut table, &[0, 6]);
    lines(&table)
}
