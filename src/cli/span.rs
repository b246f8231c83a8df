//! Spans of time and counts as people read them.

use std::time::Duration;

pub(super) use crate::operators::{batches, contacts, count};

/// A span in its two greatest units: `3d 4h`, `2h 5m`, `42s`.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m {rest}s"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// The same for a span that somebody chose, such as `90d`.
pub(super) fn chosen(time: Duration) -> String {
    let both = span(time);
    let one = both.split_once(" 0").map(|(one, _)| one.to_owned());
    one.unwrap_or(both)
}

/// The same in whole words, in which nobody takes minutes for months.
pub(super) fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [
        (seconds / 86_400, "day", "days"),
        (seconds / 3_600 % 24, "hour", "hours"),
        (seconds / 60 % 60, "minute", "minutes"),
        (seconds % 60, "second", "seconds"),
    ];
    let greatest = units.iter().skip_while(|(n, ..)| *n == 0).take(2);
    let greatest = greatest.filter(|(n, ..)| *n > 0);
    let words: Vec<String> = greatest
        .map(|(n, one, many)| count(*n, one, many))
        .collect();
    words.join(" and ")
}

/// The same for a span in seconds.
pub(super) fn seconds(seconds: f64) -> String {
    span(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// The same for an event that many seconds ago; negative: in the future.
pub(super) fn ago(ago: f64) -> String {
    let time = seconds(ago.abs());
    if ago < 0.0 {
        format!("in {time}")
    } else {
        format!("{time} ago")
    }
}

/// Reads a time as people write it.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "write a time such as 30s, 10m or 2h".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_is_told_how_one_is_written() {
        assert_eq!(time("1h 30m"), Ok(Duration::from_mins(90)));
        for wrong in ["", "soon", "2", "-2h", "99999999999999999999h"] {
            let said = time(wrong).unwrap_err();
            assert_eq!(said, "write a time such as 30s, 10m or 2h", "{wrong}");
        }
    }

    #[test]
    fn a_span_is_told_in_its_two_greatest_units() {
        for (seconds, told) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m 0s"),
            (3_725, "1h 2m"),
            (100_000, "1d 3h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), told);
        }
        assert_eq!(chosen(Duration::from_hours(24 * 90)), "90d");
        assert_eq!(chosen(Duration::from_mins(150)), "2h 30m");
        for (written, words) in [
            ("3m", "3 minutes"),
            ("3M", "91 days and 7 hours"),
            ("1h 1s", "1 hour"),
        ] {
            assert_eq!(in_words(super::time(written).unwrap()), words);
        }
        assert_eq!(ago(61.4), "1m 1s ago");
        assert_eq!(ago(-7_200.0), "in 2h 0m");
    }
}
