//! The schedule: when the scout searches. Pure: `now` is an argument.
//!
//! A search comes with news, with the instant at which a lane is ripe, with each poll, and whenever the
//! scout has nothing else to do. Searches take a bounded share of the time, so a reason may have to wait;
//! no reason is lost by that.

use std::time::Duration;

use tokio::time::Instant;

use super::search::SEARCH_SHARE;

/// When the last search was, and why the next one may come.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// When the last search ended, and how long it took.
    searched: Option<(Instant, Duration)>,
    /// When the present search began.
    began: Option<Instant>,
    /// When the next lane is ripe that the last search has seen.
    ripe_at: Option<Instant>,
    /// Whether there is reason to search at once.
    has_news: bool,
    /// After a search that has failed, the next one is not before this instant.
    retry_at: Option<Instant>,
}

impl Schedule {
    /// Notes a reason to search at once.
    pub(super) fn has_news(&mut self) {
        self.has_news = true;
    }

    /// Notes that a search begins now. Reasons that come from now on are reasons for the next one.
    pub(super) fn begins_to_search(&mut self, now: Instant) {
        (self.began, self.ripe_at, self.has_news) = (Some(now), None, false);
    }

    /// Notes that the present search has seen a lane that is ripe in so long.
    pub(super) fn ripens_in(&mut self, ripe_in: Option<Duration>, now: Instant) {
        let ripe_at = ripe_in.map(|ripe_in| now + ripe_in);
        self.ripe_at = self.ripe_at.into_iter().chain(ripe_at).min();
    }

    /// Notes that the present search ends now.
    pub(super) fn has_searched(&mut self, now: Instant) {
        let began = self.began.take().unwrap_or(now);
        self.searched = Some((now, now.saturating_duration_since(began)));
        self.retry_at = None;
    }

    /// Notes that the present search has failed. The next one is not before `retry_at`.
    pub(super) fn has_failed(&mut self, retry_at: Instant) {
        (self.began, self.has_news, self.retry_at) = (None, true, Some(retry_at));
    }

    /// Has the next look search, whenever the last search was.
    pub(super) fn begins_anew(&mut self) {
        (self.searched, self.retry_at) = (None, None);
    }

    /// Whether to search now. `is_idle`: the scout has nothing else to do; `poll`: a search comes after
    /// so long in any case.
    pub(super) fn is_due(&self, is_idle: bool, poll: Duration, now: Instant) -> bool {
        let is_ripe = self.ripe_at.is_some_and(|ripe_at| ripe_at <= now);
        let is_poll = self.searched.is_none_or(|(ended, _)| now >= ended + poll);
        let is_time = is_idle || self.has_news || is_ripe || is_poll;
        self.began.is_none() && is_time && self.may_be_in(now).is_zero()
    }

    /// Returns when there is reason for the next search and it may be, as far as is known.
    pub(super) fn next_in(&self, now: Instant) -> Option<Duration> {
        // The present search may see other reasons, and tells when it is over.
        if self.began.is_some() {
            return None;
        }
        let reason_in = if self.has_news {
            Duration::ZERO
        } else {
            self.ripe_at?.saturating_duration_since(now)
        };
        Some(reason_in.max(self.may_be_in(now)))
    }

    /// Returns when the next search may be, so that searches take a bounded share of the time.
    fn may_be_in(&self, now: Instant) -> Duration {
        let shared_in = self.searched.map(|(ended, took)| {
            let rests = took * (SEARCH_SHARE - 1);
            rests.saturating_sub(now.saturating_duration_since(ended))
        });
        let retry_at = self.retry_at;
        let retry_in = retry_at.map(|retry_at| retry_at.saturating_duration_since(now));
        shared_in.max(retry_in).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: Duration = Duration::from_secs(1);
    const TENTH: Duration = Duration::from_millis(100);

    /// A schedule with a search that ends now, and took so long.
    fn searched(took: Duration, ripe_in: Option<Duration>, now: Instant) -> Schedule {
        let mut schedule = Schedule::default();
        schedule.begins_to_search(now.checked_sub(took).unwrap());
        schedule.ripens_in(ripe_in, now);
        schedule.has_searched(now);
        schedule
    }

    #[tokio::test(start_paused = true)]
    async fn an_instant_that_is_known_is_kept_over_looks_that_do_not_search() {
        tokio::time::advance(POLL).await;
        let now = Instant::now();
        let schedule = searched(TENTH / 10, Some(TENTH * 3), now);
        for tenths in 0..3 {
            let then = now + TENTH * tenths;
            assert!(!schedule.is_due(false, POLL, then));
            assert_eq!(schedule.next_in(then), Some(TENTH * (3 - tenths)));
        }
        assert!(schedule.is_due(false, POLL, now + TENTH * 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reason_that_comes_soon_after_a_search_waits_for_its_share_and_no_poll() {
        tokio::time::advance(POLL).await;
        let now = Instant::now();
        let mut schedule = searched(TENTH, Some(TENTH), now);
        assert!(!schedule.is_due(false, POLL, now + TENTH));
        assert_eq!(schedule.next_in(now + TENTH), Some(TENTH * 3));
        schedule.has_news();
        assert_eq!(schedule.next_in(now), Some(TENTH * 4));
        assert!(schedule.is_due(false, POLL, now + TENTH * 4));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_reason_the_poll_is_waited_for() {
        tokio::time::advance(POLL).await;
        let now = Instant::now();
        let schedule = searched(TENTH, None, now);
        assert_eq!(schedule.next_in(now), None);
        assert!(!schedule.is_due(false, POLL, now + TENTH * 9));
        assert!(schedule.is_due(true, POLL, now + TENTH * 4));
        assert!(schedule.is_due(false, POLL, now + POLL));
    }
    #[tokio::test(start_paused = true)]
    async fn a_reason_that_comes_during_a_search_is_a_reason_for_the_next_one() {
        tokio::time::advance(POLL).await;
        let now = Instant::now();
        let mut schedule = Schedule::default();
        schedule.has_news();
        schedule.begins_to_search(now);
        for ripe_in in [Some(TENTH * 9), None, Some(TENTH * 6), Some(TENTH * 8)] {
            schedule.ripens_in(ripe_in, now);
        }
        assert!(!schedule.is_due(true, POLL, now + POLL), "it goes on");
        assert_eq!(schedule.next_in(now), None);
        schedule.has_searched(now);
        assert_eq!(schedule.next_in(now), Some(TENTH * 6));
        schedule.begins_to_search(now);
        schedule.has_news();
        schedule.has_searched(now);
        assert_eq!(schedule.next_in(now), Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_that_fails_is_not_tried_again_at_once() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        assert!(schedule.is_due(false, POLL, now));
        schedule.begins_to_search(now);
        schedule.has_failed(now + TENTH);
        assert!(!schedule.is_due(true, POLL, now));
        assert_eq!(schedule.next_in(now), Some(TENTH));
        assert!(schedule.is_due(false, POLL, now + TENTH));
    }
}
