//! A number that an import skipped, and why.

use std::borrow::Cow;

/// The platform's words for the number of a person who wants no calls.
pub(super) const BLACKLISTED: &str = "号码在黑名单中。";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure<'r> {
    /// The number as it came in, but decrypted.
    pub(super) number: Cow<'r, str>,
    /// The platform's words.
    pub(super) cause: &'static str,
}

/// Returns the platform's words about a number. Some of them quote the number, so they have to be
/// masked before they are shown.
pub(super) fn said<'a>(cause: &'a str, number: &str) -> Cow<'a, str> {
    match cause {
        BLACKLISTED => Cow::Owned(format!("号码 {number} 在黑名单中。")),
        _ => Cow::Borrowed(cause),
    }
}
