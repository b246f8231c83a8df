//! `[rate_limit]`: how many requests the platform lets us send.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::database::{DatabaseSettings, DatabaseUrl, Prefix};
use super::error::{Faults, SettingsError};
use super::key::{Key, Kind};
use super::shown::{as_written, empty_if_none, path_if_some};

pub(super) const KEYS: &[Key] = &[
    Key::new("rate_limit.requests_per_second", Kind::Number).live(),
    Key::new("rate_limit.per_user", Kind::Number)
        .optional()
        .live(),
    Key::new("rate_limit.per_lane", Kind::Number)
        .optional()
        .live(),
    Key::new("rate_limit.burst", Kind::Whole).live(),
    Key::new("rate_limit.scope", Kind::OneOf(&["instance", "cluster"])),
    Key::new("rate_limit.database_url", Kind::Text)
        .optional()
        .secret(),
    Key::new("rate_limit.database_url_file", Kind::Path).optional(),
    Key::new("rate_limit.database_password_file", Kind::Path).optional(),
];

#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitSettings {
    /// Requests per second in all; may be a fraction. Default 10.
    pub requests_per_second: f64,
    /// Requests per second of one `user_id`. Default: none, no limit of its own.
    #[serde(serialize_with = "empty_if_none")]
    pub per_user: Option<f64>,
    /// Requests per second of one lane. Default: none, no limit of its own.
    #[serde(serialize_with = "empty_if_none")]
    pub per_lane: Option<f64>,
    /// How many requests may go at once after a rest. Default 1.
    pub burst: u32,
    /// Whom the limits are for. Default `instance`: each courier has them for itself; `cluster`:
    /// all couriers on one database share them.
    pub scope: RateScope,
    /// The database that keeps the rates for `scope = "cluster"`, as `database.url` is written: for
    /// couriers of several databases that have one limit together. It has the tables of this
    /// program, too; `database.tls`, `ca_file` and `auto_migrate` count for it. Default: none,
    /// `database.url`.
    #[serde(serialize_with = "empty_if_none")]
    pub database_url: Option<DatabaseUrl>,
    /// A file with that address, in the place of `database_url`; read again when it changes.
    /// Default: none.
    #[serde(serialize_with = "path_if_some")]
    pub database_url_file: Option<PathBuf>,
    /// A file with its password, which then stands in no address; read again when it changes.
    /// Default: none.
    #[serde(serialize_with = "path_if_some")]
    pub database_password_file: Option<PathBuf>,
    /// The content of the file with the address.
    #[serde(skip)]
    found: Option<DatabaseUrl>,
}

/// As it is written: no secret, nor one that stands in the place of its path.
impl fmt::Debug for RateLimitSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&as_written(self)?)
    }
}

/// Connections to a database that keeps the rates alone.
const CONNECTIONS: u32 = 2;

/// Whom the limits are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateScope {
    /// Each courier has them for itself.
    #[default]
    Instance,
    /// All couriers on one database share them.
    Cluster,
}

impl Default for RateLimitSettings {
    fn default() -> Self {
        Self {
            requests_per_second: 10.0,
            per_user: None,
            per_lane: None,
            burst: 1,
            scope: RateScope::Instance,
            database_url: None,
            database_url_file: None,
            database_password_file: None,
            found: None,
        }
    }
}

impl RateLimitSettings {
    /// Takes over the keys that a running courier can change.
    pub(super) fn go_by(&mut self, new: &Self) {
        self.requests_per_second = new.requests_per_second;
        self.per_user = new.per_user;
        self.per_lane = new.per_lane;
        self.burst = new.burst;
    }

    /// Returns these settings with the present content of the file with the address.
    pub(super) fn reread(&self, own: &DatabaseSettings) -> Result<Self, SettingsError> {
        let read = self.database(own).map(|database| database.reread());
        Ok(Self {
            found: read.transpose()?.and_then(|database| database.found),
            ..self.clone()
        })
    }

    /// Returns the database that keeps the rates, if it is another one than the courier's own. Few
    /// connections are enough, because claims come one at a time.
    pub(super) fn database(&self, own: &DatabaseSettings) -> Option<DatabaseSettings> {
        if self.database_url.is_none() && self.database_url_file.is_none() {
            return None;
        }
        let nowhere = DatabaseSettings::default();
        Some(DatabaseSettings {
            url: self.database_url.clone().unwrap_or(nowhere.url),
            url_file: self.database_url_file.clone(),
            password_file: self.database_password_file.clone(),
            tls: own.tls,
            ca_file: own.ca_file.clone(),
            max_connections: CONNECTIONS,
            auto_migrate: own.auto_migrate,
            found: self.found.clone(),
            prefix: Prefix("rate_limit.database_"),
        })
    }

    /// Checks that a database of the rates comes with the scope that shares them.
    fn check_database(&self, own: &DatabaseSettings, faults: &mut Faults) {
        let Some(database) = self.database(own) else {
            let file = self.database_password_file.as_deref();
            faults.demand(
                file.is_none(),
                "rate_limit.database_password_file",
                file.unwrap_or("".as_ref()).display(),
                "set rate_limit.database_url, too, or leave it out",
            );
            return;
        };
        faults.demand(
            self.scope == RateScope::Cluster,
            "rate_limit.database_url",
            database.url(),
            "set rate_limit.scope = \"cluster\", too, or leave it out",
        );
        database.check_address(faults);
    }

    pub(super) fn check(&self, own: &DatabaseSettings, faults: &mut Faults) {
        self.check_database(own, faults);
        for (key, rate) in [
            (
                "rate_limit.requests_per_second",
                Some(self.requests_per_second),
            ),
            ("rate_limit.per_user", self.per_user),
            ("rate_limit.per_lane", self.per_lane),
        ] {
            let Some(rate) = rate else { continue };
            let kept = (0.001..=1_000_000.0).contains(&rate);
            faults.demand(kept, key, rate, "must be 0.001 to 1000000");
        }
        let burst = self.burst;
        faults.demand(burst >= 1, "rate_limit.burst", burst, "must be at least 1");
    }
}
