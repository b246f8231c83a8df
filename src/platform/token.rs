//! The platform's bearer token: given once, or kept in a file that is read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::lock::lock;
use crate::settings::{SecretFileError, Version, read_secret, shown_path};

/// The source of the token.
pub struct TokenSource(Source);

enum Source {
    Fixed(HeaderValue),
    File(TokenFile),
}

/// A file that held a good token at the start.
struct TokenFile {
    path: PathBuf,
    seen: Mutex<Seen>,
    told: Mutex<Told>,
}

/// The time between two looks at a token file.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The file as it was last seen.
struct Seen {
    version: Option<Version>,
    /// The last good token.
    bearer: HeaderValue,
    /// Why the file cannot be used now.
    fault: Option<String>,
}

/// The state that was last reported as news.
struct Told {
    bearer: HeaderValue,
    is_bad: bool,
}

/// News of a token file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenNews {
    /// The file holds another token, which is in use.
    Changed,
    /// The file cannot be used, for this reason; the last good token stays in use.
    Unusable(String),
    /// The file can be used again, and holds the token that is in use.
    UsableAgain,
}

/// The token file cannot be used; the token itself never stands in the message.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read, or holds no single line.
    #[error("platform.token_file = {} {why}", shown_path(.path))]
    Unreadable {
        /// `platform.token_file`.
        path: PathBuf,
        why: SecretFileError,
    },
    /// The file holds more than a token.
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
    /// Makes a source of a token that never changes.
    pub fn fixed(token: &SecretString) -> Result<Self, TokenError> {
        Ok(Self(Source::Fixed(bearer(token.expose_secret())?)))
    }

    /// Makes a source of a token file. Fails if the file cannot be read now: better at start than
    /// at the first contact.
    pub fn file(path: &Path) -> Result<Self, TokenError> {
        // Taken before the read, so that a write meanwhile is seen as a change.
        let version = Version::of(path).ok();
        let bearer = read(path)?;
        Ok(Self(Source::File(TokenFile {
            path: path.to_owned(),
            told: Mutex::new(Told {
                bearer: bearer.clone(),
                is_bad: false,
            }),
            seen: Mutex::new(Seen {
                version,
                bearer,
                fault: None,
            }),
        })))
    }

    /// Returns the present value of the `Authorization` header. While the file cannot be used, this
    /// is the last good one.
    pub fn bearer(&self) -> HeaderValue {
        match &self.0 {
            Source::Fixed(bearer) => bearer.clone(),
            Source::File(file) => file.look().bearer.clone(),
        }
    }

    /// Resolves when there is news of the file, each once. A token that never changes has no news.
    pub async fn news(&self) -> TokenNews {
        let Source::File(file) = &self.0 else {
            return std::future::pending().await;
        };
        loop {
            if let Some(news) = file.news() {
                return news;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl TokenFile {
    /// Reads the file again if it has changed, or could not be used when it was last read.
    fn look(&self) -> MutexGuard<'_, Seen> {
        let mut seen = lock(&self.seen);
        let version = Version::of(&self.path).ok();
        if version.is_some() && version == seen.version && seen.fault.is_none() {
            return seen;
        }
        seen.version = version;
        match read(&self.path) {
            Ok(bearer) => {
                seen.bearer = bearer;
                seen.fault = None;
            }
            Err(error) => seen.fault = Some(error.to_string()),
        }
        seen
    }

    fn news(&self) -> Option<TokenNews> {
        let seen = self.look();
        let mut told = lock(&self.told);
        if let Some(fault) = &seen.fault {
            let was_bad = std::mem::replace(&mut told.is_bad, true);
            return (!was_bad).then(|| TokenNews::Unusable(fault.clone()));
        }
        if std::mem::take(&mut told.is_bad) && told.bearer == seen.bearer {
            return Some(TokenNews::UsableAgain);
        }
        let is_new = told.bearer != seen.bearer;
        told.bearer.clone_from(&seen.bearer);
        is_new.then_some(TokenNews::Changed)
    }
}

/// Reads the token of a file.
fn read(path: &Path) -> Result<HeaderValue, TokenError> {
    let token = read_secret(path).map_err(|why| TokenError::Unreadable {
        path: path.to_owned(),
        why,
    })?;
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(TokenError::NoToken(path.to_owned()));
    }
    bearer(&token)
}

/// Makes the header's value and marks it as sensitive, so that it prints hidden.
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
        assert_eq!(source.bearer(), "Bearer first");
        fs::write(&path, "second").unwrap();
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(source.bearer(), "Bearer second");
    }

    async fn news(source: &TokenSource) -> Option<TokenNews> {
        let waited = tokio::time::timeout(LOOK_EVERY * 10, source.news());
        waited.await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_change_is_told_of_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "first").unwrap();
        let source = TokenSource::file(&path).unwrap();
        assert_eq!(news(&source).await, None);
        // Replaced by renaming, as careful programs write; with the old instant, so that only the
        // inode tells.
        let (new, old) = (folder.path().join("new"), fs::metadata(&path).unwrap());
        fs::write(&new, "other").unwrap();
        let file = File::options().write(true).open(&new).unwrap();
        file.set_modified(old.modified().unwrap()).unwrap();
        fs::rename(&new, &path).unwrap();
        // A request that goes out first does not take the news away.
        assert_eq!(source.bearer(), "Bearer other");
        assert_eq!(news(&source).await, Some(TokenNews::Changed));
        assert_eq!(news(&source).await, None);
        fs::write(&new, "other\n").unwrap();
        fs::rename(&new, &path).unwrap();
        assert_eq!(news(&source).await, None, "it is the same token");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_good_token_stays_in_use_while_the_file_is_bad() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "first").unwrap();
        let source = TokenSource::file(&path).unwrap();
        let spoil: [fn(&Path); 3] = [
            |path| fs::write(path, "").unwrap(),
            |path| fs::remove_file(path).unwrap(),
            |path| fs::write(path, "two words").unwrap(),
        ];
        for spoil in spoil {
            spoil(&path);
            assert_eq!(source.bearer(), "Bearer first");
            let Some(TokenNews::Unusable(why)) = news(&source).await else {
                panic!("the fault is told");
            };
            assert!(why.contains("platform.token_file"), "{why}");
            assert_eq!(news(&source).await, None, "once");
            fs::write(&path, "first\n").unwrap();
            assert_eq!(news(&source).await, Some(TokenNews::UsableAgain));
            assert_eq!(news(&source).await, None);
        }
        fs::write(&path, "").unwrap();
        assert!(matches!(news(&source).await, Some(TokenNews::Unusable(_))));
        fs::write(&path, "second").unwrap();
        assert_eq!(news(&source).await, Some(TokenNews::Changed));
        assert_eq!(source.bearer(), "Bearer second");
        assert_eq!(news(&source).await, None);
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
        let secret = TokenSource::file(Path::new("geheim")).err().unwrap();
        let secret = secret.to_string();
        assert!(
            secret.contains("platform.token_file = *** cannot"),
            "{secret}"
        );
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
