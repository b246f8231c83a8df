//! The breaker decides when the platform counts as down, from failures of single lanes.
//!
//! It opens after failures in a row over different lanes, with no answer of the platform in
//! between: for one user if all of the lanes are that user's, otherwise for everybody. The gate
//! that it closes then lets single probes through ([`super::gates`]).
//!
//! A row may fail by itself, whatever the platform does. So it says no more about the platform when
//! it fails again and again. But if such rows of many lanes fail, it is the platform. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use crate::contact::Lane;
use crate::platform::verdict::{Scope, WaitReason};

/// This many failures in a row open the breaker; so do this many lanes that fail in a row, if only
/// with rows that fail by themselves.
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

impl Down {
    pub(super) const fn scope(self) -> Scope {
        match self {
            Self::ForUser => Scope::User,
            Self::ForAll => Scope::Platform,
        }
    }
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
        self.note(lane, false, sent)
    }

    /// The same for a batch of the lane that fails by itself.
    pub(super) fn failed_alone(&mut self, lane: &Lane, sent: Instant) -> Option<Down> {
        self.note(lane, true, sent)
    }

    fn note(&mut self, lane: &Lane, alone: bool, sent: Instant) -> Option<Down> {
        let user: Arc<str> = lane.user_id().into();
        if self.users.len() >= MOST_USERS {
            self.users.clear();
        }
        let ours = self.users.entry(Arc::clone(&user)).or_default();
        let for_user = ours.failed(lane, lane, alone, sent);
        if self.all.failed(lane, &user, alone, sent) {
            Some(Down::ForAll)
        } else {
            for_user.then_some(Down::ForUser)
        }
    }

    /// Whether the user's lanes have failed since the user's last answer.
    pub(super) fn has_failed(&self, user: &str) -> bool {
        self.users
            .get(user)
            .is_some_and(|user| user.failures.count > 0)
    }

    /// Notes an answer to a request of the lane.
    pub(super) fn answered(&mut self, lane: &Lane, now: Instant) {
        self.all.answered(now);
        if let Some(user) = self.users.get_mut(lane.user_id()) {
            user.answered(now);
        }
    }
}

/// Failures in a row, over lanes or users.
#[derive(Debug)]
struct Streak<K> {
    /// Failures of lanes.
    failures: Failures<K>,
    /// Lanes that failed, or a batch of which failed by itself; each counts once.
    lanes: Failures<K>,
    /// At most [`FAILURES`] of these lanes.
    known: Vec<Lane>,
    answered_at: Option<Instant>,
}

impl<K> Default for Streak<K> {
    fn default() -> Self {
        Self {
            failures: Failures::default(),
            lanes: Failures::default(),
            known: Vec::new(),
            answered_at: None,
        }
    }
}

impl<K: Clone + PartialEq> Streak<K> {
    /// Returns whether there are enough failures, of enough lanes or users. A failed request that
    /// was sent before the last answer is ignored: the platform was there while the request hung.
    fn failed(&mut self, lane: &Lane, whose: &K, alone: bool, sent: Instant) -> bool {
        if self.answered_at.is_some_and(|answered| sent < answered) {
            return false;
        }
        if !alone {
            self.failures.add(whose);
        }
        if !self.known.contains(lane) {
            if !self.lanes.are_many() {
                self.known.push(lane.clone());
            }
            self.lanes.add(whose);
        }
        self.failures.are_enough() || self.lanes.are_enough()
    }

    fn answered(&mut self, now: Instant) {
        *self = Self {
            answered_at: Some(now),
            ..Self::default()
        };
    }
}

/// A number of failures, and whose they were.
#[derive(Debug)]
struct Failures<K> {
    count: u32,
    /// At most [`SPREAD`] of them.
    whose: Vec<K>,
}

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Self {
            count: 0,
            whose: Vec::new(),
        }
    }
}

impl<K: Clone + PartialEq> Failures<K> {
    fn add(&mut self, whose: &K) {
        self.count = self.count.saturating_add(1);
        if self.whose.len() < SPREAD && !self.whose.contains(whose) {
            self.whose.push(whose.clone());
        }
    }

    fn are_many(&self) -> bool {
        self.count >= FAILURES
    }

    fn are_enough(&self) -> bool {
        self.are_many() && self.whose.len() >= SPREAD
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
    fn rows_that_fail_by_themselves_in_a_few_lanes_never_open_it() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        // Before they are known to fail by themselves, their lanes fail twice.
        for n in 0..4 {
            assert_eq!(breaker.failed(&lane(n % 2, 1), now), None);
        }
        assert!((0..100).all(|n| breaker.failed_alone(&lane(n % 4, 1), now).is_none()));
    }

    #[test]
    fn rows_that_fail_by_themselves_in_many_lanes_open_it() {
        let now = Instant::now();
        let opened = |lane_of: fn(u32) -> Lane| {
            let mut breaker = Breaker::default();
            let opened = (0..6).map(|n| breaker.failed_alone(&lane_of(n), now));
            opened.collect::<Vec<_>>()
        };
        let (all, user) = (Some(Down::ForAll), Some(Down::ForUser));
        assert_eq!(opened(|n| lane(n, 1)), [None, None, None, None, all, all]);
        let of_one = opened(|n| lane(1, n));
        assert_eq!(of_one, [None, None, None, None, user, user]);
        // The users may differ only after many lanes of one of them.
        let late = opened(|n| lane(n / 5, n));
        assert_eq!(late, [None, None, None, None, user, all]);
    }

    #[test]
    fn lanes_that_fail_and_rows_that_fail_by_themselves_count_together_by_lane() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for n in 0..2 {
            breaker.failed(&lane(n, 1), now);
            breaker.failed_alone(&lane(n, 1), now);
            assert_eq!(breaker.failed_alone(&lane(n + 2, 1), now), None);
        }
        breaker.answered(&lane(9, 1), now);
        assert_eq!(breaker.failed_alone(&lane(5, 1), now), None);
        for n in 6..9 {
            assert_eq!(breaker.failed_alone(&lane(n, 1), now), None);
        }
        assert_eq!(breaker.failed(&lane(10, 1), now), Some(Down::ForAll));
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
