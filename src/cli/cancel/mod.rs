//! `cancel`: ends contacts before they are sent.

mod chosen;
mod command;
mod tally;

pub(super) use self::command::{CancelArgs, run};
