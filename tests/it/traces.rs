//! The way of batches, as a collector of traces hears of it.
//!
//! The real program works between a SQLite database and the simulated platform, and tells a collector in this
//! process, which understands OpenTelemetry's own messages. What is told does not depend on the
//! database.

mod collector;
mod privacy;
mod spans;
mod trouble;
