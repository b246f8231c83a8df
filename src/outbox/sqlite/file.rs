//! The file of the outbox, and whether it is still the one that was opened.
//!
//! Somebody may delete the file of a running courier, or put a backup in its place. Connections that are
//! open go on with the old file, and new ones would open the other: what was read in the one would be
//! settled in the other. So each transaction that writes asks first whether the file is still there.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

/// The file as it was opened. Clones share its path.
#[derive(Clone, Debug)]
pub(super) struct DatabaseFile {
    /// As the address names it. New connections open the file by this name.
    name: Arc<Path>,
    /// The file itself, whatever links lead to it.
    path: Arc<Path>,
    opened: Option<Identity>,
}

/// What tells a file from another that has its name: its device and its inode.
type Identity = (u64, u64);

impl DatabaseFile {
    /// Notes the file that has just been opened.
    pub(super) fn opened(name: &Path) -> Self {
        let path = name.canonicalize().unwrap_or_else(|_| PathBuf::from(name));
        Self {
            opened: identity(name).ok(),
            name: name.into(),
            path: path.into(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails if its disk is full: writes a file beside it, which has no name any more by then.
    pub(super) fn try_disk(&self) -> io::Result<()> {
        let beside = self
            .path
            .with_extension(format!("{}.trial", Uuid::now_v7()));
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&beside);
        let written = opened.and_then(|mut file| {
            fs::remove_file(&beside)?;
            file.write_all(&vec![0; ROOM])?;
            file.sync_data()
        });
        match written {
            Err(error) if is_full(&error) => Err(error),
            // The database itself says what it cannot do for another reason.
            _ => Ok(()),
        }
    }

    /// Fails if the file is gone, or another is in its place.
    pub(super) fn check(&self) -> io::Result<()> {
        let what = match identity(&self.name) {
            Ok(now) if self.opened.is_none_or(|opened| opened == now) => return Ok(()),
            Ok(_) => "was replaced by another",
            Err(error) if error.kind() == io::ErrorKind::NotFound => "is gone",
            Err(error) => return Err(error),
        };
        Err(io::Error::other(format!(
            "the file {} {what}: put it back, or start the courier again",
            self.path.display()
        )))
    }
}

/// The room that a disk must have, in bytes.
const ROOM: usize = 256 * 1024;

/// Whether an error says that the disk, or the part of it that this user may fill, is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn identity(path: &Path) -> io::Result<Identity> {
    let found = fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_gone_or_replaced_is_told_from_the_one_that_was_opened() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["shop.db", "backup.db"].map(|name| dir.path().join(name));
        fs::write(&path, "old").unwrap();
        fs::write(&other, "new").unwrap();
        let link = dir.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let file = DatabaseFile::opened(&link);
        fs::write(&path, "changed").unwrap();
        file.check().unwrap();

        let kept = dir.path().join("kept.db");
        fs::rename(&path, &kept).unwrap();
        let gone = file.check().unwrap_err().to_string();
        assert!(gone.contains("shop.db is gone: put it back"), "{gone}");
        fs::rename(&other, &path).unwrap();
        let replaced = file.check().unwrap_err().to_string();
        assert!(replaced.contains("was replaced by another"), "{replaced}");
        fs::rename(&kept, &path).unwrap();
        file.check().unwrap();

        fs::remove_file(&link).unwrap();
        fs::write(&other, "another").unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        let elsewhere = file.check().unwrap_err().to_string();
        assert!(elsewhere.contains("was replaced by another"), "{elsewhere}");
    }
}
