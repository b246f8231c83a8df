//! The queue between the courier and the exporter: bounded, and never waited for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::way::Way;
use crate::batch::BatchId;
use crate::telemetry::event::SpansDropped;

/// The most ways that wait for the collector. With some 1 KB each, these are a few MB.
pub(super) const ROOM: usize = 4096;

/// The courier's end of the queue.
pub(super) struct Queue {
    sender: mpsc::Sender<Way>,
    /// A batch is traced if its id ends in less than this.
    below: u64,
    counts: Arc<Counts>,
}

/// Counts of spans.
#[derive(Default)]
pub(super) struct Counts {
    /// Spans that are neither exported nor dropped.
    waiting: AtomicU64,
    /// Spans that were dropped and not reported yet.
    dropped: AtomicU64,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

impl Queue {
    /// Opens a queue for this part of all batches. Returns its two ends; the exporter's end closes
    /// when the courier's is gone.
    pub(super) fn open(ratio: f64, counts: Arc<Counts>) -> (Arc<Self>, mpsc::Receiver<Way>) {
        let (sender, receiver) = mpsc::channel(ROOM);
        let below = below(ratio);
        let queue = Self {
            sender,
            below,
            counts,
        };
        (Arc::new(queue), receiver)
    }

    /// Whether this batch is traced.
    pub(super) fn takes(&self, batch: BatchId) -> bool {
        is_below(batch, self.below)
    }

    /// Takes a way that has ended, or drops it if there is no room.
    pub(super) fn offer(&self, way: Way) {
        let spans = way.spans();
        self.counts.waiting.fetch_add(spans, Ordering::Relaxed);
        if self.sender.try_send(way).is_err() {
            self.counts.lose(spans);
        }
    }
}

impl Counts {
    /// Notes that these spans have reached the collector.
    pub(super) fn exported(&self, spans: u64) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
    }

    /// Notes that these spans will never reach the collector.
    pub(super) fn lose(&self, spans: u64) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        self.dropped.fetch_add(spans, Ordering::Relaxed);
        SpansDropped { spans }.emit();
    }

    /// Returns how many spans are neither exported nor dropped.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Returns how many spans were dropped since the last call.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

/// Whether a batch is traced. Its id decides, so that the next owner decides alike.
fn is_below(batch: BatchId, below: u64) -> bool {
    // The last 32 bits of an id are random; the bits before them may be counted up.
    batch.0.as_u64_pair().1 & u64::from(u32::MAX) < below
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the ratio is from 0 to 1"
)]
fn below(ratio: f64) -> u64 {
    (ratio * f64::from(u32::MAX) + ratio).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_part_of_batches_that_are_traced() {
        let traced = |ratio| {
            let below = below(ratio);
            let ids = std::iter::repeat_with(BatchId::generate).take(10_000);
            ids.filter(|id| is_below(*id, below)).count()
        };
        assert_eq!((traced(0.0), traced(1.0)), (0, 10_000));
        let quarter = traced(0.25);
        assert!((2200..2800).contains(&quarter), "{quarter}");
    }
}
