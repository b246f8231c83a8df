//! The breaker: when to take the whole platform for down, though each failure is a lane's own.
//!
//! Failures in a row over different lanes, with no answer of the platform in between, open it; the
//! gate that it closes then lets single probes through ([`super::gates`]). Pure.

use crate::contact::Lane;
use crate::platform::verdict::WaitReason;

/// This many failures in a row open the breaker.
const FAILURES: u32 = 5;

/// The failures must be spread over at least this many lanes.
const LANES: usize = 2;

#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// The lanes that failed, at most [`LANES`] of them.
    lanes: Vec<Lane>,
}

impl Breaker {
    /// Notes that a request of the lane failed as it does when the platform is down. Returns
    /// whether the platform counts as down.
    pub(super) fn failed(&mut self, lane: &Lane) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.lanes.len() < LANES && !self.lanes.contains(lane) {
            self.lanes.push(lane.clone());
        }
        self.failures >= FAILURES && self.lanes.len() >= LANES
    }

    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }
}

/// Whether a platform that is down fails for this reason.
pub(super) fn counts(reason: WaitReason) -> bool {
    matches!(
        reason,
        WaitReason::Unreachable
            | WaitReason::AnswerLost
            | WaitReason::ServerError
            | WaitReason::Unreadable
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(n: u32) -> Lane {
        Lane::new("u", &format!("t{n}")).unwrap()
    }

    #[test]
    fn failures_in_a_row_over_different_lanes_open_it() {
        let mut breaker = Breaker::default();
        let opened: Vec<bool> = (0..6).map(|n| breaker.failed(&lane(n % 2))).collect();
        assert_eq!(opened, [false, false, false, false, true, true]);
    }

    #[test]
    fn one_lane_alone_never_opens_it() {
        let mut breaker = Breaker::default();
        assert!((0..100).all(|_| !breaker.failed(&lane(1))));
    }

    #[test]
    fn an_answer_in_between_begins_anew() {
        let mut breaker = Breaker::default();
        for n in 0..4 {
            breaker.failed(&lane(n));
        }
        breaker.answered();
        assert!(!breaker.failed(&lane(5)));
    }
}
