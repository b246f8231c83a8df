//! The courier's beginning and end.

use std::net::SocketAddr;
use std::time::Duration;

use tracing::{Level, enabled, error, info, warn};

use super::target::LIFECYCLE;
use crate::settings::SettingChange;
use crate::telemetry::metrics::METRICS;

pub struct Started<'a> {
    pub instance: &'a str,
    pub base_url: &'a str,
    /// The database of the contacts, without its password.
    pub database: &'a str,
    /// How the connection to the database is secured.
    pub encryption: &'a str,
    /// The settings in force in one line, secrets hidden.
    pub settings: &'a str,
}

impl Started<'_> {
    pub fn emit(&self) {
        let Self {
            instance,
            base_url,
            database,
            encryption,
            settings,
        } = self;
        info!(target: LIFECYCLE,
            version = env!("CARGO_PKG_VERSION"),
            instance,
            base_url,
            database,
            encryption,
            settings,
            "courier started"
        );
    }
}

/// The environment names a proxy for the platform, and the settings do not use it.
pub struct ProxyLeftOut;

impl ProxyLeftOut {
    pub fn emit_if(it_is_so: bool) {
        if it_is_so {
            info!(target: LIFECYCLE,
                "the environment names a proxy, which is not used; platform.proxy = \"environment\" uses it"
            );
        }
    }
}

/// A file that holds a part of the database's address has changed.
pub struct DatabaseAddressChanged<'a> {
    /// Why the file is not used; `None`: new connections use it.
    pub why: Option<&'a str>,
}

impl DatabaseAddressChanged<'_> {
    pub fn emit(&self) {
        match self.why {
            None => info!(target: LIFECYCLE, "new database connections use the changed file"),
            Some(error) => warn!(target: LIFECYCLE, error, "the changed file is not used"),
        }
    }
}

/// The database is not there yet.
pub struct DatabaseAwaited<'a> {
    pub error: &'a str,
}

impl DatabaseAwaited<'_> {
    pub fn emit(&self) {
        warn!(target: LIFECYCLE, error = self.error, "waiting for the database");
    }
}

/// The database that keeps the rates does not respond.
pub struct SharedRatesAway<'a> {
    pub error: &'a str,
    /// The number of couriers that share the rates, as far as is known.
    pub sharers: u32,
}

impl SharedRatesAway<'_> {
    pub fn emit(&self) {
        let Self { error, sharers } = self;
        warn!(
            target: LIFECYCLE,
            error, sharers, "the shared rates are away; sending at this courier's part of them"
        );
    }
}

/// The database that keeps the rates responds again.
pub struct SharedRatesBack {
    pub sharers: u32,
}

impl SharedRatesBack {
    pub fn emit(&self) {
        let sharers = self.sharers;
        info!(target: LIFECYCLE, sharers, "the shared rates are back");
    }
}

/// Log lines could not be written in time.
pub struct LogLinesLost {
    /// The number of lines lost since the last report.
    pub lines: u64,
}

impl LogLinesLost {
    /// Counts and logs it, so that a later reader sees that lines are missing.
    pub fn emit(&self) {
        METRICS.lost_lines.inc_by(self.lines);
        warn!(
            target: LIFECYCLE,
            lines = self.lines,
            "log lines were dropped: standard error was not read for a while"
        );
    }
}

/// The admin port listens.
pub struct AdminListening {
    pub address: SocketAddr,
}

impl AdminListening {
    pub fn emit(&self) {
        info!(
            target: LIFECYCLE,
            address = %self.address,
            "metrics, health checks and status page are served"
        );
    }
}

/// The courier was asked to stop.
pub struct Stopping<'a> {
    pub because: &'a str,
    /// The time that requests in flight have to finish.
    pub grace: Duration,
}

impl Stopping<'_> {
    pub fn emit(&self) {
        info!(target: LIFECYCLE,
            because = self.because,
            grace_s = self.grace.as_secs(),
            "stopping: no new sends, those in flight finish"
        );
    }
}

pub struct Stopped {
    /// Whether everything in flight was settled first.
    pub clean: bool,
}

impl Stopped {
    pub fn emit(&self) {
        if self.clean {
            info!(target: LIFECYCLE, "courier stopped; nothing is in flight");
        } else {
            warn!(target: LIFECYCLE,
                "courier stopped before all was settled; the next start goes on from the journal"
            );
        }
    }
}

/// The settings were read again.
pub struct SettingsReloaded<'a> {
    /// The keys whose values have changed.
    pub changes: &'a [SettingChange],
}

impl SettingsReloaded<'_> {
    /// Whether the log level lets the event through.
    pub fn is_heard() -> bool {
        enabled!(target: LIFECYCLE, Level::WARN)
    }

    /// Logs the changes in force now, and those in force after a restart. It is a warning, because
    /// a person who changes settings wants to see it even in a quiet log.
    pub fn emit(&self) {
        if self.changes.is_empty() {
            warn!(target: LIFECYCLE, "settings read again; nothing in them has changed");
        }
        let taken = listed(self.changes, true);
        if !taken.is_empty() {
            warn!(target: LIFECYCLE, changed = taken, "settings reloaded");
        }
        let left = listed(self.changes, false);
        if !left.is_empty() {
            warn!(
                target: LIFECYCLE,
                needs_restart = left,
                "settings have changed that are not in force before a restart"
            );
        }
    }
}

fn listed(changes: &[SettingChange], live: bool) -> String {
    let of_kind = changes.iter().filter(|change| change.live == live);
    let texts: Vec<String> = of_kind.map(ToString::to_string).collect();
    texts.join("; ")
}

/// The settings were read again and cannot be used.
pub struct SettingsNotReloaded<'a> {
    pub error: &'a dyn std::fmt::Display,
}

impl SettingsNotReloaded<'_> {
    pub fn emit(&self) {
        error!(
            target: LIFECYCLE,
            error = %self.error,
            "settings not reloaded; those from before stay in force"
        );
    }
}

/// The supervisor could not be told the courier's state.
pub struct SupervisorUntold<'a> {
    pub error: &'a std::io::Error,
}

impl SupervisorUntold<'_> {
    pub fn emit(&self) {
        warn!(
            target: LIFECYCLE,
            error = %self.error,
            "cannot reach the supervisor at NOTIFY_SOCKET; systemd may take the courier for dead"
        );
    }
}
