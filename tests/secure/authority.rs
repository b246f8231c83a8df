//! An authority of its own, by the `openssl` command, and the certificates that it signs.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// An authority, in a folder that goes with it.
pub(super) struct Authority(TempDir);

impl Authority {
    /// Makes one.
    pub(super) fn new() -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        made.openssl(&format!(
            "req -x509 {KEY} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"
        ));
        made
    }

    /// The file with its own certificate.
    pub(super) fn ca(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    /// Signs a certificate for names such as `DNS:localhost,IP:127.0.0.1`, and writes it and its key
    /// into a folder as `server.pem` and `server.key`.
    pub(super) fn sign(&self, names: &str, folder: &Path) {
        let subject = format!("subjectAltName={names}");
        std::fs::write(self.0.path().join("names"), subject).unwrap();
        self.openssl(&format!(
            "req {KEY} -keyout server.key -out server.csr -subj /CN=server"
        ));
        self.openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days 2 -extfile names -out server.pem",
        );
        std::fs::create_dir_all(folder).unwrap();
        for file in ["server.pem", "server.key"] {
            std::fs::copy(self.0.path().join(file), folder.join(file)).unwrap();
        }
    }

    fn openssl(&self, arguments: &str) {
        let mut openssl = Command::new("openssl");
        openssl
            .args(arguments.split(' '))
            .current_dir(self.0.path());
        let made = openssl.output().expect("openssl is installed");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{arguments}: {said}");
    }
}

/// A key that takes no time to make.
const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
