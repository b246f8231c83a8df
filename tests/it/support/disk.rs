//! A small disk of one test alone, which can be full.

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
                // Not by a macro, because its output is hidden in a test that passes.
                let name = std::thread::current().name().map(str::to_owned);
                let words = format!("NOT TESTED, no disk can be mounted: {name:?}: {why:?}\n");
                io::stderr().write_all(words.as_bytes()).expect("says so");
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
