//! Writes settings out again: unset values as an empty text, secrets never.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Serialize, Serializer};

/// The text in the place of a secret.
pub(super) const HIDDEN: &str = "***";

/// Returns the path of a file with a secret for people to read. Somebody may have written the secret
/// itself in the place of its path, so what is neither there nor an absolute path is hidden.
pub fn shown_path(path: &Path) -> Cow<'_, str> {
    let text = path.to_string_lossy();
    let is_path = (path.is_absolute() && !text.contains("://")) || path.exists();
    if is_path { text } else { HIDDEN.into() }
}

/// Returns settings as they are written out, for `Debug`.
pub(super) fn as_written(settings: &impl Serialize) -> Result<String, fmt::Error> {
    serde_json::to_string(settings).map_err(|_| fmt::Error)
}

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

/// The same for the path of a file with a secret.
#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
pub(super) fn path_if_some<S: Serializer>(
    value: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(path) => serializer.serialize_str(&shown_path(path)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_place_of_its_path_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("secret");
        std::fs::write(&there, "geheim").unwrap();
        for path in [&*there, Path::new("/run/secrets/token")] {
            assert_eq!(shown_path(path), path.to_string_lossy());
        }
        for secret in ["geheim", "postgres://me:geheim@db/x", "ge/heim=="] {
            assert_eq!(shown_path(Path::new(secret)), "***");
        }
    }
}
