//! Files with a secret: how one is read, whether it has changed, and which other users could read
//! it.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The most bytes of a file with one secret: usual servers take no longer line in a header.
const LONGEST: u64 = 8_192;

/// A file with a secret cannot be used. The error never shows its content.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It holds bytes that are no text.
    #[error("is not UTF-8 text; write it anew")]
    NoText,
    /// It is longer than any secret.
    #[error("is longer than {LONGEST} bytes, so it is no secret; write the secret alone")]
    TooLong,
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// It begins with a mark that some editors write.
    #[error("begins with a byte order mark; save it as UTF-8 without one")]
    Marked,
    /// There is more than one line in it.
    #[error("holds more than one line; write the secret alone")]
    Lines,
}

/// Tells one version of a file from another, even if it was replaced by renaming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    inode: u64,
    length: u64,
    modified: (i64, i64),
    /// Rights and owner count, too: they decide whether the file can be read.
    changed: (i64, i64),
}

impl Version {
    /// Returns the present version.
    pub fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self {
            inode: file.ino(),
            length: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

/// Reads the lines of a file.
pub fn read_secret_lines(path: &Path) -> Result<String, SecretFileError> {
    let text = String::from_utf8(fs::read(path)?).map_err(|_| SecretFileError::NoText)?;
    if text.starts_with('\u{feff}') {
        return Err(SecretFileError::Marked);
    }
    if text.trim().is_empty() {
        return Err(SecretFileError::Empty);
    }
    Ok(text)
}

/// Reads the one line of a file.
pub fn read_secret(path: &Path) -> Result<String, SecretFileError> {
    if fs::metadata(path)?.len() > LONGEST {
        return Err(SecretFileError::TooLong);
    }
    let text = read_secret_lines(path)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains(['\n', '\r', '\0']) {
        return Err(SecretFileError::Lines);
    }
    Ok(line.to_owned())
}

/// A file with a secret that others than its owner and its group may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposedFile {
    pub path: PathBuf,
    /// Its rights, as `chmod` takes them.
    pub mode: u32,
}

/// Returns the file if others may read it. A missing file is not reported here.
pub(super) fn exposed(path: &Path) -> Option<ExposedFile> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o007 != 0).then(|| ExposedFile {
        path: path.to_owned(),
        mode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_longer_than_any_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (length, fits) in [(8_192, true), (8_193, false)] {
            std::fs::write(&path, "a".repeat(length)).unwrap();
            assert_eq!(read_secret(&path).is_ok(), fits, "{length}");
        }
        let said = read_secret(&path).unwrap_err().to_string();
        assert!(said.starts_with("is longer than 8192 bytes"), "{said}");
    }

    #[test]
    fn the_one_line_of_a_file_is_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (text, secret) in [
            ("geheim", "geheim"),
            ("geheim\n", "geheim"),
            ("geheim\r\n", "geheim"),
            (" ge heim ", " ge heim "),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(read_secret(&path).unwrap(), secret);
        }
        for (text, why) in [
            (&b"\xef\xbb\xbfgeheim"[..], "byte order mark"),
            (b"geheim\ngeheim\n", "one line"),
            (b"geheim\0", "one line"),
            (b" \n", "empty"),
            (b"\xff\xfe", "UTF-8"),
        ] {
            fs::write(&path, text).unwrap();
            let said = read_secret(&path).unwrap_err().to_string();
            assert!(said.contains(why) && !said.contains("geheim"), "{said}");
        }
    }

    #[test]
    fn other_rights_make_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "geheim").unwrap();
        let before = Version::of(&path).unwrap();
        assert_eq!(Version::of(&path).unwrap(), before);
        // The clock of a file system goes in ticks of some milliseconds.
        let is_new = (0..1_000_000).any(|_| {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
            Version::of(&path).unwrap() != before
        });
        assert!(is_new);
    }

    #[test]
    fn a_file_that_others_can_read_is_told_and_one_of_a_group_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "geheim").unwrap();
        for (mode, is_told) in [(0o600, false), (0o440, false), (0o644, true), (0o602, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(exposed(&path).is_some(), is_told, "{mode:o}");
        }
    }
}
