//! An authority made for a test, by the `openssl` command, and the certificates that it signs.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// An authority, in a folder that is deleted with it.
pub(crate) struct Authority(TempDir);

impl Authority {
    /// Makes an authority.
    pub(crate) fn new() -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        made.openssl(&format!(
            "req -x509 {KEY} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"
        ));
        made
    }

    /// The file with its own certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    /// Signs a certificate for names such as `DNS:localhost,IP:127.0.0.1`, and writes it and its
    /// key into a folder as `server.pem` and `server.key`.
    pub(crate) fn sign(&self, names: &str, folder: &Path) {
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

    /// The same with a certificate that was good for one day, long ago.
    pub(crate) fn sign_expired(&self, names: &str, folder: &Path) {
        self.sign(names, folder);
        let place = self.0.path();
        let config = "[ca]\ndefault_ca = x\n[x]\ndatabase = index\nserial = serial\nnew_certs_dir = .\n\
                      default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n";
        for (file, text) in [("config", config), ("index", ""), ("serial", "01")] {
            std::fs::write(place.join(file), text).unwrap();
        }
        self.openssl(
            "ca -batch -config config -cert ca.pem -keyfile ca.key -in server.csr -extfile names \
             -startdate 20200101000000Z -enddate 20200102000000Z -notext -out server.pem",
        );
        std::fs::copy(place.join("server.pem"), folder.join("server.pem")).unwrap();
    }

    /// Shows the authority's own certificate in the place of a server's.
    pub(crate) fn show_itself(&self, folder: &Path) {
        for (from, to) in [("ca.pem", "server.pem"), ("ca.key", "server.key")] {
            std::fs::copy(self.0.path().join(from), folder.join(to)).unwrap();
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

/// A kind of key that is made quickly.
const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
