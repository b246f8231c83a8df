//! `[database]`: where the outbox table is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use super::certificates;
use super::error::{Fault, Faults, SettingsError};
use super::key::{Key, Kind};
use super::secret_file::{Version, read_secret};
use super::shown::{as_written, empty_if_none, path_if_some, shown_path};
use crate::address::{self, Address, DatabaseKind, Distance, Parameters, Renew, Tls};
use crate::lock::lock;

pub(super) const KEYS: &[Key] = &[
    // Hidden while it has the wrong type: a password may stand anywhere in it.
    Key::new("database.url", Kind::Text).secret(),
    Key::new("database.url_file", Kind::Path).optional(),
    Key::new("database.password_file", Kind::Path).optional(),
    Key::new(
        "database.tls",
        Kind::OneOf(&["off", "prefer", "require", "verify"]),
    )
    .optional(),
    Key::new("database.ca_file", Kind::Path).optional(),
    Key::new("database.max_connections", Kind::Whole),
    Key::new("database.auto_migrate", Kind::Switch),
];

/// The default address.
const DEFAULT: &str = "sqlite://contact-courier.db";

#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// The database of the outbox table: `sqlite://FILE`, `postgres://USER:PASSWORD@HOST/NAME` or
    /// `mysql://USER:PASSWORD@HOST/NAME`. Several servers (`HOST:PORT,HOST:PORT`) are tried in turn
    /// until one takes writes. Default `sqlite://contact-courier.db`.
    pub url: DatabaseUrl,
    /// A file with the address, in the place of `url`; read again when it changes. Default: none.
    #[serde(serialize_with = "path_if_some")]
    pub url_file: Option<PathBuf>,
    /// A file with the password, which then stands in no address; read again when it changes.
    /// Default: none.
    #[serde(serialize_with = "path_if_some")]
    pub password_file: Option<PathBuf>,
    /// How the way to a server is secured: `off`, `prefer`, `require` or `verify`. Empty: a server
    /// on another host has its certificate verified, and of one on this host nothing is demanded.
    /// Default empty.
    #[serde(serialize_with = "empty_if_none")]
    pub tls: Option<Tls>,
    /// A file with certificates of authorities (PEM) that are trusted beside the system's. Default:
    /// none.
    #[serde(serialize_with = "empty_if_none")]
    pub ca_file: Option<PathBuf>,
    /// At most so many connections at once; at least 2. Default 8.
    pub max_connections: u32,
    /// Whether missing migrations are applied at start; otherwise `migrate` has to be called.
    /// Default true.
    pub auto_migrate: bool,
    /// The content of the file with the address.
    #[serde(skip)]
    pub(super) found: Option<DatabaseUrl>,
    /// The beginning of the keys of its address.
    #[serde(skip)]
    pub(super) prefix: Prefix,
}

/// As it is written: no secret, nor one that stands in the place of its path.
impl fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&as_written(self)?)
    }
}

/// The beginning of keys: `database.` by default.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix(pub(super) &'static str);

impl Default for Prefix {
    fn default() -> Self {
        Self("database.")
    }
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: DatabaseUrl(DEFAULT.into()),
            url_file: None,
            password_file: None,
            tls: None,
            ca_file: None,
            max_connections: 8,
            auto_migrate: true,
            found: None,
            prefix: Prefix::default(),
        }
    }
}

impl DatabaseSettings {
    /// Returns the address that is in force.
    pub fn url(&self) -> &DatabaseUrl {
        self.found.as_ref().unwrap_or(&self.url)
    }

    /// Returns the key that the address in force comes from.
    pub fn url_key(&self) -> String {
        match self.url_file {
            Some(_) => self.key("url_file"),
            None => self.key("url"),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix.0)
    }

    /// Returns these settings with the present content of the file with the address.
    pub(super) fn reread(&self) -> Result<Self, SettingsError> {
        let found = self.url_file.as_deref();
        let found = found
            .map(|file| read(&self.key("url_file"), file))
            .transpose()?;
        Ok(Self {
            found: found.map(|url| DatabaseUrl(url.trim().to_owned())),
            ..self.clone()
        })
    }

    /// Returns everything that is needed to connect. Fails if a file of it cannot be used.
    pub fn address(&self) -> Result<Address, SettingsError> {
        let files = Files {
            settings: self.clone(),
            // Before the files are read, so that a write meanwhile is seen as a change.
            seen: Mutex::new(Seen {
                versions: self.versions(),
                fault: None,
            }),
        };
        let has_files = self.url_file.is_some() || self.password_file.is_some();
        let renew = has_files.then(|| Arc::new(files) as Arc<dyn Renew>);
        // The address may have changed since the start of the process.
        Ok(Address {
            renew,
            ..self.reread()?.bare()?
        })
    }

    fn bare(&self) -> Result<Address, SettingsError> {
        if let Some(file) = &self.ca_file {
            certificates::read("database.ca_file", file)?;
        }
        self.read_files_of_url()?;
        let password = self.password_file.as_deref();
        let password = password
            .map(|file| read(&self.key("password_file"), file))
            .transpose()?;
        Ok(Address {
            url: self.url().expose().to_owned(),
            password: password.map(SecretString::from),
            tls: self.tls,
            ca_file: self.ca_file.clone(),
            renew: None,
        })
    }

