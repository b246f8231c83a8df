//! `explain`: one contact's whole story.

mod command;
mod summary;

pub(super) use self::command::{ExplainArgs, run};
