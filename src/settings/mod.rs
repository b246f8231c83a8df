//! The settings: every key, its unit, its default and its check, one file per section.
//!
//! Neighbours: the command line hands over the path of a file and the `--set` flags; everything
//! else gets the finished [`Settings`]. Only this module reads the environment.
//!
//! It guarantees that whoever holds [`Settings`] that were loaded holds values that keep every
//! rule; that no key is ignored because it was misspelt; and that neither `Debug` nor serialising
//! shows a secret.

mod address;
mod admin;
mod change;
mod database;
mod delivery;
mod error;
mod key;
mod load;
mod log;
mod platform;
mod rate_limit;
mod request;
mod retention;
mod retry;
mod shown;
#[cfg(test)]
mod tests;
mod traces;

use serde::{Deserialize, Serialize};

pub use self::admin::AdminSettings;
pub use self::change::SettingChange;
pub use self::database::{DatabaseKind, DatabaseSettings, DatabaseUrl};
pub use self::delivery::{DeliverySettings, SuffixBy};
pub use self::error::{Fault, SettingsError};
pub use self::load::{DEFAULT_FILE, Layers};
pub use self::log::{LogFormat, LogSettings};
pub use self::platform::PlatformSettings;
pub use self::rate_limit::{RateLimitSettings, RateScope};
pub use self::request::RequestSettings;
pub use self::retention::RetentionSettings;
pub use self::retry::RetrySettings;
pub use self::traces::TracesSettings;

use self::error::Faults;
use self::key::Key;
use crate::contact::RequestDefaults;

/// All settings, in the sections of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `[database]`.
    pub database: DatabaseSettings,
    /// `[platform]`.
    pub platform: PlatformSettings,
    /// `[request]`.
    pub request: RequestSettings,
    /// `[delivery]`.
    pub delivery: DeliverySettings,
    /// `[retry]`.
    pub retry: RetrySettings,
    /// `[rate_limit]`.
    pub rate_limit: RateLimitSettings,
    /// `[retention]`.
    pub retention: RetentionSettings,
    /// `[admin]`.
    pub admin: AdminSettings,
    /// `[traces]`.
    pub traces: TracesSettings,
    /// `[log]`.
    pub log: LogSettings,
}

impl Settings {
    /// Checks every rule; answers with all that are broken.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut faults = Faults::default();
        self.database.check(&mut faults);
        self.platform.check(&mut faults);
        self.delivery.check(&mut faults);
        self.retry.check(&mut faults);
        self.rate_limit.check(&mut faults);
        self.retention.check(&mut faults);
        self.traces.check(&mut faults);
        self.log.check(&mut faults);
        if faults.0.is_empty() {
            return Ok(());
        }
        Err(SettingsError { faults: faults.0 })
    }

    /// Fails if no token is set: for the commands that call the platform.
    pub fn require_platform_token(&self) -> Result<(), SettingsError> {
        Ok(self.platform.require_token()?)
    }

    /// What is in force where a row leaves an option null.
    pub fn request_defaults(&self) -> RequestDefaults {
        RequestDefaults {
            ignore_crm: self.request.ignore_crm,
            skip_error: self.request.skip_error,
            number_add_suffix: self.request.number_add_suffix,
            encryption: self.request.encryption,
            courier_appends_suffix: self.delivery.suffix == SuffixBy::Courier,
        }
    }
}

/// Every key there is.
fn keys() -> impl Iterator<Item = &'static Key> {
    [
        database::KEYS,
        platform::KEYS,
        request::KEYS,
        delivery::KEYS,
        retry::KEYS,
        rate_limit::KEYS,
        retention::KEYS,
        admin::KEYS,
        traces::KEYS,
        log::KEYS,
    ]
    .into_iter()
    .flatten()
}
