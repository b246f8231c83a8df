//! The way of batches, as a collector of traces receives it.
//!
//! The real program works between a SQLite database and the simulated platform, and reports to a
//! collector in this process, which understands OpenTelemetry's own messages. The reports do not
//! depend on the database.

mod collector;
mod privacy;
mod spans;
mod trouble;
