//! The real program when its database's server vanishes, turns read-only, or another takes its
//! place.
//!
//! Between the program and the server lies a cable that can be pulled: it swallows everything that
//! is sent, and closes nothing. For tests with a read-only server or a standby, the test has
//! servers of its own.

mod cable;
mod demoted;
mod ended;
mod inserting;
mod limits;
mod logins;
mod meeting;
mod migrating;
mod operators;
mod outage;
mod rates;
mod silent;
mod undone;
mod user;
