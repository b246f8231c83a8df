//! `explain`: one contact's whole story.

mod command;
mod search;
mod summary;

pub(super) use self::command::{ExplainArgs, run};
