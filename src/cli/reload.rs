//! Reloading: what SIGHUP does to a running courier.
//!
//! The settings are read again from the same places. What a running courier takes over is in force
//! at once, what takes a restart is told; settings with a fault in them change nothing at all.

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

/// What reloading needs to know and to change.
pub(super) struct Reloading {
    /// Where the settings come from.
    pub(super) places: SettingsArgs,
    /// Those in force.
    pub(super) settings: Settings,
    /// The courier's.
    pub(super) tuner: Tuner,
    /// Where it is kept who did what.
    pub(super) operations: Arc<dyn Operations>,
    /// Which lines are logged.
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

    /// Returns the keys whose value is another one from now on.
    fn reload(&mut self) -> Result<Vec<&'static str>, SettingsError> {
        let new = self.places.read()?;
        // The next start would fail for it.
        new.require_platform_token()?;
        let changes = self.settings.changes_to(&new);
        self.settings = self.settings.with_live_of(&new);
        self.tuner.change(app::tuning(&self.settings));
        let told = SettingsReloaded { changes: &changes };
        // It shall be heard although it may be what makes the log quiet.
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
