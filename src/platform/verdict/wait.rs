//! The wait: why the same batch is sent again later.

use std::time::Duration;

use super::reason::WaitReason;
use super::words::shortened;

/// Why the same batch is sent again, and who has to wait meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What is the matter.
    pub reason: WaitReason,
    /// The platform's words, or ours; never a number or a token.
    pub message: String,
    /// Whether this send may have reached the platform.
    pub maybe_delivered: bool,
    /// How long the platform asks us to wait.
    pub retry_after: Option<Duration>,
}

impl Wait {
    /// Every row of a batch was refused with the same words, which are masked.
    pub fn all_refused(words: &str) -> Self {
        let words = shortened(words);
        let reason = WaitReason::AllRefused;
        Self {
            reason,
            message: format!("{words}{}", reason.advice()),
            maybe_delivered: false,
            retry_after: None,
        }
    }
}
