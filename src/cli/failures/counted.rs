//! Failed contacts, counted by a property that they share.

use std::io::Write;

use serde_json::json;

use super::csv_line::csv_line;
use super::listed::{CAUSE, Format, cell};
use crate::cli::span::span;
use crate::cli::table::{lines, numbers, table};
use crate::outbox::{FailureGroup, FailuresBy};

pub(super) fn write(
    groups: &[FailureGroup],
    by: FailuresBy,
    format: &Format,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match format {
        Format::Table { .. } if groups.is_empty() => writeln!(out, "nothing failed")?,
        Format::Table { cut, .. } => write!(out, "{}", shown(groups, by, *cut))?,
        Format::Json => {
            for group in groups {
                let counted = json!({
                    name(by): group.shared,
                    "contacts": group.contacts,
                    "last_seconds_ago": group.last_ago.as_secs_f64(),
                });
                writeln!(out, "{counted}")?;
            }
        }
        Format::Csv => {
            csv_line(out, &["contacts", "last_seconds_ago", name(by)])?;
            for group in groups {
                let contacts = group.contacts.to_string();
                let ago = group.last_ago.as_secs_f64().to_string();
                csv_line(out, &[&contacts, &ago, &group.shared])?;
            }
        }
    }
    Ok(())
}

/// The name of the column in JSON, CSV and tables.
fn name(by: FailuresBy) -> &'static str {
    match by {
        FailuresBy::Cause => "fail_cause",
        FailuresBy::Lane => "lane",
        FailuresBy::Kind => "fail_kind",
    }
}

fn shown(groups: &[FailureGroup], by: FailuresBy, cut: bool) -> String {
    let mut table = table(&["contacts", "last failed", name(by)]);
    for group in groups {
        table.add_row([
            group.contacts.to_string(),
            format!("{} ago", span(group.last_ago)),
            cell(&group.shared, CAUSE, cut),
        ]);
    }
    numbers(&mut table, &[0]);
    lines(&table)
}
