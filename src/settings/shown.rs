//! Writes settings out again: unset values as an empty text, secrets never.

use std::time::Duration;

use secrecy::SecretString;
use serde::{Serialize, Serializer};

/// The text in the place of a secret.
pub(super) const HIDDEN: &str = "***";

/// Writes an unset value as an empty text, as one would write it in a file.
#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
pub(super) fn empty_if_none<T: Serialize, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.serialize(serializer),
        None => serializer.serialize_str(""),
    }
}

/// The same for a time.
#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
pub(super) fn no_time_if_none<S: Serializer>(
    value: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => humantime_serde::serialize(value, serializer),
        None => serializer.serialize_str(""),
    }
}

/// Shows whether a secret is set, and nothing else of it.
#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
pub(super) fn hidden<S: Serializer>(
    value: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.as_ref().map_or("", |_| HIDDEN))
}
