//! The end of the work on a lane.

use tokio::time::Instant;

/// Why work on a lane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::courier) enum LaneEnd {
    /// There is nothing more to do for now, or it is the turn of others.
    Done,
    /// The lane may not send before this instant. `is_brief`: `run --once` waits for it; the same
    /// below.
    Rests { until: Instant, is_brief: bool },
    /// The lane has nothing to send before this instant, unless contacts come.
    Idles { until: Instant, is_brief: bool },
    /// The lane has another owner, or may have one.
    Lost,
    /// The server that reads is behind the one that writes; the lane has work again when it has
    /// caught up.
    Behind,
    /// Another session keeps rows locked that the lane needs. Nothing tells when they are free.
    Locked,
    /// The lane cannot be worked, and must not be tried again at once.
    Failed,
}
