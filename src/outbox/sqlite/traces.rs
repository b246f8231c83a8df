//! What writers leave behind: the times and lengths of a file and its log. They are asked for many
//! times a second, and cost far less than a question to the file does.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::lock::lock;

/// What is asked all the time, and the traces that were there before it was asked. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered(Arc<Mutex<Option<(Traces, i64)>>>);

impl Remembered {
    /// The answer, if nobody can have written since.
    pub(super) fn answer(&self, traces: Option<&Traces>) -> Option<i64> {
        let remembered = lock(&self.0);
        let (seen, answer) = remembered.as_ref()?;
        (traces == Some(seen)).then_some(*answer)
    }

    /// Remembers an answer that was asked for after these traces were read, at `read`.
    pub(super) fn keep(&self, traces: Option<Traces>, read: SystemTime, answer: i64) {
        let old_enough = traces.filter(|traces| traces.are_old(read));
        *lock(&self.0) = old_enough.map(|traces| (traces, answer));
    }
}

/// The traces of a file and of its log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Traces {
    file: Trace,
    /// `None`: it has none.
    log: Option<Trace>,
}

#[derive(Debug, PartialEq, Eq)]
struct Trace {
    modified: SystemTime,
    bytes: u64,
    /// Another file may have come by the same name.
    inode: u64,
}

impl Traces {
    /// Reads them; `None`: there is no such file.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        Some(Self {
            file: Trace::of(file)?,
            log: Trace::of(&PathBuf::from(log)),
        })
    }

    /// Whether whoever writes from then on leaves others.
    fn are_old(&self, now: SystemTime) -> bool {
        [Some(&self.file), self.log.as_ref()]
            .into_iter()
            .flatten()
            .all(|trace| trace.is_old(now))
    }
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

    /// A file system's clock goes in steps: two writes within one step have the same time.
    fn is_old(&self, now: SystemTime) -> bool {
        /// More than a step of any kernel's clock.
        const STEP: Duration = Duration::from_millis(50);
        /// The same where a file system keeps whole seconds, or pairs of them.
        const WHOLE: Duration = Duration::from_secs(3);
        let since_epoch = self.modified.duration_since(SystemTime::UNIX_EPOCH);
        let is_whole = since_epoch.is_ok_and(|time| time.subsec_nanos() == 0);
        let step = if is_whole { WHOLE } else { STEP };
        now.duration_since(self.modified)
            .is_ok_and(|age| age >= step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// A file that was written so long ago.
    fn written(ago: Duration) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.db");
        let file = File::create(&path).unwrap();
        file.set_modified(SystemTime::now() - ago).unwrap();
        (dir, path)
    }

    fn kept(path: &Path) -> (Remembered, Option<i64>) {
        let remembered = Remembered::default();
        remembered.keep(Traces::of(path), SystemTime::now(), 7);
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
    fn an_answer_is_not_kept_where_the_next_write_could_leave_the_same_time() {
        assert_eq!(kept(&written(Duration::from_millis(1)).1).1, None);
        let in_future = SystemTime::now() + Duration::from_secs(60);
        let whole = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let trace = |modified| Trace {
            modified,
            bytes: 0,
            inode: 0,
        };
        let is_old = |modified, now| trace(modified).is_old(now);
        assert!(!is_old(in_future, SystemTime::now()));
        assert!(!is_old(whole(100), whole(102)));
        assert!(is_old(whole(100), whole(103)));
        let between = whole(100) + Duration::from_nanos(1);
        assert!(is_old(between, whole(101)));
    }
}
