//! A number that an import skipped, and why.

use std::borrow::Cow;

/// A number of somebody who wants no calls, in the platform's words.
pub(super) const BLACKLISTED: &str = "号码在黑名单中。";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure<'r> {
    /// As it came in, but decrypted.
    pub(super) number: Cow<'r, str>,
    /// The platform's words.
    pub(super) cause: &'static str,
}

/// What the platform says of a number. It quotes the number in some of its words, so that whoever shows
/// them has to mask it.
pub(super) fn said<'a>(cause: &'a str, number: &str) -> Cow<'a, str> {
    match cause {
        BLACKLISTED => Cow::Owned(format!("号码 {number} 在黑名单中。")),
        _ => Cow::Borrowed(cause),
    }
}
