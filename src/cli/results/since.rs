//! The start of reading: an age, or an instant.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::outbox::ResultsFrom;

/// The value of `--since`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Contacts that ended at most so long ago.
    Age(Duration),
    /// Contacts that ended at this instant or later: UTC, as the database has it.
    Instant(String),
}

/// Reads `2h`, or `2030-01-31T09:00:00Z` as the command itself prints it.
pub(super) fn since(text: &str) -> Result<Since, String> {
    if let Ok(age) = humantime::parse_duration(text) {
        return Ok(Since::Age(age));
    }
    let instant = text.parse::<Timestamp>().map_err(|_| {
        "write an age such as 2h, or a time with its zone such as 2030-01-31T09:00:00Z".to_owned()
    })?;
    let utc = TimeZone::UTC.to_datetime(instant);
    Ok(Since::Instant(
        utc.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string(),
    ))
}

impl Since {
    /// Returns where reading begins. A row whose commit came late may stand a little before the
    /// instant up to which somebody has read.
    pub(super) fn from(&self, overlap: Duration) -> ResultsFrom {
        match self {
            Self::Age(age) => ResultsFrom::Ago(*age),
            Self::Instant(instant) => ResultsFrom::Before(instant.clone(), overlap),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_an_age_or_an_instant_in_any_zone() {
        assert_eq!(since("2h"), Ok(Since::Age(Duration::from_hours(2))));
        let instant = Ok(Since::Instant("2030-01-31 01:00:00.500000".into()));
        assert_eq!(since("2030-01-31T09:00:00.5+08:00"), instant);
        assert_eq!(since("2030-01-31T01:00:00.5Z"), instant);
        for wrong in ["yesterday", "2030-01-31", "2030-01-31T09:00:00", ""] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
