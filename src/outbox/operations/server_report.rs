//! The kind of the database, for `doctor`.

use std::fmt;

use serde::Serialize;

use crate::address::{Distance, Tls};

/// The database as it presents itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerReport {
    /// `PostgreSQL 15.4`, `MariaDB 10.11.4`, `MySQL 8.0.36`, `SQLite 3.50.2`.
    pub product: String,
    /// If the version is too old for this program: the versions that are not.
    pub too_old: Option<&'static str>,
    /// The settings that durability rests on, as they are in a session of ours.
    pub durability: Vec<ServerSetting>,
    /// Whether each commit waits for a standby, and none is there.
    #[serde(skip)]
    pub commits_wait: bool,
    /// The default mode of apps' sessions, if it is one that changes what they write.
    pub sql_mode: Option<ServerSetting>,
    /// The kind of cluster that the server is a node of, if all of its nodes may take writes.
    pub cluster: Option<&'static str>,
    /// How many connections it allows this user at most, as far as it says so.
    pub connections: Option<i64>,
    /// How the way to the server is secured; `None`: the database is a file.
    pub security: Option<Security>,
    /// Its clock: seconds since 1970.
    pub clock: f64,
}

/// The security of the way to a server: demanded and actual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Security {
    /// The demanded security.
    #[serde(skip)]
    pub tls: Tls,
    /// How far the server is.
    #[serde(skip)]
    pub distance: Distance,
    /// The version of TLS that the server reports; empty: not encrypted; `None`: no report.
    pub protocol: Option<String>,
}

impl Security {
    /// Whether others may pretend to be the server, or read along.
    pub fn is_weak(&self) -> bool {
        self.distance == Distance::Far && !self.tls.verifies()
    }
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checked = match self.tls {
            Tls::Verify => "the server's certificate is verified",
            Tls::VerifyCa => "the certificate is verified, but not the server's name",
            _ => "the server's certificate is not verified",
        };
        let place = match self.distance {
            Distance::Socket => ", over a socket of this host",
            Distance::Loopback => ", on this host",
            Distance::Far => "",
        };
        match self.protocol.as_deref() {
            Some("") => write!(f, "not encrypted{place}"),
            Some(protocol) => write!(f, "encrypted ({protocol}), {checked}"),
            None if self.tls >= Tls::Require => write!(f, "encrypted, {checked}"),
            None => write!(f, "the server does not say whether it is encrypted{place}"),
        }
    }
}

/// A setting of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerSetting {
    pub name: &'static str,
    pub value: String,
    /// The possible loss with this value, and the remedy; `None`: the value is right.
    pub risk: Option<&'static str>,
}

impl ServerSetting {
    /// A setting that has to have one of these values.
    pub(in crate::outbox) fn new(
        name: &'static str,
        value: Option<String>,
        wanted: &[&str],
        risk: &'static str,
    ) -> Self {
        let value = value.unwrap_or_else(|| "unknown".into());
        let right = wanted.iter().any(|one| value.eq_ignore_ascii_case(one));
        Self {
            name,
            risk: (!right).then_some(risk),
            value,
        }
    }
}

/// Whether a version such as `8.0.36-log` is at least this one.
pub(in crate::outbox) fn at_least(version: &str, wanted: &[u32]) -> bool {
    let parts: Vec<u32> = version
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|part| part.parse().ok())
        .collect();
    parts.as_slice() >= wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, wanted, enough) in [
            ("8.0.36-log", &[8, 0, 16][..], true),
            ("8.0.9", &[8, 0, 16], false),
            ("10.11.4-MariaDB-1~deb12u1", &[10, 6], true),
            ("10.5.19", &[10, 6], false),
            ("15.4 (Debian 15.4-1)", &[12], true),
            ("17", &[17], true),
        ] {
            assert_eq!(at_least(version, wanted), enough, "{version}");
        }
    }
}
