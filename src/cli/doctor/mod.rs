//! `doctor`: whether everything is as it has to be, a line each.

mod check;
mod command;
mod database;
mod limits;
mod platform;
mod writing;

pub(super) use self::command::{DoctorArgs, run};
