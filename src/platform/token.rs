//! The platform's bearer token: given once, or kept in a file that is read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::lock::lock;
use crate::settings::{SecretFileError, Version, read_secret};

/// Where the token comes from.
pub struct TokenSource(Source);

enum Source {
    Fixed(HeaderValue),
    File {
        path: PathBuf,
        last: Mutex<Option<Seen>>,
        /// The file as whoever waits for a change has seen it last.
        watched: Mutex<Option<Version>>,
    },
}

/// How often a token file is looked at for a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The file as it was when it was last read.
struct Seen {
    version: Version,
    bearer: HeaderValue,
}

/// The token file cannot be used; the token itself never stands in the message.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read, or holds no single line.
    #[error("platform.token_file = {path} {why}")]
    Unreadable {
        /// `platform.token_file`.
        path: PathBuf,
        why: SecretFileError,
    },
    /// The file holds something that is no token.
    #[error(
        "platform.token_file = {0} holds more than a token; write the token alone, of visible ASCII \
         characters, without `Bearer` and without blanks"
    )]
    NoToken(PathBuf),
    /// The token cannot stand in a header: it holds a line break, say.
    #[error("the token holds characters that no HTTP header may have")]
    Unusable,
}

impl TokenSource {
    /// A token that never changes.
    pub fn fixed(token: &SecretString) -> Result<Self, TokenError> {
        Ok(Self(Source::Fixed(bearer(token.expose_secret())?)))
    }

    /// A token file. Fails if it cannot be read now: better at start than at the first contact.
    pub fn file(path: &Path) -> Result<Self, TokenError> {
        let source = Self(Source::File {
            path: path.to_owned(),
            last: Mutex::new(None),
            watched: Mutex::new(Version::of(path).ok()),
        });
        source.bearer()?;
        Ok(source)
    }

    /// The value of the `Authorization` header that is in force now.
    pub fn bearer(&self) -> Result<HeaderValue, TokenError> {
        let (path, last) = match &self.0 {
            Source::Fixed(bearer) => return Ok(bearer.clone()),
            Source::File { path, last, .. } => (path, last),
        };
        let unreadable = |why| TokenError::Unreadable {
            path: path.clone(),
            why,
        };
        let version = Version::of(path).map_err(|why| unreadable(why.into()))?;
        let mut last = lock(last);
        if let Some(seen) = last.as_ref().filter(|seen| seen.version == version) {
            return Ok(seen.bearer.clone());
        }
        let token = read_secret(path).map_err(unreadable)?;
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TokenError::NoToken(path.clone()));
        }
        let bearer = bearer(&token)?;
        *last = Some(Seen {
            version,
            bearer: bearer.clone(),
        });
        Ok(bearer)
    }

    /// Resolves when the file has been written since it was last seen here. A token that never
    /// changes never does.
    pub async fn changed(&self) {
        let Source::File { path, watched, .. } = &self.0 else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Ok(version) = Version::of(path) else {
                continue;
            };
            let mut seen = lock(watched);
            if seen.replace(version) != Some(version) {
                return;
            }
        }
    }
}

/// Marked as sensitive: it prints itself hidden.
fn bearer(token: &str) -> Result<HeaderValue, TokenError> {
    let mut bearer =
        HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| TokenError::Unusable)?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_token_file_is_read_again_when_it_changes_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "first\n").unwrap();
        let source = TokenSource::file(&path).unwrap();
        assert_eq!(source.bearer().unwrap(), "Bearer first");
        fs::write(&path, "second").unwrap();
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(source.bearer().unwrap(), "Bearer second");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_change_is_told_of_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "first").unwrap();
        let source = TokenSource::file(&path).unwrap();
        let unchanged = async || {
            tokio::time::timeout(LOOK_EVERY * 10, source.changed())
                .await
                .is_err()
        };
        assert!(unchanged().await);
        // Replaced by renaming, as careful programs write; with the old instant, so that only the
        // inode tells.
        let (new, old) = (folder.path().join("new"), fs::metadata(&path).unwrap());
        fs::write(&new, "other").unwrap();
        let file = File::options().write(true).open(&new).unwrap();
        file.set_modified(old.modified().unwrap()).unwrap();
        fs::rename(&new, &path).unwrap();
        assert!(!unchanged().await);
        assert!(unchanged().await);
        fs::remove_file(&path).unwrap();
        assert!(unchanged().await, "a file that is gone is no new token");
    }

    #[test]
    fn a_token_that_fits_no_header_is_refused_without_showing_it() {
        let token = SecretString::from("two\nlines");
        let said = TokenSource::fixed(&token).err().unwrap().to_string();
        assert!(!said.contains("two"), "{said}");
    }

    #[test]
    fn a_missing_or_empty_token_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let missing = TokenSource::file(&path).err().unwrap().to_string();
        assert!(missing.contains("platform.token_file = ") && missing.contains("cannot be read"));
        fs::write(&path, " \n").unwrap();
        let empty = TokenSource::file(&path).err().unwrap().to_string();
        assert!(empty.ends_with("is empty"), "{empty}");
    }

    #[test]
    fn a_file_with_more_than_the_token_is_refused_as_the_setting_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (text, words) in [
            ("\u{feff}geheim", "byte order mark"),
            ("Bearer geheim\n", "without `Bearer`"),
            ("ge heim", "without blanks"),
            ("geheim \n", "without blanks"),
            ("geheim\ngeheim\n", "more than one line"),
            ("gehéim", "ASCII"),
        ] {
            fs::write(&path, text).unwrap();
            let said = TokenSource::file(&path).err().unwrap().to_string();
            assert!(
                said.contains(words) && said.contains("token_file"),
                "{said}"
            );
            assert!(!said.contains("geheim") && !said.contains("heim"), "{said}");
        }
    }
}
