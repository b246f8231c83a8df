//! A number that an import skipped, and why.

use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure<'r> {
    /// As it came in, but decrypted.
    pub(super) number: Cow<'r, str>,
    /// The platform's words.
    pub(super) cause: &'static str,
}
