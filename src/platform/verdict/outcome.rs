//! The outcome: how a batch ended, in one word.

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The platform took the batch, and its answer accounts for every row.
    Imported,
    /// The platform took the batch, but its answer leaves rows open.
    Unaccounted,
    /// The platform refused the request.
    Refused,
    /// The platform refused the request as too large.
    TooLarge,
    /// The batch may have been delivered and must not be sent again.
    Unconfirmed,
    /// The batch was not delivered within `retry.give_up_after`.
    GivenUp,
    /// Others have deleted or settled all of its rows.
    Vanished,
    /// Part of a refused batch; asking about its own parts says more, so it was not sent.
    TakenApart,
}

impl Outcome {
    /// The outcomes that an answer alone can have. The others follow from earlier knowledge.
    pub const OF_REQUESTS: [Self; 4] = [
        Self::Imported,
        Self::Unaccounted,
        Self::Refused,
        Self::TooLarge,
    ];

    /// Returns the outcome as one word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Unaccounted => "unaccounted",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Unconfirmed => "unconfirmed",
            Self::GivenUp => "given_up",
            Self::Vanished => "vanished",
            Self::TakenApart => "taken_apart",
        }
    }
}