    /// Reads the files that the address names, so that an error names the file.
    fn read_files_of_url(&self) -> Result<(), SettingsError> {
        let url = self.url();
        let parameters = url.kind().map(|kind| Parameters::read(url.expose(), kind));
        let Some(Ok(parameters)) = parameters else {
            // The driver says what is wrong with such an address.
            return Ok(());
        };
        for file in &parameters.files {
            let key = format!("{}: {}", self.url_key(), file.parameter);
            if file.is_authority {
                certificates::read(&key, &file.path)?;
            } else {
                certificates::read_any(&key, &file.path)?;
            }
        }
        Ok(())
    }

    fn versions(&self) -> Vec<Option<Version>> {
        let files = [&self.url_file, &self.password_file];
        let files = files.into_iter().flatten();
        files.map(|file| Version::of(file).ok()).collect()
    }

    /// Checks that the address can be read, and that its demands about TLS can hold.
    fn check_url(&self, kind: DatabaseKind) -> Result<(), String> {
        let url = self.url().expose();
        let hosts = match kind {
            DatabaseKind::Sqlite => {
                check_file(url)?;
                Vec::new()
            }
            _ => address::split(url).map_err(|error| error.to_string())?,
        };
        let parameters = Parameters::read(url, kind).map_err(|error| error.to_string())?;
        if self.password_file.is_some() {
            check_password(&hosts, &parameters, &self.key("password_file"))?;
        }
        if parameters.names_authority() && self.ca_file.is_some() {
            let ca_file = self.key("ca_file");
            return Err(format!(
                "it names the certificates of an authority, and so does {ca_file}; keep one of them"
            ));
        }
        let names_authority = parameters.names_authority() || self.ca_file.is_some();
        for distance in hosts.iter().filter_map(|host| distance(host, &parameters)) {
            let way = (kind, distance);
            address::in_force(self.tls, parameters.tls, names_authority, way)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Checks the address alone.
    pub(super) fn check_address(&self, faults: &mut Faults) {
        let (in_url, in_file) = (self.key("url"), self.key("url_file"));
        let rule = format!("set either {in_url} or {in_file} and leave the other out");
        faults.demand(
            self.url_file.is_none() || self.url.expose() == DEFAULT,
            &in_url,
            &self.url,
            &rule,
        );
        let (key, url) = match self.found {
            Some(_) => (&in_file, self.url()),
            None => (&in_url, &self.url),
        };
        faults.demand(
            url.kind().is_some(),
            key,
            url,
            "write sqlite://…, postgres://… or mysql://…",
        );
        if let Some(kind) = url.kind()
            && let Err(rule) = self.check_url(kind)
        {
            faults.demand(false, key, url, &rule);
        }
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        self.check_address(faults);
        // With one connection a reader would wait for the writer that waits for it.
        faults.demand(
            self.max_connections >= 2,
            "database.max_connections",
            self.max_connections,
            "must be at least 2",
        );
    }
}

/// Checks that an address of SQLite names a file, which stays.
fn check_file(url: &str) -> Result<(), String> {
    let rest = url.trim_start_matches("sqlite:");
    let (file, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let file = percent_decode_str(file).decode_utf8_lossy();
    let mut parameters = url::form_urlencoded::parse(parameters.as_bytes());
    let in_memory = parameters.any(|(key, value)| key == "mode" && value == "memory");
    if in_memory || file.contains(":memory:") {
        return Err(
            "a database in memory would be lost at every restart; name a file: sqlite:///FILE"
                .into(),
        );
    }
    if file.trim_matches('/').trim().is_empty() {
        return Err("it names no file; write sqlite:///FILE".into());
    }
    Ok(())
}

/// If there is a file for the password, none may stand in the address, which is taken apart into that
/// of each server.
fn check_password(hosts: &[String], parameters: &Parameters, file: &str) -> Result<(), String> {
    let mut urls = hosts.iter().filter_map(|host| Url::parse(host).ok());
    let has_password = urls.any(|url| url.password().is_some());
    if has_password || parameters.has_password {
        return Err(format!("take the password out of it, for there is {file}"));
    }
    Ok(())
}

/// Reads the file with a secret that a key names.
fn read(key: &str, file: &Path) -> Result<String, Fault> {
    read_secret(file).map_err(|error| Fault {
        key: key.into(),
        found: format!("{key} = {}", shown_path(file)),
        origin: None,
        rule: error.to_string(),
    })
}

/// Returns how far the server of an address is; `None`: the address does not say, and the driver
/// will know.
fn distance(url: &str, parameters: &Parameters) -> Option<Distance> {
    if let Some(host) = &parameters.host {
        return Some(Distance::of(host));
    }
    let url = Url::parse(url).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let host = percent_decode_str(host).decode_utf8().ok()?;
    Some(Distance::of(&host))
}

/// The address of a database. It prints itself without the password that it may hold.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Takes an address over as it is.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The address with its password: for connecting, never for people's eyes.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the kind of its database; `None`: none that this program speaks.
    pub fn kind(&self) -> Option<DatabaseKind> {
        DatabaseKind::of(&self.0)
    }

    /// Whether it names several servers.
    pub fn names_several(&self) -> bool {
        let is_file = self.kind() == Some(DatabaseKind::Sqlite);
        !is_file && address::split(&self.0).is_ok_and(|hosts| hosts.len() > 1)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&address::without_password(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Looks at the files of the settings.
struct Files {
    settings: DatabaseSettings,
    seen: Mutex<Seen>,
}

struct Seen {
    versions: Vec<Option<Version>>,
    /// Why they could not be used when they were last read.
    fault: Option<String>,
}

impl Renew for Files {
    fn renewed(&self) -> Option<Result<Address, String>> {
        let versions = self.settings.versions();
        let mut seen = lock(&self.seen);
        let is_new = seen.versions != versions;
        // What could not be read for a moment is tried again.
        if !is_new && seen.fault.is_none() {
            return None;
        }
        seen.versions = versions;
        let read = self.settings.reread().and_then(|settings| settings.bare());
        let read = read.map_err(|error| error.to_string());
        let fault = read.as_ref().err().cloned();
        // Each fault is told once.
        let is_told = !is_new && fault.is_some() && fault == seen.fault;
        seen.fault = fault;
        (!is_told).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn with_files(folder: &Path, url: &str, password: &str) -> DatabaseSettings {
        let (url_file, password_file) = (folder.join("url"), folder.join("password"));
        std::fs::write(&url_file, url).unwrap();
        std::fs::write(&password_file, password).unwrap();
        let settings = DatabaseSettings {
            url_file: Some(url_file),
            password_file: Some(password_file),
            ..DatabaseSettings::default()
        };
        settings.reread().unwrap()
    }

    fn password(address: &Address) -> &str {
        address.password.as_ref().unwrap().expose_secret()
    }

    #[test]
    fn what_stands_in_files_is_read_again_when_it_changes_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let settings = with_files(folder.path(), "postgres://me@localhost/x\n", "p/w?@#% 1\n");
        assert_eq!(settings.url().expose(), "postgres://me@localhost/x");
        let address = settings.address().unwrap();
        assert_eq!(password(&address), "p/w?@#% 1");
        let renew = address.renew.unwrap();
        assert!(renew.renewed().is_none());
        // Written like careful programs do: beside the file, and renamed.
        let (new, old) = (folder.path().join("new"), folder.path().join("password"));
        std::fs::write(&new, "other").unwrap();
        std::fs::rename(&new, &old).unwrap();
        assert_eq!(password(&renew.renewed().unwrap().unwrap()), "other");
        assert!(renew.renewed().is_none());
        std::fs::remove_file(&old).unwrap();
        let said = renew.renewed().unwrap().unwrap_err();
        assert!(said.contains("database.password_file"), "{said}");
        assert!(renew.renewed().is_none());
    }

    #[test]
    fn a_file_that_could_not_be_read_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let password_file = folder.path().join("password");
        std::fs::write(&password_file, "hush").unwrap();
        let settings = DatabaseSettings {
            password_file: Some(password_file),
            ..DatabaseSettings::default()
        };
        let versions = settings.versions();
        let fault = Some("cannot be read: Too many open files".into());
        let files = Files {
            settings,
            seen: Mutex::new(Seen { versions, fault }),
        };
        assert_eq!(password(&files.renewed().unwrap().unwrap()), "hush");
        assert!(files.renewed().is_none());
    }

    #[test]
    fn a_secret_in_the_place_of_a_path_is_not_shown() {
        for (url_file, password_file) in [
            (Some("postgres://me:hunter2@db/x"), None),
            (None, Some("hunter2")),
        ] {
            let settings = DatabaseSettings {
                url_file: url_file.map(PathBuf::from),
                password_file: password_file.map(PathBuf::from),
                ..DatabaseSettings::default()
            };
            let said = settings.address().err().unwrap().to_string();
            assert!(said.contains("_file = ***: cannot be read"), "{said}");
            let printed = toml::to_string(&settings).unwrap();
            assert!(!format!("{said}{printed}").contains("hunter2"), "{printed}");
        }
    }

    #[test]
    fn a_password_is_said_once() {
        let folder = tempfile::tempdir().unwrap();
        for url in [
            "postgres://me:hush@localhost/x",
            "postgres://localhost/x?password=hush",
            "postgres://me:hush@a:5432,b:5432/x?sslmode=verify-full",
        ] {
            let settings = with_files(folder.path(), url, "hush");
            let mut faults = Faults::default();
            settings.check(&mut faults);
            let said = faults.0.first().expect("a fault").to_string();
            assert!(
                said.contains("database.password_file") && !said.contains("hush"),
                "{said}"
            );
        }
    }

    #[test]
    fn an_address_prints_itself_without_its_password() {
        let url = DatabaseUrl::new("postgres://me:pw@db/x");
        assert_eq!(url.to_string(), "postgres://me:***@db/x");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres://me:***@db/x)");
    }
}
