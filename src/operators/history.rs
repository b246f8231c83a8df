//! Who did it, in words, and that it is over.

use uuid::Uuid;

use crate::mask::mask_within;
use crate::outbox::{Action, Operations, Part};
use crate::telemetry::event;

/// Our words for the end of a contact, or for a pause: who it was, and why.
pub fn by(action: &Action, reason: Option<&str>) -> String {
    let why = reason.map_or_else(String::new, |reason| format!(": {}", mask_within(reason)));
    format!("by {} on {}{why}", action.os_user, action.host)
}

/// An action that begins now.
pub fn action(name: &'static str, host: &str, who: &str, selection: &str) -> Action {
    Action {
        id: Uuid::now_v7(),
        name,
        host: host.to_owned(),
        os_user: mask_within(who),
        selection: mask_within(selection),
    }
}

/// Notes an action that is over. What was done stands, also if the history cannot tell of it.
pub async fn note(operations: &dyn Operations, action: &Action, affected: Option<u64>) {
    let part = Part {
        affected,
        is_last: true,
    };
    if let Err(error) = operations.note_action(action, part).await {
        let (action, error) = (action.name, error.to_string());
        event::ActionNotNoted {
            action,
            error: &error,
        }
        .emit();
    }
}
