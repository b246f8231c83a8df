//! Nothing lost, nothing doubled, the truth per row: the real program through everything at once.
//!
//! Twenty thousand contacts in thirty lanes, good and bad and of every kind of request, go to a
//! simulated platform that fails in every way it can. Meanwhile couriers are killed, frozen and
//! woken, and the database's server is killed and started again. In the end every row must be
//! final, and say what the platform says.
//!
//! What happens, and after how much progress, comes from a seed. It is printed; set
//! `COURIER_TEST_SEED` to have the same again (as far as a race can be repeated).

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

#[expect(dead_code, reason = "only some tests want an address on loopback")]
#[path = "support/server.rs"]
mod server;

#[expect(dead_code, reason = "shared with the other end-to-end tests")]
#[path = "support/world.rs"]
mod world;

mod conservation {
    mod contacts;
    mod couriers;
    mod galera;
    mod pgpool;
    mod seed;
    mod storm;
    mod truth;
    mod weather;
}
