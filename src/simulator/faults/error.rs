//! What is wrong with faults that were asked for.

/// Why faults cannot be as they were asked for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FaultsError {
    /// One of them is no probability.
    #[error("{fault} must be a probability between 0 and 1, not {value}")]
    NotAProbability {
        fault: &'static str,
        /// What was asked for.
        value: f64,
    },
    /// At most one fault befalls a request.
    #[error("the probabilities of all faults must add up to at most 1, not {0}")]
    MoreThanOne(f64),
    /// At most one fault befalls a number.
    #[error("the probabilities of `rows` must add up to at most 1, not {0}")]
    MoreThanOneRow(f64),
    /// An error without a status.
    #[error("error_statuses must not be empty")]
    NoStatus,
    /// What is no server error.
    #[error("error_statuses must be between 500 and 599, not {0}")]
    NotAnError(u16),
    /// What is no refusal.
    #[error("refusal.status must be 200, 400 or 422, not {0}")]
    NotARefusal(u16),
    /// A text that is no JSON under HTTP 200 would be another fault: `not_json`.
    #[error("refusal.body = \"text\" needs refusal.status 400 or 422")]
    TextUnder200,
    /// Nothing could be taken.
    #[error("limits.rows must be at least 1")]
    NoRows,
    /// More than the server reads.
    #[error("limits.bytes must be between 1 and {max}, not {0}", max = super::style::SizeLimits::MAX_BYTES)]
    Bytes(usize),
}
