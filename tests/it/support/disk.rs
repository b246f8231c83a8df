//! A small disk of one test alone, which can be full, and files that nobody may write.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file system in memory; it is gone when this is dropped.
pub(crate) struct Disk {
    dir: TempDir,
}

impl Disk {
    /// Makes a disk of so many KiB. `None`, with a printed line, if this user must not mount one.
    pub(crate) fn new(kib: u32) -> Option<Self> {
        let dir = TempDir::new().expect("a temporary directory");
        let options = format!("size={kib}k,mode=777");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { dir }),
            other => {
                let why = other.map(|o| String::from_utf8_lossy(&o.stderr).into_owned());
                not_tested(&format!("no disk can be mounted: {why:?}"));
                None
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Fills the disk to the last byte.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("a file");
        for size in [65_536, 4_096, 1] {
            let piece = vec![0; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    /// Fills the disk except for so many KiB.
    pub(crate) fn fill_but(&self, kib: u64) {
        self.fill();
        let file = File::options().write(true).open(self.ballast());
        let file = file.expect("the ballast");
        let size = file.metadata().expect("its size").len();
        file.set_len(size.saturating_sub(kib * 1024))
            .expect("shrinks");
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        fs::remove_file(self.ballast()).expect("the ballast");
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut unmount = Command::new("umount");
        // Unmounts even if a process still has a file open there.
        unmount.arg("--lazy").arg(self.path()).status().ok();
    }
}

/// Files that nobody may write, not even the superuser; they may be written again when this is dropped. A
/// file system that is mounted read-only has the same effect, but none can be while a file is open for
/// writing.
pub(crate) struct Immutable(Vec<PathBuf>);

impl Immutable {
    /// Makes files of a folder immutable. `None`, with a printed line, if this user must not, or the file
    /// system lets those write who have the file open.
    pub(crate) fn new(dir: &Path, names: &[&str]) -> Option<Self> {
        let trial = dir.join("trial");
        let mut open = File::create(&trial).expect("a file");
        let made = Self(vec![trial.clone()]);
        let holds = made.attribute("+i") && open.write_all(b"no").is_err();
        drop(made);
        fs::remove_file(&trial).expect("the trial");
        let files = Self(names.iter().map(|name| dir.join(name)).collect());
        if holds && files.attribute("+i") {
            return Some(files);
        }
        not_tested("files cannot be made immutable");
        None
    }

    fn attribute(&self, change: &str) -> bool {
        let changed = Command::new("chattr").arg(change).args(&self.0).output();
        changed.is_ok_and(|changed| changed.status.success())
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        self.attribute("-i");
    }
}

/// Says which test was left out. Not by a macro, because its output is hidden in a test that passes.
fn not_tested(why: &str) {
    let name = std::thread::current().name().map(str::to_owned);
    let words = format!("NOT TESTED, {why}: {name:?}\n");
    io::stderr().write_all(words.as_bytes()).expect("says so");
}
