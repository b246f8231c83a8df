//! All tests in one program, so that their shared parts are compiled and linked once. Each area is
//! a module of it.
//!
//! The modules run in the order of their names, and as many cases at once as there are cores. So a
//! slow case does not keep the other cores waiting until the next area begins.
//! `cargo test --test it outbox::` runs one area. Only the model is a program of its own: it needs
//! nothing of this.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so and stop"
)]

mod support;

mod admin;
mod adversary;
mod cli;
mod commands;
mod conservation;
mod courier;
mod delivery;
mod deploy;
mod docs;
mod failover;
mod fuzz;
mod neighbours;
mod outbox;
mod rooms;
mod secure;
mod simulator;
mod traces;

use support::{seed, server, world};
