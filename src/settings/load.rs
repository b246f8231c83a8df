//! Loading: built-in defaults < file < environment < flags.
//!
//! Each value is read and tried on its own before the layers are put together, so that an error can
//! name the key, the value and its place.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Value};

use super::database::DatabaseUrl;
use super::error::{Fault, SettingsError};
use super::key::{Key, Raw};
use super::keys::keys;
use super::proxy::{ProxySetting, ProxyVariables};
use super::sections::Settings;
use super::shown::HIDDEN;
use crate::address;
use crate::nearest::nearest;

/// The file that is read, if it is there and no other is named.
pub const DEFAULT_FILE: &str = "/etc/contact-courier/config.toml";

/// The beginning of our environment variables.
const PREFIX: &str = "COURIER__";

/// The input from outside the program, lowest layer first.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Path and text of the file.
    pub file: Option<(PathBuf, String)>,
    /// The environment; it may hold other programs' variables.
    pub environment: Vec<(OsString, OsString)>,
    /// The texts behind `--set`.
    pub flags: Vec<String>,
}

impl Settings {
    /// Loads the settings in force: reads `file`, or otherwise [`DEFAULT_FILE`] if it is there, and
    /// the process environment.
    pub fn load(file: Option<&Path>, flags: &[String]) -> Result<Self, SettingsError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the place where the environment is read"
        )]
        let environment = std::env::vars_os().collect();
        let settings = Self::from_layers(&Layers {
            file: read_file(file)?,
            environment,
            flags: flags.to_vec(),
        })?;
        settings.with_files()
    }

    /// Adds the content of the files with the databases' addresses.
    fn with_files(self) -> Result<Self, SettingsError> {
        let database = self.database.reread()?;
        let read = Self {
            rate_limit: self.rate_limit.reread(&database)?,
            database,
            ..self
        };
        read.check()?;
        Ok(read)
    }

    /// Puts the layers together and checks the result. Pure: the same layers, the same settings.
    pub fn from_layers(layers: &Layers) -> Result<Self, SettingsError> {
        let mut faults = Vec::new();
        let mut entries = Vec::new();
        if let Some((path, text)) = &layers.file {
            entries.extend(file_entries(path, text)?);
        }
        entries.extend(environment_entries(&layers.environment));
        faults.extend(strays(&layers.environment));
        entries.extend(layers.flags.iter().map(|flag| flag_entry(flag)));

        let mut layered = Config::builder();
        let mut origins = BTreeMap::new();
        for entry in entries {
            match entry.and_then(Entry::resolve) {
                Ok(found) => {
                    layered = layered
                        .set_override(found.key.name, found.value)
                        .map_err(|e| unforeseen(&e))?;
                    origins.insert(found.key.name, found.origin);
                }
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(SettingsError { faults });
        }
        let mut settings: Self = layered
            .build()
            .and_then(Config::try_deserialize)
            .map_err(|e| unforeseen(&e))?;
        settings.give_way(|key| origins.contains_key(key));
        settings.check().map_err(|mut error| {
            for fault in &mut error.faults {
                fault.origin = origins.get(fault.key.as_str()).map(ToString::to_string);
            }
            error
        })?;
        let text = |(name, value): &'_ (OsString, OsString)| {
            Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()))
        };
        let texts: Vec<(String, String)> = layers.environment.iter().filter_map(text).collect();
        settings.proxies = ProxyVariables::of(&texts);
        settings.holder = holder(&settings, &origins);
        Ok(settings)
    }
}

/// Returns the settings file if a secret stands in it.
fn holder(settings: &Settings, origins: &BTreeMap<&str, Origin>) -> Option<PathBuf> {
    let has_password = |url: &DatabaseUrl| url.to_string() != url.expose();
    let of_rates = settings.rate_limit.database_url.as_ref();
    let secrets = [
        ("platform.token", true),
        ("database.url", has_password(&settings.database.url)),
        (
            "rate_limit.database_url",
            of_rates.is_some_and(has_password),
        ),
        ("platform.proxy", has_user(&settings.platform.proxy)),
        ("traces.proxy", has_user(&settings.traces.proxy)),
    ];
    secrets
        .into_iter()
        .find_map(|(key, is_secret)| match origins.get(key) {
            Some(Origin::File(path)) if is_secret => Some(path.clone()),
            _ => None,
        })
}

/// Whether a proxy asks for a user, whose name may be a token.
fn has_user(proxy: &ProxySetting) -> bool {
    matches!(proxy, ProxySetting::At(url) if super::proxy::has_user(url))
}

