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

/// How often the file is checked for a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersFileError {
    /// It cannot be read as text.
    #[error("{0} = {1} {2}")]
    Unreadable(&'static str, PathBuf, SecretFileError),
    /// A line of it is wrong.
    #[error("{0} = {1}: {2}")]
    Wrong(&'static str, PathBuf, UsersError),
}

impl UsersFileError {
    /// Whether the only fault is that there is no user.
    fn is_nobody(&self) -> bool {
        match self {
            Self::Unreadable(_, _, SecretFileError::Unreadable(error)) => {
                error.kind() == io::ErrorKind::NotFound
            }
            Self::Unreadable(_, _, why) => matches!(why, SecretFileError::Empty),
            Self::Wrong(_, _, why) => matches!(why, UsersError::Nobody),
        }
    }
}

/// The users that are in force.
#[derive(Debug)]
pub struct UsersFile {
    /// The setting that names it.
    key: &'static str,
    path: PathBuf,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    /// The version of the file that was read last, good or bad; `None`: there was no file.
    version: Option<Version>,
    /// Why it changed nothing.
    fault: Option<String>,
    users: Arc<Users>,
}

impl UsersFile {
    /// Reads the file that a setting names, which has to be good.
    pub fn open(key: &'static str, path: &Path) -> Result<Self, UsersFileError> {
        let version = Version::of(path).ok();
        let users = Arc::new(read(key, path)?);
        Ok(Self {
            key,
            path: path.to_owned(),
            last: Mutex::new(Last {
                version,
                fault: None,
                users,
            }),
        })
    }

    /// Returns the users that are in force.
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
            if let Some(changed) = self.look() {
                changed.emit(self.key);
            }
        }
    }

    /// Takes over a change; `None`: there is none. Without a user in the file, or without a file,
    /// nobody may log in. A faulty file changes nothing, is told once, and is read again at each look:
    /// the fault may have been one of the moment.
    fn look(&self) -> Option<UsersChanged> {
        let version = Version::of(&self.path).ok();
        let mut last = lock(&self.last);
        let is_new = last.version != version;
        if !is_new && last.fault.is_none() {
            return None;
        }
        last.version = version;
        let before = last.fault.take();
        match read(self.key, &self.path) {
            Ok(users) => last.users = Arc::new(users),
            Err(error) if error.is_nobody() => {
                last.users = Arc::default();
                return Some(UsersChanged::Nobody(error.to_string()));
            }
            Err(error) => {
                let fault = error.to_string();
                last.fault = Some(fault.clone());
                let is_told = !is_new && before.as_ref() == Some(&fault);
                return (!is_told).then_some(UsersChanged::Wrong(fault));
            }
        }
        Some(UsersChanged::InForce)
    }
}

fn read(key: &'static str, path: &Path) -> Result<Users, UsersFileError> {
    let unreadable = |why| UsersFileError::Unreadable(key, path.to_owned(), why);
    let text = read_secret_lines(path).map_err(unreadable)?;
    Users::read(&text).map_err(|why| UsersFileError::Wrong(key, path.to_owned(), why))
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
            // Renamed, so that the inode shows the change however quick the test is.
            let new = folder.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, &path).unwrap();
        };
        write(&format!("anna:{HASH}\n"));
        let file = UsersFile::open("admin.users_file", &path).unwrap();
        assert!(file.look().is_none());
        assert!(file.users().hash("anna").is_some());

        write(&format!("ben:{HASH}\n"));
        assert!(matches!(file.look(), Some(UsersChanged::InForce)));
        assert!(file.users().hash("anna").is_none() && file.users().hash("ben").is_some());

        write("ben:geheim\n");
        let Some(UsersChanged::Wrong(said)) = file.look() else {
            panic!("a wrong file is told");
        };
        assert!(
            said.contains("line 1") && !said.contains("geheim"),
            "{said}"
        );
        assert!(file.look().is_none());
        assert!(file.users().hash("ben").is_some());

        // What could not be read for a moment is read again.
        write(&format!("anna:{HASH}\n"));
        assert!(file.look().is_some() && file.look().is_none());
        lock(&file.last).fault = Some("too many open files".into());
        assert!(matches!(file.look(), Some(UsersChanged::InForce)));
        assert!(file.look().is_none());
    }

    #[test]
    fn the_last_user_can_be_locked_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        for nobody in [None, Some(""), Some("\n"), Some("# nobody\n")] {
            fs::write(&path, format!("anna:{HASH}\n")).unwrap();
            let file = UsersFile::open("admin.users_file", &path).unwrap();
            match nobody {
                None => fs::remove_file(&path).unwrap(),
                Some(text) => fs::write(&path, text).unwrap(),
            }
            let told = file.look();
            assert!(matches!(told, Some(UsersChanged::Nobody(_))), "{nobody:?}");
            assert!(file.look().is_none(), "told once");
            assert!(!file.users().has("anna", "geheim"));
            assert_eq!(file.count(), 0);

            fs::write(&path, format!("anna:{HASH}\n")).unwrap();
            assert!(matches!(file.look(), Some(UsersChanged::InForce)));
            assert!(file.users().has("anna", "geheim"));
        }
    }

    #[test]
    fn a_file_that_is_not_there_or_names_nobody_is_refused_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        for text in [None, Some(""), Some("# nobody\n")] {
            if let Some(text) = text {
                fs::write(&path, text).unwrap();
            }
            let said = UsersFile::open("admin.users_file", &path)
                .unwrap_err()
                .to_string();
            assert!(said.starts_with("admin.users_file = /"), "{said}");
        }
    }
}
