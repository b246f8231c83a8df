//! Bad neighbours: hundreds of lanes in one kind of trouble, and a good one beside them.
//!
//! The platform is a server of the test: what it answers hangs on the user alone. Each good contact
//! is inserted when the one before it has arrived. What other requests come in between is counted:
//! a good lane may wait for its turn, but not for the trouble of the others.

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
#[expect(dead_code, reason = "other tests use the rest of it")]
#[path = "support/world.rs"]
mod world;

mod neighbours {
    mod platform;
    mod trouble;

    use super::world;
}
