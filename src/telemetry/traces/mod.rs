//! Traces: the way of each batch as spans, sent to a collector over OTLP (`traces.endpoint`).
//!
//! Neighbours: the courier, whose batches each carry a [`BatchTrace`] and report every step to it;
//! the exporter, a task that sends the ways that have ended. `docs/monitoring.md` explains each
//! span.
//!
//! It guarantees: nothing is kept or sent without a collector; delivery never waits for one; spans
//! that cannot be sent are bounded, counted and reported. A way consists of fields that hold no
//! number and no token, and of words that are already masked.

mod batch;
mod collector;
mod exporter;
mod handle;
mod otlp;
mod queue;
mod way;

pub use self::batch::BatchTrace;
pub use self::collector::CollectorError;
pub use self::exporter::{Exporter, TraceOptions};
pub use self::handle::Traces;
pub use self::way::{HeldBy, Origin};
