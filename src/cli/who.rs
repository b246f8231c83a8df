//! Who runs a command, in words.

use crate::mask::mask_within;
use crate::outbox::Action;

/// Our words for the end of a contact, or for a pause: who it was, and why.
pub(super) fn by(action: &Action, reason: Option<&str>) -> String {
    let why = reason.map_or_else(String::new, |reason| format!(": {}", mask_within(reason)));
    format!("by {} on {}{why}", action.os_user, action.host)
}
