//! The way of batches, as a collector of traces hears of it.
//!
//! The real program works between a SQLite database and the simulated platform, and tells a collector in this
//! process, which understands OpenTelemetry's own messages. What is told does not depend on the
//! database.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so and stop"
)]

#[expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the contract suite of the outbox uses the rest of it"
)]
mod support;

#[path = "support/world.rs"]
#[expect(dead_code, reason = "the tests of delivery use the rest of it")]
mod world;

mod traces {
    mod collector;
    mod privacy;
    mod spans;
    mod trouble;
}