/// Returns a name as somebody wrote it. A text that is no name may be a secret in the wrong place.
fn shown_name(name: &str) -> &str {
    if address::is_name(name) { name } else { HIDDEN }
}

/// Every value was tried alone, so this is a fault of the program; still no reason to panic.
fn unforeseen(error: &ConfigError) -> Fault {
    Fault {
        key: String::new(),
        found: "the settings".into(),
        origin: None,
        rule: error.to_string().replace('\n', " "),
    }
}

fn read_file(named: Option<&Path>) -> Result<Option<(PathBuf, String)>, SettingsError> {
    let path = named.unwrap_or_else(|| Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.into(), text))),
        Err(e) if named.is_none() && e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(layer_fault("the settings file", &Origin::File(path.into()), &e).into()),
    }
}

fn layer_fault(found: &str, origin: &Origin, rule: &dyn fmt::Display) -> Fault {
    Fault {
        key: String::new(),
        found: found.into(),
        origin: Some(origin.to_string()),
        rule: rule.to_string().replace('\n', " "),
    }
}

/// The place of a value.
#[derive(Clone, Debug)]
enum Origin {
    File(PathBuf),
    Environment(String),
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag => f.write_str("--set"),
        }
    }
}

/// A key and value as somebody wrote them.
struct Entry {
    name: String,
    raw: Raw,
    origin: Origin,
}

/// A value that a known key takes.
struct Found {
    key: &'static Key,
    value: Value,
    origin: Origin,
}

impl Entry {
    fn resolve(self) -> Result<Found, Fault> {
        let Some(key) = keys().find(|key| key.name == self.name) else {
            return Err(self.unknown());
        };
        let value = key
            .read(&self.raw)
            .map(|kind| Value::new(Some(&self.origin.to_string()), kind))
            .filter(|value| fits(key, value));
        let Some(value) = value else {
            let shown = if key.secret {
                HIDDEN.into()
            } else {
                self.raw.shown()
            };
            return Err(Fault {
                key: self.name,
                found: format!("{} = {shown}", key.name),
                origin: Some(self.origin.to_string()),
                rule: key.kind.advice(),
            });
        };
        Ok(Found {
            key,
            value,
            origin: self.origin,
        })
    }

    fn unknown(self) -> Fault {
        if let Some(first) = keys().find(|key| section_of(key) == self.name) {
            return Fault {
                found: format!("{} is a section and no setting", self.name),
                key: self.name,
                origin: Some(self.origin.to_string()),
                rule: format!("set one of its keys, such as {}", first.name),
            };
        }
        let known = || keys().map(|key| key.name);
        // `base_url` alone, or in the wrong section: its own section is the likeliest answer.
        let last = self.name.rsplit('.').next().unwrap_or_default();
        // `database_url` is the key of the section `database`, and the end of another key's name.
        let meant = keys()
            .find(|key| flat(key) == self.name)
            .map(|key| key.name)
            .or_else(|| known().find(|name| name.rsplit('.').next() == Some(last)))
            .or_else(|| nearest(&self.name, known()));
        Fault {
            found: format!("unknown setting {}", shown_name(&self.name)),
            key: shown_name(&self.name).to_owned(),
            origin: Some(self.origin.to_string()),
            rule: match meant {
                Some(name) => format!("did you mean {name}?"),
                None => "`contact-courier config` shows all settings; remove this one".into(),
            },
        }
    }
}

/// Returns a key as a variable's name would have it that lacks an underscore: `database_url`.
fn flat(key: &Key) -> String {
    key.name.replace('.', "_")
}

fn section_of(key: &Key) -> &'static str {
    key.name.split('.').next().unwrap_or_default()
}

/// Whether the settings accept the value: tried alone, on the defaults.
fn fits(key: &Key, value: &Value) -> bool {
    let alone = Config::builder().set_override(key.name, value.clone());
    alone.is_ok_and(|alone| {
        let built = alone.build();
        built.and_then(Config::try_deserialize::<Settings>).is_ok()
    })
}

