//! The parameters behind the `?` of a database's address.
//!
//! Drivers know different parameters, and ours ignores the ones that it does not know: somebody who
//! wrote `ssl_mode=verify-full` would believe it. So each parameter has to be one that has an
//! effect.

use std::path::PathBuf;

use url::form_urlencoded;

use super::hosts::AddressError;
use super::kind::DatabaseKind;
use super::tls::Tls;
use crate::nearest::nearest;

/// A parameter that cannot stand there. The error shows no value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParameterError {
    /// The parameter has no effect.
    #[error("its parameter {name} has no effect here; {instead}")]
    Unknown {
        /// The name as it was written.
        name: String,
        /// The remedy.
        instead: String,
    },
    /// The parameter says how the way is secured, in an unknown word.
    #[error("its parameter {name} is none of the words that it may be: {words}")]
    NoMode {
        /// The name as it was written.
        name: String,
        /// The known words.
        words: &'static str,
    },
    /// Most likely the rest of a password, which must not be shown.
    #[error(transparent)]
    Unreadable(#[from] AddressError),
    /// Two parameters say the same thing.
    #[error("its parameter {0} stands there twice; keep one")]
    Twice(String),
}

/// A file that a parameter names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedFile {
    pub(crate) parameter: String,
    pub(crate) path: PathBuf,
    /// Whether it has the certificates of an authority.
    pub(crate) is_authority: bool,
}

impl NamedFile {
    fn of(parameter: &str, path: &str, is_authority: bool) -> Self {
        Self {
            parameter: parameter.to_owned(),
            path: path.into(),
            is_authority,
        }
    }
}

/// The parameters of an address, each of which has an effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// How the way has to be secured, where the address says so.
    pub(crate) tls: Option<Tls>,
    /// The files of certificates and keys that it names.
    pub(crate) files: Vec<NamedFile>,
    /// Whether it holds a password.
    pub(crate) has_password: bool,
    /// The host, the directory of a socket or the socket, if it is not in its usual place.
    pub(crate) host: Option<String>,
}

impl Parameters {
    /// Whether it names a file with the certificates of an authority.
    pub(crate) fn names_authority(&self) -> bool {
        self.files.iter().any(|file| file.is_authority)
    }

    /// Reads the parameters of an address of one or several servers.
    pub(crate) fn read(url: &str, kind: DatabaseKind) -> Result<Self, ParameterError> {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let mut read = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "sslmode" | "ssl-mode" if kind != DatabaseKind::Sqlite => {
                    let tls = Tls::stated(&value, kind);
                    let tls = tls.ok_or_else(|| ParameterError::NoMode {
                        name: name.to_string(),
                        words: words(kind),
                    })?;
                    if read.tls.replace(tls).is_some() {
                        return Err(ParameterError::Twice(name.to_string()));
                    }
                }
                name if authority(kind).contains(&name) => {
                    read.files.push(NamedFile::of(name, &value, true));
                }
                name if own(kind).contains(&name) => {
                    read.files.push(NamedFile::of(name, &value, false));
                }
                "password" if kind == DatabaseKind::Postgres => read.has_password = true,
                "host" | "hostaddr" if kind == DatabaseKind::Postgres => {
                    read.host = Some(value.into());
                }
                "socket" if kind == DatabaseKind::MySql => read.host = Some(value.into()),
                name if others(kind).contains(&name) => {}
                name if kind == DatabaseKind::Postgres && name.starts_with("options[") => {}
                _ if query.contains('@') => return Err(AddressError::Unreadable.into()),
                name => {
                    return Err(ParameterError::Unknown {
                        instead: instead(name, kind),
                        name: name.to_owned(),
                    });
                }
            }
        }
        Ok(read)
    }
}

/// The words that say how the way is secured.
fn words(kind: DatabaseKind) -> &'static str {
    match kind {
        DatabaseKind::Postgres => "disable, prefer, require, verify-ca, verify-full",
        DatabaseKind::MySql => "DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY",
        DatabaseKind::Sqlite => "",
    }
}

