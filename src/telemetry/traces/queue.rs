//! The queue between the courier and the exporter: bounded, and never waited for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::batch::BatchTrace;
use super::way::{Origin, Way};
use crate::batch::{Batch, BatchId};
use crate::telemetry::event::SpansDropped;

/// Ways that wait for the collector, at most. With some 1 KB each, a few MB.
const ROOM: usize = 4096;

/// Where the ways of batches go; nowhere by default.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Queue>>);

impl Traces {
    /// Begins the way of a batch, if it is to be told. Its rows were read at `read_at`.
    pub fn batch(&self, batch: &Batch, origin: Origin, read_at: Instant) -> BatchTrace {
        match &self.0 {
            Some(queue) if is_below(batch.id, queue.below) => {
                BatchTrace::begin(Arc::clone(queue), batch, origin, read_at)
            }
            _ => BatchTrace::default(),
        }
    }
}

/// The courier's end.
pub(super) struct Queue {
    sender: mpsc::Sender<Way>,
    /// Batches are traced whose id ends in less than this.
    below: u64,
    counts: Arc<Counts>,
}

/// What becomes of spans, in numbers.
#[derive(Default)]
pub(super) struct Counts {
    /// Spans that are neither exported nor dropped.
    waiting: AtomicU64,
    /// Spans that were dropped and not told yet.
    dropped: AtomicU64,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

impl Queue {
    /// The courier's handle to a queue for this part of all batches, and the exporter's end of it,
    /// which is over when the handle and the last batch are gone.
    pub(super) fn open(ratio: f64, counts: Arc<Counts>) -> (Traces, mpsc::Receiver<Way>) {
        let (sender, receiver) = mpsc::channel(ROOM);
        let below = below(ratio);
        let queue = Self {
            sender,
            below,
            counts,
        };
        (Traces(Some(Arc::new(queue))), receiver)
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
    /// So many spans have reached the collector.
    pub(super) fn exported(&self, spans: u64) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
    }

    /// So many spans never will.
    pub(super) fn lose(&self, spans: u64) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        self.dropped.fetch_add(spans, Ordering::Relaxed);
        SpansDropped { spans }.emit();
    }

    /// How many spans are neither exported nor dropped.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many spans were dropped since this was last asked.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

/// Whether a batch is traced: by its id, so that whoever goes on with it decides alike.
fn is_below(batch: BatchId, below: u64) -> bool {
    // The last 32 bits of an id are random, those before may be counted up.
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
    use crate::batch::Composed;
    use crate::contact::{Lane, RequestOptions};

    fn batch() -> Batch {
        let composed = Composed {
            options: RequestOptions::default(),
            contacts: Vec::new(),
        };
        Batch::new(BatchId::generate(), Lane::new("u", "t").unwrap(), composed)
    }

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

    #[tokio::test]
    async fn what_finds_no_room_is_dropped_and_counted_and_nobody_waits() {
        let counts = Arc::<Counts>::default();
        let (traces, receiver) = Queue::open(1.0, Arc::clone(&counts));
        for _ in 0..ROOM + 3 {
            drop(traces.batch(&batch(), Origin::Split, Instant::now()));
        }
        // A batch and its wait: two spans each.
        assert_eq!(counts.take_dropped(), 6);
        assert_eq!(counts.take_dropped(), 0);
        assert_eq!(counts.waiting(), 2 * ROOM as u64);
        assert_eq!(receiver.len(), ROOM);
    }
}
