//! What becomes of lanes: pauses, leases, take-overs.

use std::time::Duration;

use tracing::{error, info, warn};

use super::LANES;
use crate::batch::BatchId;
use crate::contact::Lane;
use crate::platform::verdict::Wait;

/// A lane begins to wait, or has a new reason to, though no batch of it waits.
pub struct LanePaused<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// Why.
    pub wait: &'a Wait,
    /// For how long.
    pub delay: Duration,
}

impl LanePaused<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let reason = self.wait.reason.as_str();
        let retry_in_ms = u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX);
        let answer = &self.wait.message;
        warn!(target: LANES, lane = %self.lane, outcome = reason, retry_in_ms, answer, "lane waits");
    }
}

/// What a lane has to write cannot be written: it waits, and sends nothing.
pub struct LaneStopped<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// Why.
    pub error: &'a str,
    /// For how long.
    pub delay: Duration,
}

impl LaneStopped<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let retry_in_ms = u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX);
        error!(target: LANES, lane = %self.lane, error = self.error, retry_in_ms, "lane stopped: its outcomes cannot be written");
    }
}

/// A lane that waited gets on again.
pub struct LaneRecovered<'a> {
    /// The lane.
    pub lane: &'a Lane,
}

impl LaneRecovered<'_> {
    /// Logs it.
    pub fn emit(&self) {
        info!(target: LANES, lane = %self.lane, "lane goes on");
    }
}

/// Another session keeps rows locked that are to be settled.
pub struct RowsLocked<'a> {
    /// Their lane.
    pub lane: &'a Lane,
    /// How many are settled together, locked and not.
    pub contacts: usize,
}

impl RowsLocked<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let Self { lane, contacts } = self;
        warn!(target: LANES, %lane, contacts, "rows are locked by another session; settling them waits until it lets go");
    }
}

/// It has let them go.
pub struct RowsUnlocked<'a> {
    /// Their lane.
    pub lane: &'a Lane,
}

impl RowsUnlocked<'_> {
    /// Logs it.
    pub fn emit(&self) {
        info!(target: LANES, lane = %self.lane, "rows are not locked any more");
    }
}

/// Open batches of an earlier owner were taken over.
pub struct TakenOver<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// How many batches.
    pub batches: usize,
    /// How many of them may have been delivered.
    pub maybe_delivered: usize,
}

impl TakenOver<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let Self {
            lane,
            batches,
            maybe_delivered,
        } = self;
        info!(target: LANES, %lane, batches, maybe_delivered, "open batches taken over from an earlier courier");
    }
}

/// A lane was given up, for it has another owner or may have one.
pub struct LeaseLost<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// The batch that was not sent or not settled for it, if any.
    pub batch: Option<BatchId>,
}

impl LeaseLost<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let batch = self.batch.map(|batch| batch.to_string());
        warn!(target: LANES, lane = %self.lane, batch, "lease lost; another courier goes on with this lane");
    }
}

/// Something failed that is a defect of ours or of the set-up.
pub struct LaneFailed<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// What.
    pub error: &'a str,
}

impl LaneFailed<'_> {
    /// Logs it.
    pub fn emit(&self) {
        error!(target: LANES, lane = %self.lane, error = self.error, "lane dropped; it is tried again later");
    }
}
