//! How the way to a server has to be secured: by the settings, by the address, and by how far the
//! server is.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::kind::DatabaseKind;

/// How the way to a server is secured, the least secure first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all.
    Off,
    /// Encrypted where the server offers it; its certificate may be anybody's.
    Prefer,
    /// Encrypted; the certificate may be anybody's.
    Require,
    /// Encrypted, and an authority that is trusted has signed the certificate, for any name.
    #[serde(skip)]
    VerifyCa,
    /// Encrypted, and the certificate is the server's: signed by a trusted authority, for the
    /// server's name.
    Verify,
}

impl Tls {
    /// Whether an authority has to vouch for the server.
    pub fn verifies(self) -> bool {
        self >= Self::VerifyCa
    }

    /// Returns the meaning of a word in an address, such as `verify-full` or `VERIFY_IDENTITY`.
    pub(super) fn stated(word: &str, kind: DatabaseKind) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let of = |words: [&str; 5]| {
            let all = [
                Self::Off,
                Self::Prefer,
                Self::Require,
                Self::VerifyCa,
                Self::Verify,
            ];
            let at = words.iter().position(|known| *known == word)?;
            Some(all[at])
        };
        match kind {
            DatabaseKind::Postgres => match word.as_str() {
                // The driver would try no encryption at all.
                "allow" => Some(Self::Prefer),
                _ => of(["disable", "prefer", "require", "verify-ca", "verify-full"]),
            },
            DatabaseKind::MySql => of([
                "disabled",
                "preferred",
                "required",
                "verify_ca",
                "verify_identity",
            ]),
            DatabaseKind::Sqlite => None,
        }
    }
}

impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::Verify => "verify",
        })
    }
}

/// How far a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// At the end of a socket of this host.
    Socket,
    /// On this host.
    Loopback,
    /// On another host, as far as the address shows.
    Far,
}

impl Distance {
    /// Returns how far a host is. A directory is that of a socket.
    pub fn of(host: &str) -> Self {
        if host.starts_with('/') {
            return Self::Socket;
        }
        let host = host.trim_matches(['[', ']']).trim_end_matches('.');
        let is_near = match host.parse::<IpAddr>() {
            Ok(ip) => ip.is_loopback(),
            Err(_) => host.is_empty() || host.eq_ignore_ascii_case("localhost"),
        };
        if is_near { Self::Loopback } else { Self::Far }
    }
}

/// The demands about TLS cannot all be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TlsError {
    /// The settings and the address differ.
    #[error(
        "its parameter for TLS says something else than database.tls = \"{0}\"; remove the parameter"
    )]
    Contradiction(Tls),
    /// The address asks for less than a server elsewhere needs.
    #[error(
        "its parameter for TLS lets others on the way pretend to be the server and read the \
         password; remove it, and the server's certificate is verified, or set database.tls = \
         \"{0}\" to do without"
    )]
    Weak(Tls),
    /// Certificates of an authority are given, but nothing is verified.
    #[error(
        "the certificates of an authority are named, and with \"{0}\" none is verified; set \
         database.tls = \"verify\", or name none"
    )]
    Unused(Tls),
}

/// How the way to a server is secured: as `wanted` by the settings and `stated` by the address, or
/// otherwise as its distance demands. If certificates of an authority are named, they are meant to
/// be used.
pub(crate) fn in_force(
    wanted: Option<Tls>,
    stated: Option<Tls>,
    names_authority: bool,
    (kind, distance): (DatabaseKind, Distance),
) -> Result<Tls, TlsError> {
    if let (Some(wanted), Some(stated)) = (wanted, stated)
        && wanted != stated
    {
        return Err(TlsError::Contradiction(wanted));
    }
    if distance == Distance::Socket {
        return Ok(on_socket(wanted.or(stated), kind));
    }
    let tls = match (wanted, stated) {
        (Some(wanted), _) => wanted,
        // Some clouds' certificates are for other names, and the server's own authority vouches for
        // it.
        (None, Some(Tls::VerifyCa)) if names_authority => Tls::VerifyCa,
        (None, Some(stated)) if distance == Distance::Far && stated < Tls::Verify => {
            return Err(TlsError::Weak(match stated {
                Tls::VerifyCa => Tls::Require,
                less => less,
            }));
        }
        (None, Some(stated)) => stated,
        (None, None) if distance == Distance::Far || names_authority => Tls::Verify,
        (None, None) => Tls::Prefer,
    };
    if names_authority && !tls.verifies() {
        return Err(TlsError::Unused(tls));
    }
    Ok(tls)
}

