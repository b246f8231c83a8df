//! What a lane knows about batches that somebody before the platform turned away.

use tokio::time::Instant;

/// What is known in a lane.
#[derive(Default)]
pub(super) struct TurnedAway {
    /// Whether a batch of the lane was turned away.
    pub(super) is_any: bool,
    /// When the last batch was sent that has passed since.
    pub(super) passed: Option<Instant>,
    /// How many rows that were turned away have expired in a row.
    pub(super) expired: u32,
}
