//! The command line: one file per command, and the parts that they share.
//!
//! Answers go to standard output, everything else to standard error. An error is one line that
//! begins with `error: `; the exit code is 0 for done, 1 for failed at run time, 2 for wrong usage
//! or settings.

mod asking;
mod cancel;
mod command;
mod config;
mod demo;
mod doctor;
mod enqueue;
mod erase;
mod exit;
mod explain;
mod failures;
#[cfg(test)]
mod fake;
mod generate;
mod hash_password;
mod headline;
mod history;
mod migrate;
mod operator;
mod pause;
mod prune;
mod reload;
mod requeue;
mod results;
mod run;
mod settings_args;
mod simulate;
mod span;
mod status;
mod table;
mod visible;

pub use self::command::Cli;
#[doc(hidden)]
pub use self::enqueue::csv_lines;
pub use self::exit::{UsageError, report};
