//! Events of operators' orders.

use std::fmt::Display;

use tracing::{info, warn};

use super::target::{LANES, LIFECYCLE};
use crate::telemetry::metrics::METRICS;

/// An operator has paused lanes.
pub struct SendingPaused<S> {
    pub scope: S,
    /// The operator, and the reason.
    pub reason: String,
}

impl<S: Display> SendingPaused<S> {
    pub fn emit(&self) {
        let Self { scope, reason } = self;
        info!(target: LANES, %scope, reason, "paused by an operator: nothing of it is sent");
    }
}

/// A pause is over.
pub struct SendingUnpaused<S> {
    pub scope: S,
}

impl<S: Display> SendingUnpaused<S> {
    pub fn emit(&self) {
        info!(target: LANES, scope = %self.scope, "pause is over");
    }
}

/// An operator has ordered that lanes are tried at once.
pub struct Resumed<S> {
    pub scope: S,
}

impl<S: Display> Resumed<S> {
    pub fn emit(&self) {
        info!(target: LANES, scope = %self.scope, "resumed by an operator: tried at once");
    }
}

/// The number of pauses in force.
pub struct PausesInForce(pub usize);

impl PausesInForce {
    /// Sets the gauge.
    pub fn emit(&self) {
        let pauses = i64::try_from(self.0).unwrap_or(i64::MAX);
        METRICS.requests.pauses.set(pauses);
    }
}

/// An operator has acted, through this courier or elsewhere.
pub struct OperatorActed<'a> {
    /// The command.
    pub action: &'a str,
    /// The contacts, lanes or settings that were selected.
    pub selection: &'a str,
    /// The number of rows.
    pub affected: Option<u64>,
    pub os_user: &'a str,
    pub host: &'a str,
    /// Whether the action did not reach its end.
    pub is_broken_off: bool,
}

impl OperatorActed<'_> {
    pub fn emit(&self) {
        let Self {
            action,
            selection,
            affected,
            os_user,
            host,
            ..
        } = self;
        let state = if self.is_broken_off {
            "broken off"
        } else {
            "done"
        };
        info!(target: LIFECYCLE, action, selection, affected, os_user, host, state, "an operator did something");
    }
}

/// An action could not be kept in the history.
pub struct ActionNotNoted<'a> {
    /// The command.
    pub action: &'a str,
    pub error: &'a str,
}

impl ActionNotNoted<'_> {
    pub fn emit(&self) {
        let Self { action, error } = self;
        warn!(target: LIFECYCLE, action, error, "the history does not tell of it");
    }
}
