//! The real program when its database's server vanishes, turns read-only, or another takes its place.
//!
//! Between the program and the server lies a cable that can be pulled: what is sent is swallowed, and
//! nothing is closed. Where a server has to be read-only or another's standby, the test has servers of
//! its own.

mod cable;
mod demoted;
mod operators;
mod outage;
mod rates;
mod silent;
