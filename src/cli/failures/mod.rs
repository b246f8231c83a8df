//! `failures`: which contacts failed, and why.

mod command;
mod counted;
mod csv_line;
mod listed;

pub(super) use self::command::{FailuresArgs, run};
