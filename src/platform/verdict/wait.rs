//! The wait: why the same batch is sent again later.

use std::time::Duration;

use super::reason::WaitReason;
use super::words::shortened;

/// Why the same batch is sent again, and who has to wait meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The reason for the wait.
    pub reason: WaitReason,
    /// The platform's words, or the courier's; never a number or a token.
    pub message: String,
    /// Whether this send may have reached the platform.
    pub maybe_delivered: bool,
    /// How long the platform asks us to wait.
    pub retry_after: Option<Duration>,
}

/// The words for people if no answer told how the rows ended.
const UNCONFIRMED: &str = "; every row of a batch ended so, so something may be wrong with the platform's \
     answers or the task; sending goes on slowly by itself";

impl Wait {
    /// Makes the wait after every row of a batch was refused with the same words, which are masked.
    /// With `unconfirmed`, no answer told how the rows ended.
    pub fn all_refused(words: &str, unconfirmed: bool) -> Self {
        let words = shortened(words);
        let reason = WaitReason::AllRefused;
        let advice = if unconfirmed {
            UNCONFIRMED
        } else {
            reason.advice()
        };
        Self {
            reason,
            message: format!("{words}{advice}"),
            maybe_delivered: false,
            retry_after: None,
        }
    }
}
