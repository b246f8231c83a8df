//! The courier's handle to the traces: it begins the way of each batch that is traced.

use std::sync::Arc;

use tokio::time::Instant;

use super::batch::BatchTrace;
use super::queue::Queue;
use super::way::Origin;
use crate::batch::Batch;

/// The handle to the queue of ways; without a queue by default.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Queue>>);

impl Traces {
    pub(super) fn through(queue: Arc<Queue>) -> Self {
        Self(Some(queue))
    }

    /// Begins the way of a batch, if the batch is traced. Its rows were read at `read_at`.
    pub fn batch(&self, batch: &Batch, origin: Origin, read_at: Instant) -> BatchTrace {
        match &self.0 {
            Some(queue) if queue.takes(batch.id) => {
                BatchTrace::begin(Arc::clone(queue), batch, origin, read_at)
            }
            _ => BatchTrace::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::{Counts, ROOM};
    use super::*;
    use crate::batch::{BatchId, Composed};
    use crate::contact::{Lane, RequestOptions};

    fn batch() -> Batch {
        let composed = Composed {
            options: RequestOptions::default(),
            contacts: Vec::new(),
        };
        Batch::new(BatchId::generate(), Lane::new("u", "t").unwrap(), composed)
    }

    #[tokio::test]
    async fn what_finds_no_room_is_dropped_and_counted_and_nobody_waits() {
        let counts = Arc::<Counts>::default();
        let (queue, receiver) = Queue::open(1.0, Arc::clone(&counts));
        let traces = Traces::through(queue);
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
