//! The file with the users: read at the start, and again when it changes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use super::users::{Users, UsersError};
use crate::lock::lock;
use crate::settings::{SecretFileError, Version, read_secret_lines};
use crate::telemetry::event::UsersChanged;

/// How often the file is looked at for a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersFileError {
    /// It cannot be read as text.
    #[error("admin.users_file = {0} {1}")]
    Unreadable(PathBuf, SecretFileError),
    /// Something in it is no user.
    #[error("admin.users_file = {0}: {1}")]
    Wrong(PathBuf, UsersError),
}

/// The users that are in force.
#[derive(Debug)]
pub struct UsersFile {
    path: PathBuf,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    /// The writing that was looked at last, good or bad; `None`: there was none.
    version: Option<Version>,
    users: Arc<Users>,
}

impl UsersFile {
    /// Reads the file, which has to be good.
    pub fn open(path: &Path) -> Result<Self, UsersFileError> {
        let version = Version::of(path).ok();
        let users = Arc::new(read(path)?);
        Ok(Self {
            path: path.to_owned(),
            last: Mutex::new(Last { version, users }),
        })
    }

    /// The users that are in force.
    pub(super) fn users(&self) -> Arc<Users> {
        Arc::clone(&lock(&self.last).users)
    }

    /// How many users there are.
    pub fn count(&self) -> usize {
        self.users().count()
    }

    /// Follows the file. Does not end.
    pub(super) async fn follow(&self) {
        loop {
            sleep(LOOK_EVERY).await;
            match self.look() {
                Ok(false) => {}
                Ok(true) => UsersChanged { why: None }.emit(),
                Err(error) => {
                    let why = Some(error.to_string());
                    UsersChanged { why }.emit();
                }
            }
        }
    }

    /// Takes over what has changed, and returns whether something has. A file that is bad or gone
    /// changes nothing, and is an error once.
    fn look(&self) -> Result<bool, UsersFileError> {
        let version = Version::of(&self.path);
        let mut last = lock(&self.last);
        if last.version == version.as_ref().ok().copied() {
            return Ok(false);
        }
        last.version = version.as_ref().ok().copied();
        let gone = |error: io::Error| UsersFileError::Unreadable(self.path.clone(), error.into());
        version.map_err(gone)?;
        last.users = Arc::new(read(&self.path)?);
        Ok(true)
    }
}

fn read(path: &Path) -> Result<Users, UsersFileError> {
    let unreadable = |why| UsersFileError::Unreadable(path.to_owned(), why);
    let text = read_secret_lines(path).map_err(unreadable)?;
    Users::read(&text).map_err(|why| UsersFileError::Wrong(path.to_owned(), why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HASH: &str = "$2y$04$WHkkWQSdmXDo/Kkhw8tGLuFpwkyUmkBLl0wfPZBklKE7.GP/L6Yh2";

    #[test]
    fn a_change_is_taken_over_and_a_bad_one_is_told_once_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        let write = |text: &str| {
            // Renamed, so that the inode tells of it however quick the test is.
            let new = folder.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, &path).unwrap();
        };
        write(&format!("anna:{HASH}\n"));
        let file = UsersFile::open(&path).unwrap();
        assert!(!file.look().unwrap());
        assert!(file.users().hash("anna").is_some());

        write(&format!("ben:{HASH}\n"));
        assert!(file.look().unwrap());
        assert!(file.users().hash("anna").is_none() && file.users().hash("ben").is_some());

        write("ben:geheim\n");
        let said = file.look().unwrap_err().to_string();
        assert!(
            said.contains("line 1") && !said.contains("geheim"),
            "{said}"
        );
        assert!(!file.look().unwrap());
        fs::remove_file(&path).unwrap();
        let said = file.look().unwrap_err().to_string();
        assert!(said.contains("cannot be read"), "{said}");
        assert!(!file.look().unwrap());
        assert!(file.users().hash("ben").is_some());
    }

    #[test]
    fn a_file_that_is_not_there_or_names_nobody_is_refused_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        for text in [None, Some(""), Some("# nobody\n")] {
            if let Some(text) = text {
                fs::write(&path, text).unwrap();
            }
            let said = UsersFile::open(&path).unwrap_err().to_string();
            assert!(said.starts_with("admin.users_file = /"), "{said}");
        }
    }
}
