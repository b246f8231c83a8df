//! `[admin]`: where operators ask how the courier is.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Faults;
use super::key::{Key, Kind};
use super::server_certificate::ServerCertificate;
use super::shown::empty_if_none;

pub(super) const KEYS: &[Key] = &[
    Key::new("admin.listen", Kind::Address).optional(),
    Key::new("admin.hosts", Kind::Texts),
    Key::new("admin.users_file", Kind::Path).optional(),
    Key::new("admin.viewers_file", Kind::Path).optional(),
    Key::new("admin.cert_file", Kind::Path).optional(),
    Key::new("admin.key_file", Kind::Path).optional(),
];

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// Address and port of the metrics, health checks and status page; empty: off. Default
    /// `127.0.0.1:9464`. Whoever reaches it sees lanes and counts, but no numbers and no secrets.
    #[serde(serialize_with = "empty_if_none")]
    pub listen: Option<SocketAddr>,
    /// The names by which it may be asked, beside `localhost`, this host's own and IP addresses.
    /// Default: none.
    pub hosts: Vec<String>,
    /// A file with those who may log in to the status page and act there, a line `NAME:HASH` each;
    /// read again when it changes. Default: none, and the page only shows.
    #[serde(serialize_with = "empty_if_none")]
    pub users_file: Option<PathBuf>,
    /// A file with those who may look at all but the health checks, by basic authentication: a line
    /// `NAME:HASH` each; read again when it changes. Default: none, and whoever reaches it may
    /// look.
    #[serde(serialize_with = "empty_if_none")]
    pub viewers_file: Option<PathBuf>,
    /// A file with the certificate of this server (PEM), and those between it and its authority;
    /// read again when it changes. Default: none, and the server speaks no TLS.
    #[serde(serialize_with = "empty_if_none")]
    pub cert_file: Option<PathBuf>,
    /// A file with the key of that certificate (PEM). Default: none.
    #[serde(serialize_with = "empty_if_none")]
    pub key_file: Option<PathBuf>,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9464))),
            hosts: Vec::new(),
            users_file: None,
            viewers_file: None,
            cert_file: None,
            key_file: None,
        }
    }
}

impl AdminSettings {
    pub(super) fn check(&self, faults: &mut Faults) {
        let shown = |file: &Option<PathBuf>| file.as_ref().map(|file| file.display().to_string());
        for (key, file, other, missing) in [
            (
                "admin.cert_file",
                &self.cert_file,
                &self.key_file,
                "admin.key_file",
            ),
            (
                "admin.key_file",
                &self.key_file,
                &self.cert_file,
                "admin.cert_file",
            ),
        ] {
            faults.demand(
                file.is_none() || other.is_some(),
                key,
                shown(file).unwrap_or_default(),
                &format!("needs {missing}, too"),
            );
        }
    }

    /// Returns the certificate of the server; `None`: it speaks no TLS.
    pub fn certificate(&self) -> Option<ServerCertificate> {
        Some(ServerCertificate {
            certificate: self.cert_file.clone()?,
            key: self.key_file.clone()?,
        })
    }
}
