//! What can go wrong with the database, in the courier's words.

/// A failure of our own side. What a database says is expected (a lane that somebody else has, a
/// write that came too late) is a value, not an error.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The database cannot be reached, or the connection broke; trying again may help.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// The schema is not the one that this program needs.
    #[error("{0}")]
    Schema(String),
    /// The database refused a row: which rule, in its words.
    #[error("the database refused the row: {0}")]
    Refused(String),
    /// Anything else; trying again would not help.
    #[error("the database failed: {0}")]
    Failed(String),
}

impl OutboxError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