fn file_entries(path: &Path, text: &str) -> Result<Vec<Result<Entry, Fault>>, Fault> {
    let origin = Origin::File(path.into());
    let table: toml::Table = toml::from_str(text).map_err(|e: toml::de::Error| {
        // The error's own text spans lines and quotes the file, which may hold the token.
        let at = e.span().map_or(0, |span| span.start);
        let line = text[..at.min(text.len())].matches('\n').count() + 1;
        let rule = format!("line {line}: {}", e.message());
        layer_fault("the settings file is not valid TOML", &origin, &rule)
    })?;
    let mut entries = Vec::new();
    for (section, content) in table {
        let toml::Value::Table(content) = content else {
            let raw = Raw::Typed(content);
            entries.push(Ok(Entry {
                name: section,
                raw,
                origin: origin.clone(),
            }));
            continue;
        };
        if !keys().any(|key| section_of(key) == section) && content.is_empty() {
            let found = format!("unknown section [{}]", shown_name(&section));
            entries.push(Err(layer_fault(&found, &origin, &"remove it")));
        }
        entries.extend(content.into_iter().map(|(name, value)| {
            Ok(Entry {
                name: format!("{section}.{name}"),
                raw: Raw::Typed(value),
                origin: origin.clone(),
            })
        }));
    }
    Ok(entries)
}

fn environment_entries(environment: &[(OsString, OsString)]) -> Vec<Result<Entry, Fault>> {
    let mut entries: Vec<_> = environment
        .iter()
        .filter_map(|(variable, value)| {
            let variable = variable.to_string_lossy();
            let name = variable.strip_prefix(PREFIX)?;
            Some((
                name.to_ascii_lowercase().replace("__", "."),
                variable,
                value,
            ))
        })
        .collect();
    // The environment has no order of its own; errors have to come in the same order every time.
    entries.sort();
    entries
        .into_iter()
        .map(|(name, variable, value)| {
            let origin = Origin::Environment(variable.into_owned());
            match value.to_str() {
                Some(text) => Ok(Entry {
                    name,
                    raw: Raw::Text(text.into()),
                    origin,
                }),
                None => Err(layer_fault(&name, &origin, &"is not UTF-8 text")),
            }
        })
        .collect()
}

/// The prefix of other variables that somebody may take for our settings.
const NEARLY: &str = "COURIER_";

/// Reports variables that nobody reads, and that look like settings: one underscore is missing.
fn strays(environment: &[(OsString, OsString)]) -> Vec<Fault> {
    let mut faults: Vec<Fault> = environment
        .iter()
        .filter_map(|(variable, _)| {
            let variable = variable.to_str()?;
            let name = variable.strip_prefix(NEARLY)?;
            if name.starts_with('_') || is_of_a_service(name) {
                return None;
            }
            let meant = meant(&name.to_ascii_lowercase())?;
            let (section, key) = meant.split_once('.')?;
            let (section, key) = (section.to_ascii_uppercase(), key.to_ascii_uppercase());
            Some(Fault {
                key: meant.to_owned(),
                found: format!("the environment variable {variable} is not read"),
                origin: None,
                rule: format!("did you mean {PREFIX}{section}__{key}? Write it so, or remove it"),
            })
        })
        .collect();
    faults.sort_by(|one, other| one.found.cmp(&other.found));
    faults
}

/// Whether Kubernetes sets the variable for a service, which may be called `courier`, or
/// `courier-admin`.
fn is_of_a_service(name: &str) -> bool {
    let is_port = name == "PORT" || name.ends_with("_PORT") || name.contains("_PORT_");
    is_port || name.starts_with("PORT_") || name.contains("SERVICE_")
}

/// Returns the key that `database_url` most likely means.
fn meant(name: &str) -> Option<&'static str> {
    let is_last = |key: &&Key| key.name.rsplit('.').next() == Some(name);
    let whole = keys().find(|key| flat(key) == name);
    if let Some(key) = whole.or_else(|| keys().find(is_last)) {
        return Some(key.name);
    }
    let of_section = |key: &&Key| {
        let section = key.name.split('.').next().unwrap_or_default();
        let rest = name.strip_prefix(section);
        rest.is_some_and(|rest| rest.starts_with('_'))
    };
    let all: Vec<String> = keys().map(flat).collect();
    let nearest = nearest(name, all.iter().map(String::as_str));
    let nearest = nearest.and_then(|nearest| keys().find(|key| flat(key) == nearest));
    nearest
        .or_else(|| keys().find(of_section))
        .map(|key| key.name)
}

fn flag_entry(flag: &str) -> Result<Entry, Fault> {
    match flag.split_once('=') {
        Some((name, value)) => Ok(Entry {
            name: name.trim().to_owned(),
            raw: Raw::Text(value.to_owned()),
            origin: Origin::Flag,
        }),
        None => Err(layer_fault(
            // If the end of the key is unknown, so is the beginning of a secret.
            flag.split(|c: char| c != '.' && c != '_' && !c.is_ascii_alphanumeric())
                .next()
                .unwrap_or_default(),
            &Origin::Flag,
            &"write section.key=value, such as --set delivery.linger=2s",
        )),
    }
}
