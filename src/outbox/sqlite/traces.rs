//! The traces of writers: the times and lengths of a file and its log. They are read many times a
//! second, and cost far less than a question to the file does.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::lock::lock;

/// How long an answer is believed. A file system whose clock is behind ours might hide a write.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// A write within this time may leave the same time as the one before it: the clocks of file
/// systems go in steps of up to two seconds. Also, a commit may show a little later than its last
/// trace, which it leaves before it waits for the disk.
const STEP: Duration = Duration::from_secs(3);

/// An answer, and the traces that were read before the question. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered(Arc<Mutex<Option<Answer>>>);

#[derive(Debug)]
struct Answer {
    traces: Traces,
    answer: i64,
}

impl Remembered {
    /// Returns the answer while the traces are the same.
    pub(super) fn answer(&self, traces: Option<&Traces>) -> Option<i64> {
        let (now, remembered) = (traces?, lock(&self.0));
        let then = remembered.as_ref()?;
        let age = now.read_at.duration_since(then.traces.read_at);
        let is_young = age.is_ok_and(|age| age < BELIEVED_FOR);
        (is_young && now.are(&then.traces)).then_some(then.answer)
    }

    /// Remembers the answer to a question that was asked after these traces were read.
    pub(super) fn keep(&self, traces: Option<Traces>, answer: i64) {
        let old = traces.filter(Traces::are_old);
        *lock(&self.0) = old.map(|traces| Answer { traces, answer });
    }
}

/// The traces of a file and of its log.
#[derive(Debug)]
pub(super) struct Traces {
    file: Trace,
    /// `None`: the file has no log.
    log: Option<Trace>,
    read_at: SystemTime,
}

#[derive(Debug, PartialEq, Eq)]
struct Trace {
    modified: SystemTime,
    bytes: u64,
    /// Tells a new file of the same name from the old one.
    inode: u64,
}

impl Traces {
    /// Reads the traces of a file; `None`: there is no such file.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        let read_at = now();
        Some(Self {
            file: Trace::of(file)?,
            log: Trace::of(Path::new(&log)),
            read_at,
        })
    }

    /// Whether these traces are the same.
    fn are(&self, others: &Self) -> bool {
        (&self.file, &self.log) == (&others.file, &others.log)
    }

    /// Whether any later write changes them.
    fn are_old(&self) -> bool {
        let is_old = |trace: &Trace| {
            let age = self.read_at.duration_since(trace.modified);
            age.is_ok_and(|age| age >= STEP)
        };
        is_old(&self.file) && self.log.as_ref().is_none_or(is_old)
    }
}

/// The clock that the times of files are compared with.
#[expect(
    clippy::disallowed_methods,
    reason = "files have the times of the host's clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

impl Trace {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            modified: found.modified().ok()?,
            bytes: found.len(),
            inode: found.ino(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::path::PathBuf;

    /// Makes a file that was written so long ago.
    fn written(ago: Duration) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.db");
        let file = File::create(&path).unwrap();
        file.set_modified(now() - ago).unwrap();
        (dir, path)
    }

    fn kept(path: &Path) -> (Remembered, Option<i64>) {
        let remembered = Remembered::default();
        remembered.keep(Traces::of(path), 7);
        let answer = remembered.answer(Traces::of(path).as_ref());
        (remembered, answer)
    }

    #[test]
    fn an_answer_lasts_until_somebody_writes_to_the_file_or_to_its_log() {
        let (dir, path) = written(Duration::from_secs(9));
        let (remembered, answer) = kept(&path);
        assert_eq!(answer, Some(7));
        fs::write(dir.path().join("shop.db-wal"), "a page").unwrap();
        assert_eq!(remembered.answer(Traces::of(&path).as_ref()), None);
        let (_dir, path) = written(Duration::from_secs(9));
        let (remembered, _) = kept(&path);
        fs::write(&path, "").unwrap();
        assert_eq!(remembered.answer(Traces::of(&path).as_ref()), None);
        fs::remove_file(&path).unwrap();
        assert_eq!(remembered.answer(Traces::of(&path).as_ref()), None);
    }

    #[test]
    fn an_answer_lasts_a_second_at_most() {
        let (_dir, path) = written(Duration::from_secs(9));
        let (remembered, _) = kept(&path);
        let mut later = Traces::of(&path).unwrap();
        later.read_at += BELIEVED_FOR;
        assert_eq!(remembered.answer(Some(&later)), None);
        later.read_at = SystemTime::UNIX_EPOCH;
        assert_eq!(remembered.answer(Some(&later)), None);
    }

    #[test]
    fn an_answer_is_not_kept_while_the_next_write_could_leave_the_same_time() {
        let (_dir, path) = written(STEP / 2);
        assert_eq!(kept(&path).1, None);
        let (dir, path) = written(Duration::from_secs(9));
        fs::write(dir.path().join("shop.db-wal"), "a page").unwrap();
        assert_eq!(kept(&path).1, None);
    }
}
