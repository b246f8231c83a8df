//! The courier's beginning and end.

use std::net::SocketAddr;
use std::time::Duration;

use tracing::{info, warn};

use super::LIFECYCLE;

/// The courier begins.
pub struct Started<'a> {
    /// This instance.
    pub instance: &'a str,
    /// Where batches go.
    pub base_url: &'a str,
    /// Where contacts come from, without its password.
    pub database: &'a str,
    /// The settings in force in one line, secrets hidden.
    pub settings: &'a str,
}

impl Started<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let Self {
            instance,
            base_url,
            database,
            settings,
        } = self;
        info!(target: LIFECYCLE,
            version = env!("CARGO_PKG_VERSION"),
            instance,
            base_url,
            database,
            settings,
            "courier started"
        );
    }
}

/// Operators can ask how the courier is.
pub struct AdminListening {
    /// Where.
    pub address: SocketAddr,
}

impl AdminListening {
    /// Logs it.
    pub fn emit(&self) {
        info!(
            target: LIFECYCLE,
            address = %self.address,
            "metrics, health checks and status page are served"
        );
    }
}

/// The courier was asked to end.
pub struct Stopping<'a> {
    /// By what.
    pub because: &'a str,
    /// How long requests in flight have to finish.
    pub grace: Duration,
}

impl Stopping<'_> {
    /// Logs it.
    pub fn emit(&self) {
        info!(target: LIFECYCLE,
            because = self.because,
            grace_s = self.grace.as_secs(),
            "stopping: no new sends, those in flight finish"
        );
    }
}

/// The courier has ended.
pub struct Stopped {
    /// Whether everything in flight was settled first.
    pub clean: bool,
}

impl Stopped {
    /// Logs it.
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

/// What started the courier could not be told how it is.
pub struct SupervisorUntold<'a> {
    /// Why not.
    pub error: &'a std::io::Error,
}

impl SupervisorUntold<'_> {
    /// Logs it.
    pub fn emit(&self) {
        warn!(
            target: LIFECYCLE,
            error = %self.error,
            "cannot reach the supervisor at NOTIFY_SOCKET; systemd may take the courier for dead"
        );
    }
}
