//! The settings: every key, its unit, its default and its check, one file per section.
//!
//! Neighbours: the command line hands over the path of a file and the `--set` flags; everything
//! else gets the finished [`Settings`]. Only this module reads the environment.
//!
//! This module guarantees that loaded [`Settings`] hold only values that keep every rule; that no
//! key is ignored because it was misspelt; and that neither `Debug` nor serialising shows a secret.

mod address;
mod admin;
mod certificates;
mod change;
mod database;
mod delivery;
mod error;
mod give_way;
mod key;
mod keys;
mod load;
mod log;
mod platform;
mod proxy;
mod rate_limit;
mod request;
mod retention;
mod retry;
mod secret_file;
mod sections;
mod server_certificate;
mod shown;
mod traces;

pub use self::admin::AdminSettings;
pub use self::change::SettingChange;
pub use self::database::{DatabaseSettings, DatabaseUrl};
pub use self::delivery::{DeliverySettings, SuffixBy};
pub use self::error::{Fault, SettingsError};
pub use self::load::{DEFAULT_FILE, Layers};
pub use self::log::{LogFormat, LogSettings};
pub use self::platform::PlatformSettings;
pub use self::proxy::{ProxySetting, is_this_host};
pub use self::rate_limit::{RateLimitSettings, RateScope};
pub use self::request::RequestSettings;
pub use self::retention::RetentionSettings;
pub use self::retry::RetrySettings;
pub use self::secret_file::{
    ExposedFile, SecretFileError, Version, read_secret, read_secret_lines,
};
pub use self::sections::Settings;
pub use self::server_certificate::{CertificateError, ServerCertificate};
pub use self::shown::shown_path;
pub use self::traces::TracesSettings;

#[cfg(test)]
mod tests;
