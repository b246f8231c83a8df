//! The words about an operator's action, and the note of its end.

use uuid::Uuid;

use super::reason::Reason;
use crate::outbox::{Action, Operations, Part};
use crate::telemetry::event;
use crate::visible::one_line;

/// Our words for the end of a contact, or for a pause: who did it, and why.
pub(super) fn by(action: &Action, reason: Option<&Reason>) -> String {
    format!("by {} on {}{}", action.os_user, action.host, why(reason))
}

/// A reason behind other words; nothing if there is none.
pub(super) fn why(reason: Option<&Reason>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {}", reason.as_str()))
}

/// An action that begins now. Nothing is masked here. A user's name may be a staff number, and an id of
/// a user or task may be digits alone; masked ones could mean several. What somebody typed freely is
/// masked where it becomes a part of `selection`.
pub fn action(name: &'static str, host: &str, who: &str, selection: &str) -> Action {
    Action {
        id: Uuid::now_v7(),
        name,
        host: host.to_owned(),
        os_user: who.to_owned(),
        selection: one_line(selection),
    }
}

/// Notes an action that is over. The action stands even if the history cannot be written.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_lanes_stay_apart_whatever_their_names_look_like() {
        for who in [
            "20231234 (status page)",
            "20235634 (status page)",
            "1301212",
        ] {
            let lane = "lane 1001234567/20251127";
            let action = action("cancel", "db1", who, lane);
            assert_eq!(action.os_user, who);
            assert_eq!(action.selection, lane);
            let reason = Reason::read("13012121211 asked").unwrap();
            let by = by(&action, reason.as_ref());
            assert!(by.starts_with(&format!("by {who} on db1: ")), "{by}");
            assert!(by.ends_with(": 130***1211 asked"), "{by}");
        }
    }
}
