//! An adversary on every side of the real program: a platform that may answer whatever HTTP and JSON
//! allow, apps that write odd rows and change them, operators who do everything at once, and lanes in
//! every kind of trouble. In between, a good lane gets a contact now and then.
//!
//! It knows nothing of how the program works. It judges by four rules: no row lies, no request comes
//! without progress or delay, the good lane is served meanwhile, and memory and requests are bounded.
//!
//! What happens comes from a seed, the same one each time (as far as a race can be repeated).
//! `COURIER_TEST_SEED` takes another one, and `COURIER_TEST_SEEDS=N` tries N new ones. Each is printed.

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

#[expect(dead_code, reason = "shared with the other end-to-end tests")]
#[path = "support/world.rs"]
mod world;

mod adversary {
    mod answers;
    mod apps;
    mod books;
    mod judge;
    mod mood;
    mod numbers;
    mod operators;
    mod platform;
    mod run;
    #[path = "../conservation/seed.rs"]
    mod seed;
}
