//! `simulate`: the calling platform as a local server, for rehearsing outages.
//!
//! Prints its address once, serves until SIGINT or SIGTERM, and ends with one line of counts.

mod command;
mod faults;
mod help;

pub(super) use self::command::{SimulateArgs, run};
