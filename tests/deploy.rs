//! What is in `deploy/`, held against the program and the tools that it is made for.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has to fail"
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

#[path = "admin/asking.rs"]
#[expect(dead_code, reason = "the tests of the admin server use the rest of it")]
mod asking;

#[path = "admin/prometheus.rs"]
#[expect(dead_code, reason = "the tests of the metrics use the rest of it")]
mod prometheus;

#[expect(dead_code, reason = "tests of other kinds use the rest of it")]
#[path = "support/server.rs"]
mod server;

mod deploy {
    mod alerts;
    mod compose;
    mod containers;
    mod elsewhere;
    mod kubernetes;
    mod monitoring;
    mod systemd;
    mod yaml;
}
