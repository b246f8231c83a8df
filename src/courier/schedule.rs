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
    /// When the next lane is ripe that the last search has seen.
    ripe_at: Option<Instant>,
    /// Whether there is reason to search at once.
    has_news: bool,
}

impl Schedule {
    /// Notes a reason to search at once.
    pub(super) fn has_news(&mut self) {
        self.has_news = true;
    }

    /// Notes a search that began then and ends now. `ripe_in`: when the next lane is ripe.
    pub(super) fn has_searched(&mut self, began: Instant, ripe_in: Option<Duration>, now: Instant) {
        *self = Self {
            searched: Some((now, now.saturating_duration_since(began))),
            ripe_at: ripe_in.map(|ripe_in| now + ripe_in),
            has_news: false,
        };
    }

    /// Has the next look search, whenever the last search was.
    pub(super) fn begins_anew(&mut self) {
        self.searched = None;
    }

    /// Whether to search now. `is_idle`: the scout has nothing else to do; `poll`: a search comes after
    /// so long in any case.
    pub(super) fn is_due(&self, is_idle: bool, poll: Duration, now: Instant) -> bool {
        let Some((ended, _)) = self.searched else {
            return true;
        };
        let is_ripe = self.ripe_at.is_some_and(|ripe_at| ripe_at <= now);
        let is_time = is_idle || self.has_news || is_ripe || now >= ended + poll;
        is_time && self.may_be_in(now).is_zero()
    }

    /// Returns when there is reason for the next search and it may be, as far as is known.
    pub(super) fn next_in(&self, now: Instant) -> Option<Duration> {
        let reason_in = if self.has_news {
            Duration::ZERO
        } else {
            self.ripe_at?.saturating_duration_since(now)
        };
        Some(reason_in.max(self.may_be_in(now)))
    }

    /// Returns when the next search may be, so that searches take a bounded share of the time.
    fn may_be_in(&self, now: Instant) -> Duration {
        self.searched.map_or(Duration::ZERO, |(ended, took)| {
            let rests = took * (SEARCH_SHARE - 1);
            rests.saturating_sub(now.saturating_duration_since(ended))
        })
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
        schedule.has_searched(now.checked_sub(took).unwrap(), ripe_in, now);
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
}
