//! All settings together, section by section.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use super::admin::AdminSettings;
use super::certificates;
use super::database::DatabaseSettings;
use super::delivery::{DeliverySettings, SuffixBy};
use super::error::{Faults, SettingsError};
use super::log::LogSettings;
use super::platform::PlatformSettings;
use super::proxy::{ProxySetting, ProxyVariables};
use super::rate_limit::RateLimitSettings;
use super::request::RequestSettings;
use super::retention::RetentionSettings;
use super::retry::RetrySettings;
use super::secret_file::{self, ExposedFile};
use super::traces::TracesSettings;
use crate::contact::RequestDefaults;
use crate::http::Way;

/// All settings, in the sections of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub database: DatabaseSettings,
    pub platform: PlatformSettings,
    pub request: RequestSettings,
    pub delivery: DeliverySettings,
    pub retry: RetrySettings,
    pub rate_limit: RateLimitSettings,
    pub retention: RetentionSettings,
    pub admin: AdminSettings,
    pub traces: TracesSettings,
    pub log: LogSettings,
    /// The proxies that the environment names.
    #[serde(skip)]
    pub(super) proxies: ProxyVariables,
    /// The settings file, if a secret stands in it.
    #[serde(skip)]
    pub(super) holder: Option<PathBuf>,
}

impl Settings {
    /// Checks every rule. `Err` names all broken rules.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut faults = Faults::default();
        self.database.check(&mut faults);
        self.platform.check(&mut faults);
        self.delivery.check(&mut faults);
        self.retry.check(&mut faults);
        self.rate_limit.check(&self.database, &mut faults);
        self.retention.check(&mut faults);
        self.admin.check(&mut faults);
        self.traces.check(&mut faults);
        self.log.check(&mut faults);
        if faults.0.is_empty() {
            return Ok(());
        }
        Err(SettingsError { faults: faults.0 })
    }

    /// Returns the way to the platform. Fails if a file of it cannot be used.
    pub fn way_to_platform(&self) -> Result<Way, SettingsError> {
        let platform = &self.platform;
        let proxy = platform.proxy.of(&platform.base_url, &self.proxies);
        way("platform", proxy, platform.ca_file.as_deref())
    }

    /// Returns the way to the collector of traces at this address, likewise.
    pub fn way_to_collector(&self, endpoint: &Url) -> Result<Way, SettingsError> {
        let proxy = self.traces.proxy.of(endpoint, &self.proxies);
        way("traces", proxy, self.traces.ca_file.as_deref())
    }

    /// Whether the environment names a proxy for the platform that is not used.
    pub fn leaves_out_a_proxy(&self) -> bool {
        self.platform.proxy == ProxySetting::None
            && self.proxies.name_one_for(&self.platform.base_url)
    }

    /// Returns the files with a secret that others may read.
    pub fn exposed_files(&self) -> Vec<ExposedFile> {
        self.secret_files()
            .filter_map(|file| secret_file::exposed(file))
            .collect()
    }

    /// Whether any secret stands in a file.
    pub fn has_secret_files(&self) -> bool {
        self.secret_files().next().is_some()
    }

    fn secret_files(&self) -> impl Iterator<Item = &PathBuf> {
        let files = [
            &self.platform.token_file,
            &self.database.url_file,
            &self.database.password_file,
            &self.admin.users_file,
            &self.admin.viewers_file,
            &self.admin.key_file,
            &self.rate_limit.database_url_file,
            &self.rate_limit.database_password_file,
            &self.holder,
        ];
        files.into_iter().flatten()
    }

    /// Returns the database that keeps the rates, if that is another one.
    pub fn rates_database(&self) -> Option<DatabaseSettings> {
        self.rate_limit.database(&self.database)
    }

    /// Fails if no token is set: for the commands that call the platform.
    pub fn require_platform_token(&self) -> Result<(), SettingsError> {
        Ok(self.platform.require_token()?)
    }

    /// Returns the values for options that a row leaves null, and the longest length of a contact.
    pub fn request_defaults(&self) -> RequestDefaults {
        RequestDefaults {
            ignore_crm: self.request.ignore_crm,
            skip_error: self.request.skip_error,
            number_add_suffix: self.request.number_add_suffix,
            encryption: self.request.encryption,
            courier_appends_suffix: self.delivery.suffix == SuffixBy::Courier,
            max_contact_bytes: self.delivery.max_contact_bytes,
        }
    }
}

fn way(
    section: &'static str,
    proxy: Option<Url>,
    ca_file: Option<&Path>,
) -> Result<Way, SettingsError> {
    let authorities = ca_file.map(|file| certificates::read(&format!("{section}.ca_file"), file));
    Ok(Way {
        section,
        proxy,
        authorities: authorities.transpose()?.unwrap_or_default(),
    })
}
