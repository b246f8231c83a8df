//! The arguments that say where the settings come from.

use std::path::PathBuf;

use clap::Args;

use crate::settings::{Settings, SettingsError};

/// Every command that needs settings takes them too, so that they
/// may stand before the command, behind it or both; a `global` flag would drop the former.
#[derive(Args, Clone, Debug)]
pub(super) struct SettingsArgs {
    /// The settings file [default: /etc/contact-courier/config.toml, if it is there]
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Sets one setting, such as `--set delivery.linger=2s`; goes before file and environment
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub(super) set: Vec<String>,
}

impl SettingsArgs {
    /// Loads the settings; arguments `behind` the command win over arguments before it.
    pub(super) fn load(&self, behind: &Self) -> Result<Settings, SettingsError> {
        self.followed_by(behind).read()
    }

    pub(super) fn followed_by(&self, behind: &Self) -> Self {
        Self {
            config: behind.config.clone().or_else(|| self.config.clone()),
            set: [self.set.as_slice(), &behind.set].concat(),
        }
    }

    /// Reads the settings from these places.
    pub(super) fn read(&self) -> Result<Settings, SettingsError> {
        Settings::load(self.config.as_deref(), &self.set)
    }
}