/// The names of the parameter for the certificates of an authority.
fn authority(kind: DatabaseKind) -> &'static [&'static str] {
    match kind {
        DatabaseKind::Postgres => &["sslrootcert", "ssl-root-cert", "ssl-ca"],
        DatabaseKind::MySql => &["ssl-ca", "sslca"],
        DatabaseKind::Sqlite => &[],
    }
}

/// The names of the parameters for a certificate of the program's own and its key.
fn own(kind: DatabaseKind) -> &'static [&'static str] {
    match kind {
        DatabaseKind::Postgres | DatabaseKind::MySql => {
            &["sslcert", "ssl-cert", "sslkey", "ssl-key"]
        }
        DatabaseKind::Sqlite => &[],
    }
}

/// The other parameters that the driver knows and the program does not set itself.
fn others(kind: DatabaseKind) -> &'static [&'static str] {
    match kind {
        DatabaseKind::Postgres => &["port", "dbname", "user", "options"],
        DatabaseKind::MySql => &["collation"],
        DatabaseKind::Sqlite => &["mode", "cache", "immutable", "vfs"],
    }
}

/// Says what the author of such a parameter most likely wants.
fn instead(name: &str, kind: DatabaseKind) -> String {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    if kind != DatabaseKind::Sqlite
        && let Some(instead) = of_servers(&plain, kind)
    {
        return instead;
    }
    let known = [authority(kind), own(kind), others(kind)];
    let all = known.into_iter().flatten().copied();
    match nearest(name, all.clone()) {
        Some(meant) => format!("write {meant}"),
        None => format!("remove it; these have one: {}", listed(kind)),
    }
}

/// The same for the names of other drivers, without case and signs.
fn of_servers(plain: &str, kind: DatabaseKind) -> Option<String> {
    let (mode, ca) = match kind {
        DatabaseKind::Postgres => ("sslmode", "sslrootcert"),
        _ => ("ssl-mode", "ssl-ca"),
    };
    Some(match plain {
        "sslmode"
        | "usessl"
        | "ssl"
        | "tls"
        | "requiressl"
        | "encrypt"
        | "tlsmode"
        | "verifyservercertificate"
        | "sslverifyservercert"
        | "trustservercertificate" => {
            format!("write {mode}, or set database.tls")
        }
        "sslrootcert" | "sslca" | "ca" | "cafile" | "sslcafile" | "tlsca" | "servercert" => {
            format!("write {ca}, or set database.ca_file")
        }
        "servertimezone" | "timezone" | "connectiontimezone" | "loc" | "parsetime" => {
            "remove it, the courier speaks UTC".into()
        }
        "charset" | "characterencoding" | "useunicode" | "encoding" | "clientencoding" => {
            "remove it, the courier speaks UTF-8".into()
        }
        "statementcachecapacity" => "remove it, the courier knows how many it needs".into(),
        "applicationname" => "remove it, the courier calls itself contact-courier".into(),
        "connecttimeout" | "sockettimeout" | "timeout" | "readtimeout" | "writetimeout"
        | "logintimeout" => "remove it, the courier has limits of its own".into(),
        "targetsessionattrs" | "loadbalancehosts" | "targetservertype" | "failover" => {
            "remove it, the courier finds the server that takes writes".into()
        }
        "connectionlimit" | "poolmaxconns" | "maxconnections" | "poolsize" => {
            "set database.max_connections".into()
        }
        "currentschema" | "searchpath" | "schema" if kind == DatabaseKind::Postgres => {
            "write options[search_path]".into()
        }
        "username" | "user" | "password" if kind == DatabaseKind::MySql => {
            "write USER:PASSWORD@ before the host".into()
        }
        "username" => "write user".into(),
        "database" if kind == DatabaseKind::Postgres => "write dbname".into(),
        "unixsocket" | "host" if kind == DatabaseKind::MySql => "write socket".into(),
        _ => return None,
    })
}