/// The host itself vouches for a socket, which has no name. PostgreSQL speaks no TLS on one.
fn on_socket(said: Option<Tls>, kind: DatabaseKind) -> Tls {
    match said {
        Some(Tls::Off) => Tls::Off,
        Some(tls) if tls >= Tls::Require && kind == DatabaseKind::MySql => Tls::Require,
        _ => Tls::Prefer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: (DatabaseKind, Distance) = (DatabaseKind::Postgres, Distance::Far);
    const NEAR: (DatabaseKind, Distance) = (DatabaseKind::Postgres, Distance::Loopback);

    #[test]
    fn only_what_is_on_this_host_is_near() {
        for (host, distance) in [
            ("/run/postgresql", Distance::Socket),
            ("localhost", Distance::Loopback),
            ("LocalHost.", Distance::Loopback),
            ("", Distance::Loopback),
            ("127.0.0.2", Distance::Loopback),
            ("[::1]", Distance::Loopback),
            ("::1", Distance::Loopback),
            ("db", Distance::Far),
            ("localhost.example.com", Distance::Far),
            ("127.0.0.1.example.com", Distance::Far),
            ("10.0.0.1", Distance::Far),
            ("0.0.0.0", Distance::Far),
            ("::ffff:127.0.0.1", Distance::Far),
        ] {
            assert_eq!(Distance::of(host), distance, "{host}");
        }
    }

    #[test]
    fn a_server_elsewhere_is_verified_unless_the_settings_say_otherwise() {
        assert_eq!(in_force(None, None, false, FAR), Ok(Tls::Verify));
        assert_eq!(in_force(None, None, true, FAR), Ok(Tls::Verify));
        assert_eq!(
            in_force(None, Some(Tls::Verify), true, FAR),
            Ok(Tls::Verify)
        );
        for less in [Tls::Off, Tls::Prefer, Tls::Require] {
            assert_eq!(in_force(Some(less), None, false, FAR), Ok(less));
            assert_eq!(in_force(Some(less), Some(less), false, FAR), Ok(less));
            let weak = Err(TlsError::Weak(less));
            assert_eq!(in_force(None, Some(less), false, FAR), weak);
        }
        let weak = Err(TlsError::Weak(Tls::Require));
        assert_eq!(in_force(None, Some(Tls::VerifyCa), false, FAR), weak);
        let by_authority = in_force(None, Some(Tls::VerifyCa), true, FAR);
        assert_eq!(by_authority, Ok(Tls::VerifyCa));
    }

    #[test]
    fn on_this_host_nothing_is_demanded_that_nobody_asked_for() {
        assert_eq!(in_force(None, None, false, NEAR), Ok(Tls::Prefer));
        assert_eq!(in_force(None, None, true, NEAR), Ok(Tls::Verify));
        assert_eq!(in_force(None, Some(Tls::Off), false, NEAR), Ok(Tls::Off));
        let verify = in_force(Some(Tls::Verify), None, false, NEAR);
        assert_eq!(verify, Ok(Tls::Verify));
        for (kind, on_socket) in [
            (DatabaseKind::Postgres, Tls::Prefer),
            (DatabaseKind::MySql, Tls::Require),
        ] {
            let socket = (kind, Distance::Socket);
            assert_eq!(in_force(None, None, true, socket), Ok(Tls::Prefer));
            let verify = in_force(Some(Tls::Verify), None, true, socket);
            assert_eq!(verify, Ok(on_socket));
            assert_eq!(in_force(Some(Tls::Off), None, false, socket), Ok(Tls::Off));
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let (off, verify) = (Some(Tls::Off), Some(Tls::Verify));
        for place in [FAR, NEAR] {
            let error = Err(TlsError::Contradiction(Tls::Verify));
            assert_eq!(in_force(verify, off, false, place), error);
            let error = Err(TlsError::Contradiction(Tls::Off));
            assert_eq!(in_force(off, verify, false, place), error);
            let error = Err(TlsError::Unused(Tls::Require));
            assert_eq!(in_force(Some(Tls::Require), None, true, place), error);
        }
    }
}
