//! Errors of faults that were asked for.

/// Why the faults that were asked for are impossible.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FaultsError {
    /// A value is not a probability.
    #[error("{fault} must be a probability between 0 and 1, not {value}")]
    NotAProbability {
        fault: &'static str,
        /// The value that was asked for.
        value: f64,
    },
    /// The faults of a request are too likely: it meets at most one.
    #[error("the probabilities of all faults must add up to at most 1, not {0}")]
    MoreThanOne(f64),
    /// The faults of a number are too likely: it meets at most one.
    #[error("the probabilities of `rows` must add up to at most 1, not {0}")]
    MoreThanOneRow(f64),
    /// There is no status for errors.
    #[error("error_statuses must not be empty")]
    NoStatus,
    /// A status is not that of a server error.
    #[error("error_statuses must be between 500 and 599, not {0}")]
    NotAnError(u16),
    /// A firewall does not answer so.
    #[error("firewall_status must be between 300 and 599, not {0}")]
    NoFirewall(u16),
    /// A status is not that of a refusal.
    #[error("refusal.status must be 200, 400 or 422, not {0}")]
    NotARefusal(u16),
    /// A plain text under HTTP 200 would be another fault: `not_json`.
    #[error("refusal.body = \"text\" needs refusal.status 400 or 422")]
    TextUnder200,
    /// No number could be taken.
    #[error("limits.rows must be at least 1")]
    NoRows,
    /// The limit is zero, or more than the server reads.
    #[error("limits.bytes must be between 1 and {max}, not {0}", max = super::style::SizeLimits::MAX_BYTES)]
    Bytes(usize),
}
