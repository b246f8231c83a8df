//! What operators order.

use std::fmt::Display;

use tracing::info;

use super::target::LANES;
use crate::telemetry::metrics::METRICS;

/// An operator has paused lanes.
pub struct SendingPaused<S> {
    pub scope: S,
    /// Who, and why.
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

/// An operator has lanes tried at once.
pub struct Resumed<S> {
    pub scope: S,
}

impl<S: Display> Resumed<S> {
    pub fn emit(&self) {
        info!(target: LANES, scope = %self.scope, "resumed by an operator: tried at once");
    }
}

/// How many pauses are in force.
pub struct PausesInForce(pub usize);

impl PausesInForce {
    /// Sets the gauge.
    pub fn emit(&self) {
        let pauses = i64::try_from(self.0).unwrap_or(i64::MAX);
        METRICS.requests.pauses.set(pauses);
    }
}
