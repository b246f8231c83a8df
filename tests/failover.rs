//! The real program when its database's server vanishes, turns read-only, or another takes its place.
//!
//! Between the program and the server lies a cable that can be pulled: what is sent is swallowed, and
//! nothing is closed. Where a server has to be read-only or another's standby, the test has servers of
//! its own.

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

#[expect(dead_code, reason = "shared with the other end-to-end tests")]
#[path = "support/server.rs"]
mod server;

#[expect(dead_code, reason = "shared with the other end-to-end tests")]
#[path = "support/world.rs"]
mod world;

mod failover {
    mod cable;
    mod demoted;
    mod operators;
    mod outage;
    mod rates;
    mod silent;
}
