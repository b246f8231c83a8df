//! The contract suite of the outbox: every case is written once and runs on every database.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on should say so and stop"
)]

mod support;

#[expect(dead_code, reason = "only some tests kill their server")]
#[path = "support/server.rs"]
mod server;

mod outbox {
    mod cancelling;
    mod clock;
    mod erasing;
    mod fencing;
    mod finding;
    mod histories;
    mod history;
    mod holds;
    mod hostile;
    mod intake;
    mod leases;
    mod long;
    mod mysql;
    mod operations;
    mod pausing;
    mod plans;
    mod pruning;
    mod rates;
    mod reading;
    mod requeueing;
    mod results;
    mod schema;
    mod stale;
    mod table;
    mod trial;
    mod troubles;
    mod unwritten;
    mod upgrading;
    mod writes;
}
