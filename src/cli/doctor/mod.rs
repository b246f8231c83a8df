//! `doctor`: whether everything is as it should be, a line for each check.

mod check;
mod command;
mod database;
mod limits;
mod platform;
mod writing;

pub(super) use self::command::{DoctorArgs, run};
