//! Events of lanes: holds, leases, take-overs.

use std::time::Duration;

use tracing::{error, info, warn};

use super::target::LANES;
use crate::batch::BatchId;
use crate::contact::Lane;
use crate::platform::verdict::Wait;

/// A lane begins to wait, or has a new reason to, though no batch of the lane waits.
pub struct LaneHeld<'a> {
    pub lane: &'a Lane,
    pub wait: &'a Wait,
    pub delay: Duration,
}

impl LaneHeld<'_> {
    pub fn emit(&self) {
        let reason = self.wait.reason.as_str();
        let retry_in_ms = u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX);
        let answer = &self.wait.message;
        warn!(target: LANES, lane = %self.lane, outcome = reason, retry_in_ms, answer, "lane waits");
    }
}

/// A lane waits and sends nothing, because its outcomes cannot be written.
pub struct LaneStopped<'a> {
    pub lane: &'a Lane,
    pub error: &'a str,
    pub delay: Duration,
}

impl LaneStopped<'_> {
    pub fn emit(&self) {
        let retry_in_ms = u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX);
        error!(target: LANES, lane = %self.lane, error = self.error, retry_in_ms, "lane stopped: its outcomes cannot be written");
    }
}

/// A lane that waited goes on.
pub struct LaneRecovered<'a> {
    pub lane: &'a Lane,
}

impl LaneRecovered<'_> {
    pub fn emit(&self) {
        info!(target: LANES, lane = %self.lane, "lane goes on");
    }
}

/// Rows cannot be settled because another session keeps them locked.
pub struct RowsLocked<'a> {
    pub lane: &'a Lane,
    /// The number of rows that are settled together, locked or not.
    pub contacts: usize,
}

impl RowsLocked<'_> {
    pub fn emit(&self) {
        let Self { lane, contacts } = self;
        warn!(target: LANES, %lane, contacts, "rows are locked by another session; settling them waits until it lets go");
    }
}

/// The locked rows are free again.
pub struct RowsUnlocked<'a> {
    pub lane: &'a Lane,
}

impl RowsUnlocked<'_> {
    pub fn emit(&self) {
        info!(target: LANES, lane = %self.lane, "rows are not locked any more");
    }
}

/// Open batches of an earlier owner were taken over.
pub struct TakenOver<'a> {
    pub lane: &'a Lane,
    pub batches: usize,
    /// The number of these batches that may have been delivered.
    pub maybe_delivered: usize,
}

impl TakenOver<'_> {
    pub fn emit(&self) {
        let Self {
            lane,
            batches,
            maybe_delivered,
        } = self;
        info!(target: LANES, %lane, batches, maybe_delivered, "open batches taken over from an earlier courier");
    }
}

/// The courier stopped its work on a lane, which has another owner or may have one.
pub struct LeaseLost<'a> {
    pub lane: &'a Lane,
    /// The batch that was not sent or not settled because of it, if any.
    pub batch: Option<BatchId>,
}

impl LeaseLost<'_> {
    pub fn emit(&self) {
        let batch = self.batch.map(|batch| batch.to_string());
        warn!(target: LANES, lane = %self.lane, batch, "lease lost; another courier goes on with this lane");
    }
}

/// Something failed because of a defect in the program or in the set-up.
pub struct LaneFailed<'a> {
    pub lane: &'a Lane,
    pub error: &'a str,
}

impl LaneFailed<'_> {
    pub fn emit(&self) {
        error!(target: LANES, lane = %self.lane, error = self.error, "lane dropped; it is tried again later");
    }
}
