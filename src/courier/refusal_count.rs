//! Refusals: how many a lane has read, for batches that are on their way meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the refusals of whole requests that a lane has read.
#[derive(Debug, Default)]
pub(super) struct RefusalCount(Arc<AtomicU64>);

/// The refusals as they stood when a batch set out.
#[derive(Debug)]
pub(super) struct RefusalsBefore {
    read: Arc<AtomicU64>,
    before: u64,
}

impl RefusalCount {
    /// Counts one more.
    pub(super) fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes how many there are, for a batch that sets out.
    pub(super) fn before(&self) -> RefusalsBefore {
        RefusalsBefore {
            read: Arc::clone(&self.0),
            before: self.0.load(Ordering::Relaxed),
        }
    }
}

impl RefusalsBefore {
    /// Whether none was read since. One that was read while the batch was on its way may be about the
    /// task, and so may be that of the batch.
    pub(super) fn are_all(&self) -> bool {
        self.read.load(Ordering::Relaxed) == self.before
    }
}
