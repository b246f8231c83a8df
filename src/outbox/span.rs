//! Time spans on their way to and from a database.

use std::time::Duration;

/// The longest time that a database has to calculate with: a century.
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
