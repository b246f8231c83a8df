//! `status`: which contacts wait, which lanes are held, which couriers work.

mod alive;
mod command;
mod report;
mod shown;

pub(super) use self::command::{StatusArgs, run};
