//! Traces: the way of each batch as spans, told to a collector over OTLP (`traces.endpoint`).
//!
//! Neighbours: the courier, whose batches carry a [`BatchTrace`] each and tell it of every step;
//! the exporter, a task that sends what has ended. `docs/monitoring.md` tells what each span means.
//!
//! It guarantees: nothing is kept or sent while there is no collector; delivery never waits for
//! one; what cannot be sent is bounded, counted and told. A way is made of fields that hold no
//! number and no token, and of words that are masked already.

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
