//! `enqueue`: contacts from a file into the outbox table, all of them or none.
//!
//! The file is read twice. The first pass checks every row by the courier's own rules, without a
//! database. If all rows keep them, the second pass inserts, in one transaction. Memory stays the
//! same for a file of any length.

mod command;
mod contact;
mod csv_rows;
mod json_rows;
mod lines;
mod pass;
mod problem;
mod quotes;
mod record;
mod rounded;
mod source;

pub(super) use self::command::{EnqueueArgs, run};
#[doc(hidden)]
pub use self::csv_rows::csv_lines;
