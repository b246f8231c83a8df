//! The breaker decides when the platform counts as down, from failures of single lanes.
//!
//! It opens after failures in a row over different lanes, with no answer of the platform in
//! between: for one user if all of the lanes are that user's, otherwise for everybody. The gate
//! that it closes then lets single probes through ([`super::gates`]). Pure.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use crate::contact::Lane;
use crate::platform::verdict::WaitReason;

/// This many failures in a row open the breaker.
const FAILURES: u32 = 5;

/// The failures must be spread over at least this many lanes of one user, or over this many users.
const SPREAD: usize = 2;

/// At most this many users are remembered as failing.
const MOST_USERS: usize = 10_000;

/// For whom the platform counts as down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Down {
    ForUser,
    ForAll,
}

#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// By user.
    all: Streak<Arc<str>>,
    /// By lane, for each user that fails.
    users: HashMap<Arc<str>, Streak<Lane>>,
}

impl Breaker {
    /// Notes that a request of the lane, sent at `sent`, failed as it does when the platform is
    /// down. Returns for whom the platform now counts as down.
    pub(super) fn failed(&mut self, lane: &Lane, sent: Instant) -> Option<Down> {
        let user: Arc<str> = lane.user_id().into();
        if self.users.len() >= MOST_USERS {
            self.users.clear();
        }
        let ours = self.users.entry(Arc::clone(&user)).or_default();
        let for_user = ours.failed(lane, sent);
        if self.all.failed(&user, sent) {
            Some(Down::ForAll)
        } else {
            for_user.then_some(Down::ForUser)
        }
    }

    /// Whether the user's lanes have failed since the user's last answer.
    pub(super) fn has_failed(&self, user: &str) -> bool {
        self.users.get(user).is_some_and(|user| user.failures > 0)
    }

    /// Notes an answer to a request of the lane.
    pub(super) fn answered(&mut self, lane: &Lane, now: Instant) {
        self.all.answered(now);
        if let Some(user) = self.users.get_mut(lane.user_id()) {
            user.answered(now);
        }
    }
}

/// Failures in a row, and the lanes or users that had them.
#[derive(Debug)]
struct Streak<K> {
    failures: u32,
    /// At most [`SPREAD`] of them.
    whose: Vec<K>,
    answered_at: Option<Instant>,
}

impl<K> Default for Streak<K> {
    fn default() -> Self {
        Self {
            failures: 0,
            whose: Vec::new(),
            answered_at: None,
        }
    }
}

impl<K: Clone + PartialEq> Streak<K> {
    /// Returns whether there are enough failures, of enough lanes or users. A failed request that
    /// was sent before the last answer is ignored: the platform was there while the request hung.
    fn failed(&mut self, whose: &K, sent: Instant) -> bool {
        if self.answered_at.is_some_and(|answered| sent < answered) {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        if self.whose.len() < SPREAD && !self.whose.contains(whose) {
            self.whose.push(whose.clone());
        }
        self.failures >= FAILURES && self.whose.len() >= SPREAD
    }

    fn answered(&mut self, now: Instant) {
        self.failures = 0;
        self.whose.clear();
        self.answered_at = Some(now);
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
    use std::time::Duration;

    use super::*;

    fn lane(user: u32, task: u32) -> Lane {
        Lane::new(&format!("u{user}"), &format!("t{task}")).unwrap()
    }

    #[test]
    fn failures_in_a_row_over_different_users_open_it_for_all() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        let opened: Vec<_> = (0..6)
            .map(|n| breaker.failed(&lane(n % 2, 1), now))
            .collect();
        let open = Some(Down::ForAll);
        assert_eq!(opened, [None, None, None, None, open, open]);
    }

    #[test]
    fn failures_of_one_user_open_it_for_that_user() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        let opened: Vec<_> = (0..6)
            .map(|n| breaker.failed(&lane(1, n % 2), now))
            .collect();
        let open = Some(Down::ForUser);
        assert_eq!(opened, [None, None, None, None, open, open]);
        assert!(breaker.has_failed("u1") && !breaker.has_failed("u2"));
    }

    #[test]
    fn one_lane_alone_never_opens_it() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        assert!((0..100).all(|_| breaker.failed(&lane(1, 1), now).is_none()));
    }

    #[test]
    fn an_answer_in_between_begins_anew() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for n in 0..4 {
            breaker.failed(&lane(n, 1), now);
        }
        breaker.answered(&lane(9, 1), now);
        assert_eq!(breaker.failed(&lane(5, 1), now), None);
    }

    #[test]
    fn requests_that_hung_while_others_were_answered_say_nothing() {
        let (mut breaker, sent) = (Breaker::default(), Instant::now());
        let answered = sent + Duration::from_secs(20);
        breaker.answered(&lane(9, 1), answered);
        assert!((0..20).all(|n| breaker.failed(&lane(n, 1), sent).is_none()));
        let later = answered + Duration::from_secs(1);
        assert!((0..20).any(|n| breaker.failed(&lane(n, 1), later).is_some()));
    }
}
