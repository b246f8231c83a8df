//! Who runs a command, for the history.

use uuid::Uuid;

use crate::app;
use crate::mask::mask_within;
use crate::outbox::Action;

/// An action that begins here and now, by whom this process belongs to.
pub(super) fn action(name: &'static str, selection: &str) -> Action {
    Action {
        id: Uuid::now_v7(),
        name,
        host: app::host_name(),
        os_user: app::os_user(),
        selection: mask_within(selection),
    }
}

/// Our words for the end of a contact, or for a pause: who it was, and why.
pub(super) fn by(action: &Action, reason: Option<&str>) -> String {
    let why = reason.map_or_else(String::new, |reason| format!(": {}", mask_within(reason)));
    format!("by {} on {}{why}", action.os_user, action.host)
}
