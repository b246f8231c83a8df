//! What operators ask the running program: metrics, health checks, the status page.
//!
//! The real program works between a real database and the simulated platform, and is asked over
//! HTTP.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so and stop"
)]

#[expect(
    dead_code,
    reason = "the contract suite of the outbox uses the rest of it"
)]
mod support;

#[path = "support/world.rs"]
#[expect(dead_code, reason = "the tests of delivery use the rest of it")]
mod world;

#[path = "support/server.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod server;

mod admin {
    mod acting;
    mod acting_page;
    mod alive;
    mod asking;
    mod browser;
    mod endpoints;
    mod metrics;
    mod page;
    mod privacy;
    mod prometheus;
    mod scraped;
    mod starting;
    mod trouble;
    mod unread;
    mod watching;
}
