//! How often a heart beats, in the courier's own database and where it is a guest.

use std::time::Duration;

use crate::outbox::OutboxError;

/// Heartbeats per lease time: two may fail before the lease is lost.
const PER_LEASE: u32 = 3;

/// A failed heartbeat is tried again this soon, so that work goes on as soon as the database is
/// back.
pub(super) const SOON: Duration = Duration::from_secs(1);

/// Returns the time between two heartbeats.
pub(super) fn interval(lease: Duration) -> Duration {
    lease / PER_LEASE
}

/// The error of a heartbeat that took longer than this.
pub(super) fn too_slow(limit: Duration) -> OutboxError {
    OutboxError::Lost(format!("no answer to a heartbeat within {limit:?}"))
}
