//! Reloading: the effect of SIGHUP on a running courier.
//!
//! The settings are read again from the same places. A running courier takes the live keys over at
//! once, and logs the keys that need a restart. Settings with a fault change nothing at all.

use std::sync::Arc;

use crate::app;
use crate::cli::settings_args::SettingsArgs;
use crate::courier::lifecycle::Hangups;
use crate::courier::pulse::Pulse;
use crate::courier::supervisor;
use crate::courier::tuning::Tuner;
use crate::outbox::Operations;
use crate::settings::{Settings, SettingsError};
use crate::telemetry::event::{SettingsNotReloaded, SettingsReloaded};
use crate::telemetry::logging::LogLevel;

/// The parts that reloading reads and changes.
pub(super) struct Reloading {
    /// The sources of the settings.
    pub(super) places: SettingsArgs,
    /// The settings in force.
    pub(super) settings: Settings,
    /// The courier's tuner.
    pub(super) tuner: Tuner,
    /// For noting the reload in the history.
    pub(super) operations: Arc<dyn Operations>,
    /// The level of logged lines.
    pub(super) log: LogLevel,
}

impl Reloading {
    /// Reloads at each hangup, once the courier works. Does not end.
    pub(super) async fn heed(mut self, mut hangups: Hangups, pulse: Arc<Pulse>) {
        pulse.begun().await;
        loop {
            hangups.next().await;
            supervisor::reloading();
            let reloaded = self.reload();
            supervisor::reloaded();
            match reloaded {
                Ok(keys) if keys.is_empty() => {}
                Ok(keys) => {
                    let action = app::action("reload", &keys.join(", "));
                    app::note(&*self.operations, &action, None).await;
                }
                Err(error) => SettingsNotReloaded { error: &error }.emit(),
            }
        }
    }

    /// Returns the keys whose values have changed.
    fn reload(&mut self) -> Result<Vec<&'static str>, SettingsError> {
        let new = self.places.read()?;
        // The next start would fail without one.
        new.require_platform_token()?;
        let changes = self.settings.changes_to(&new);
        self.settings = self.settings.with_live_of(&new);
        self.tuner.change(app::tuning(&self.settings));
        let told = SettingsReloaded { changes: &changes };
        // This event must be logged even if the new level is quieter.
        let heard = SettingsReloaded::is_heard();
        if heard {
            told.emit();
        }
        self.log.change(&self.settings.log.level);
        if !heard {
            told.emit();
        }
        let live = changes.iter().filter(|change| change.live);
        Ok(live.map(|change| change.key).collect())
    }
}
