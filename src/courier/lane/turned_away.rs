//! What a lane knows about batches that were turned away.

use tokio::time::Instant;

/// What is known in a lane.
#[derive(Default)]
pub(super) struct TurnedAway {
    /// When a batch of the lane was turned away last.
    pub(super) last: Option<Instant>,
    /// When the last batch was sent that has passed since.
    pub(super) passed: Option<Instant>,
    /// How many rows that were turned away have expired in a row.
    pub(super) expired: u32,
}
