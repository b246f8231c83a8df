//! A violation: the rule that a row breaks.

/// A rule that a row breaks, in words for the row's `fail_cause`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);
