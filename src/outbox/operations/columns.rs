//! Sums and time spans: as a database gives them, and as JSON shows them.

use std::time::Duration;

use serde::Serializer;

use crate::outbox::rows::Columns;

/// A sum as a database gives it.
pub(super) fn to_total(row: &impl Columns, column: &str) -> u64 {
    u64::try_from(row.integer(column).unwrap_or_default()).unwrap_or_default()
}

/// A time span in seconds with milliseconds, for JSON.
pub(super) fn seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_secs_f64())
}

/// The same for an optional time span.
#[expect(clippy::ref_option, reason = "serde hands in a reference to the field")]
pub(super) fn optional_seconds<S: Serializer>(
    span: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => seconds(span, serializer),
        None => serializer.serialize_none(),
    }
}
