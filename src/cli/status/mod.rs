//! `status`: what waits, what is held, who works.

mod alive;
mod command;
mod report;
mod shown;

pub(super) use self::command::{StatusArgs, run};
