//! The way to a database is what was asked for: real servers with certificates of an authority made for
//! the test, and servers that offer no TLS and write down what they are told.

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

mod secure {
    mod authority;
    mod database;
    mod listener;
    mod password;
    mod platform;
    mod refused;
}
