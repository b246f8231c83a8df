//! `[admin]`: where operators ask how the courier is.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::key::{Key, Kind};
use super::shown::empty_if_none;

pub(super) const KEYS: &[Key] = &[
    Key::new("admin.listen", Kind::Address).optional(),
    Key::new("admin.hosts", Kind::Texts),
    Key::new("admin.users_file", Kind::Path).optional(),
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
    /// A file with those who may log in to the status page and act there, a line `NAME:HASH` each; read
    /// again when it changes. Default: none, and the page only shows.
    #[serde(serialize_with = "empty_if_none")]
    pub users_file: Option<PathBuf>,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9464))),
            hosts: Vec::new(),
            users_file: None,
        }
    }
}