fn listed(kind: DatabaseKind) -> &'static str {
    match kind {
        DatabaseKind::Postgres => {
            "sslmode, sslrootcert, sslcert, sslkey, host, hostaddr, port, dbname, user, password, \
             options"
        }
        DatabaseKind::MySql => "ssl-mode, ssl-ca, ssl-cert, ssl-key, socket, collation",
        DatabaseKind::Sqlite => "mode, cache, immutable, vfs",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DatabaseKind::{MySql, Postgres, Sqlite};

    fn read(query: &str, kind: DatabaseKind) -> Result<Parameters, String> {
        let url = format!("x://me:pw@db/shop?{query}");
        Parameters::read(&url, kind).map_err(|error| error.to_string())
    }

    #[test]
    fn what_an_address_says_about_tls_is_read_in_the_words_of_its_database() {
        for (kind, query, tls) in [
            (Postgres, "sslmode=verify-full", Tls::Verify),
            (Postgres, "ssl-mode=Verify-CA", Tls::VerifyCa),
            (Postgres, "sslmode=allow", Tls::Prefer),
            (MySql, "ssl-mode=REQUIRED", Tls::Require),
            (MySql, "sslmode=verify_identity", Tls::Verify),
        ] {
            assert_eq!(read(query, kind).unwrap().tls, Some(tls), "{query}");
        }
        let named = read(
            "sslrootcert=/ca.pem&user=me&password=pw&host=/run",
            Postgres,
        );
        let named = named.unwrap();
        assert!(named.names_authority() && named.has_password);
        assert_eq!(named.host.as_deref(), Some("/run"));
        for (kind, query) in [
            (Postgres, "sslmode=REQUIRED"),
            (MySql, "ssl-mode=require"),
            (MySql, "ssl-mode="),
        ] {
            let said = read(query, kind).unwrap_err();
            assert!(said.contains("none of the words"), "{said}");
        }
        let said = read("sslmode=require&ssl-mode=disable", Postgres).unwrap_err();
        assert!(said.contains("twice"), "{said}");
    }

    #[test]
    fn a_parameter_without_an_effect_is_refused_with_the_right_one() {
        for (kind, query, instead) in [
            (Postgres, "ssl_mode=require", "sslmode"),
            (Postgres, "sslMode=require", "sslmode"),
            (Postgres, "ssl=true", "database.tls"),
            (Postgres, "sslrootcrt=/x", "sslrootcert"),
            (Postgres, "sslca=/x", "database.ca_file"),
            (Postgres, "currentSchema=x", "options[search_path]"),
            (Postgres, "connect_timeout=10", "limits of its own"),
            (Postgres, "target_session_attrs=rw", "takes writes"),
            (Postgres, "application_name=x", "contact-courier"),
            (Postgres, "channel_binding=require", "these have one"),
            (Postgres, "statement-cache-capacity=0", "how many it needs"),
            (MySql, "statement-cache-capacity=0", "how many it needs"),
            (MySql, "useSSL=true", "ssl-mode"),
            (MySql, "ssl_mode=REQUIRED", "ssl-mode"),
            (MySql, "serverTimezone=UTC", "UTC"),
            (MySql, "charset=utf8", "UTF-8"),
            (MySql, "sslrootcert=/x", "ssl-ca"),
            (MySql, "unix_socket=/x", "socket"),
            (MySql, "password=hush", "before the host"),
            (Postgres, "hush@db/x", "%40"),
            (Postgres, "hush=1@db/x", "%40"),
            (Sqlite, "mod=ro", "write mode"),
            (Sqlite, "sslmode=require", "remove it"),
        ] {
            let said = read(query, kind).unwrap_err();
            assert!(said.contains(instead), "{query}: {said}");
            let name = query.split('=').next().unwrap();
            assert!(said.contains(name) || query.contains('@'), "{said}");
            assert!(!said.contains("hush") && !said.contains('='), "{said}");
        }
    }

    #[test]
    fn what_the_driver_knows_is_taken() {
        for (kind, query) in [
            (Postgres, ""),
            (
                Postgres,
                "options[search_path]=x&options=-c%20x=y&port=1&dbname=x",
            ),
            (Postgres, "sslcert=/c&sslkey=/k"),
            (MySql, "socket=/run/mysqld.sock&ssl-cert=/c&ssl-key=/k"),
            (Sqlite, "mode=ro&cache=private"),
        ] {
            read(query, kind).unwrap();
        }
    }
}
