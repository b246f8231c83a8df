//! `results`: the ends of contacts, as a stream for other programs.

mod command;
mod following;
mod since;

pub(super) use self::command::{ResultsArgs, run};
