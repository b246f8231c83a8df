//! How a batch has been failing: since when, how often in a row, and because of whom. Pure: `now` is
//! an argument.

use tokio::time::Instant;

use crate::platform::verdict::{Wait, WaitReason};

/// The failures of a batch in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Failing {
    /// The first failure since the last answer of another kind.
    pub(super) since: Option<Instant>,
    /// How many sends in a row had no answer of the platform that could be used.
    pub(super) sends: u32,
    /// Whether somebody before the platform turns the batch away.
    pub(super) is_blocked: bool,
    /// Whether the platform has answered another batch of the lane meanwhile.
    pub(super) others_passed: bool,
}

impl Failing {
    /// Takes in that the batch has to wait.
    pub(super) fn note(&mut self, wait: &Wait, now: Instant) {
        let is_blocked = wait.reason == WaitReason::Blocked;
        if is_blocked != self.is_blocked {
            *self = Self {
                is_blocked,
                ..Self::default()
            };
        }
        let is_about_content = wait.maybe_delivered || wait.reason.may_be_about_a_row();
        self.sends = if is_about_content { self.sends + 1 } else { 0 };
        if is_blocked || wait.reason.runs_out() {
            self.since.get_or_insert(now);
        } else {
            self.since = None;
        }
    }

    /// Returns the failures of a part of the batch: its last failure counts for each part.
    pub(super) fn of_a_part(self) -> Self {
        Self {
            sends: u32::from(self.since.is_some()),
            ..self
        }
    }

    /// Returns the failures of the same batch that another turn of its lane has noted. The journal knows
    /// since when, but not of what is blocked.
    pub(super) fn known(self, noted: Self) -> Self {
        let since = if noted.is_blocked {
            noted.since
        } else {
            self.since
        };
        Self { since, ..noted }
    }

    /// Whether the time until `retry.give_up_after` runs.
    pub(super) fn runs_out(&self) -> bool {
        self.since.is_some() && !self.is_blocked
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn wait(reason: WaitReason, maybe_delivered: bool) -> Wait {
        Wait {
            reason,
            message: String::new(),
            maybe_delivered,
            retry_after: None,
        }
    }

    #[test]
    fn failures_of_another_kind_begin_anew() {
        let begin = Instant::now();
        let blocked = wait(WaitReason::Blocked, false);
        let lost = wait(WaitReason::AnswerLost, true);
        let mut failing = Failing::default();
        let mut now = begin;
        for (wait, sends, since, runs_out) in [
            (&blocked, 1, Some(1), false),
            (&blocked, 2, Some(1), false),
            // The time of a ban does not count for `retry.give_up_after`.
            (&lost, 1, Some(3), true),
            (&lost, 2, Some(3), true),
            (&wait(WaitReason::Redirected, false), 3, Some(3), true),
            (&wait(WaitReason::Unreachable, false), 0, Some(3), true),
            (&wait(WaitReason::RateLimited, false), 0, None, false),
            (&blocked, 1, Some(8), false),
        ] {
            now += Duration::from_secs(1);
            failing.note(wait, now);
            let since = since.map(|seconds| begin + Duration::from_secs(seconds));
            assert_eq!((failing.sends, failing.since), (sends, since), "{wait:?}");
            assert_eq!(failing.runs_out(), runs_out, "{wait:?}");
        }
    }
}
