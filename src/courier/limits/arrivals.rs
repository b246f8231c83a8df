//! The requests of the last second by their arrival at the platform, as far as it can be known.
//!
//! A platform that counts in windows counts arrivals. A network delays each request by another
//! time, so requests that went evenly may arrive closer together. A request surely has arrived by
//! its departure plus its excess over the quickest round trip, plus the time that every request
//! needs ([`RoundTrips`]). [`Arrivals`] keeps a window by these latest arrivals: a request goes
//! when the one before it has surely left the platform's window.
//!
//! This costs the mean excess of each second. So the window is kept only after a refusal at about
//! the full rate, while the excess is small, and no longer if refusals go on all the same: then the
//! platform allows less, which is for the level to learn. Pure: `now` is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::rate::Rate;
use super::round_trips::{MOST_EXCESS, RoundTrips};

/// A refusal at this level or above is one at about the full rate.
const ABOUT_FULL: f64 = 0.9;

/// The window is not taken up at a larger mean excess. A level would cost less.
const SMALL: Duration = Duration::from_millis(48);

/// The window is given up at a larger mean excess.
const LARGE: Duration = Duration::from_millis(56);

/// How long the window is kept after a refusal, and how long it is not after it was of no use.
const KEPT: Duration = Duration::from_mins(10);

/// The window cannot prevent refusals of requests that go this soon after the last refusal.
const BEGINNING: Duration = Duration::from_millis(1_100);

/// Two refusals in this time show that the window is of no use.
const AGAIN: Duration = Duration::from_mins(2);

/// A rate with more room than this has no such window: the level costs less there.
const MOST_ROOM: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Latest arrivals, less the time that every request needs, in order. While a request is not
    /// answered, its departure.
    latest: VecDeque<Instant>,
    trips: RoundTrips,
    window: Window,
}

/// Whether the window is kept.
#[derive(Clone, Copy, Debug, Default)]
enum Window {
    #[default]
    Unused,
    Kept {
        /// When the last request was refused.
        refused: Instant,
        /// When one was refused that the window should have prevented.
        failed: Option<Instant>,
    },
    /// It was of no use.
    GivenUp(Instant),
}

impl Arrivals {
    /// Whether a request may go now. Fails with the instant until which the window is full, if the
    /// window is kept.
    pub(super) fn room(&self, rate: Option<Rate>, now: Instant) -> Result<(), Instant> {
        guarded(rate)
            .filter(|_| self.is_kept(now))
            .map_or(Ok(()), |rate| rate.room(&self.latest, now))
    }

    /// Counts a request that goes now.
    pub(super) fn depart(&mut self, rate: Option<Rate>, now: Instant) {
        let Some(rate) = guarded(rate) else {
            self.latest.clear();
            return;
        };
        // An answer may still move a request by this much.
        let memory = rate.window().1 + MOST_EXCESS;
        let is_old = |at: &Instant| now.saturating_duration_since(*at) > memory;
        while self.latest.front().is_some_and(is_old) {
            self.latest.pop_front();
        }
        self.count(now);
    }

    /// Notes the answer to a request that departed at `sent`.
    pub(super) fn answered(&mut self, sent: Instant, now: Instant) {
        let took = now.saturating_duration_since(sent);
        let excess = self.trips.note(took, now);
        if self.trips.mean_excess() > LARGE && matches!(self.window, Window::Kept { .. }) {
            self.window = Window::Unused;
        }
        // Requests that count from the same instant need not be told apart.
        let place = self.latest.partition_point(|at| *at < sent);
        if self.latest.get(place) == Some(&sent) {
            self.latest.remove(place);
            self.count(sent + excess);
        }
    }

    fn count(&mut self, at: Instant) {
        let place = self.latest.partition_point(|other| *other <= at);
        self.latest.insert(place, at);
    }

    /// Notes that the platform said "too many" at the level `hurt` to a request sent at `sent`.
    pub(super) fn refused(&mut self, hurt: f64, sent: Instant, now: Instant) {
        let since = |at: Instant| now.saturating_duration_since(at);
        let mut failed = None;
        match self.window {
            Window::GivenUp(at) if since(at) < KEPT => return,
            Window::Kept {
                refused,
                failed: last,
            } if self.is_kept(sent) => {
                failed = last;
                if sent >= refused + BEGINNING {
                    if last.is_some_and(|last| since(last) < AGAIN) {
                        self.window = Window::GivenUp(now);
                        return;
                    }
                    failed = Some(now);
                }
            }
            _ => {}
        }
        let helps = hurt >= ABOUT_FULL && self.trips.mean_excess() <= SMALL;
        self.window = if helps {
            let refused = now;
            Window::Kept { refused, failed }
        } else {
            Window::Unused
        };
    }

    /// Forgets what refusals have taught, because the rate has changed.
    pub(super) fn forget_refusals(&mut self) {
        self.window = Window::Unused;
    }

    fn is_kept(&self, now: Instant) -> bool {
        match self.window {
            Window::Kept { refused, .. } => now.saturating_duration_since(refused) < KEPT,
            Window::Unused | Window::GivenUp(_) => false,
        }
    }
}

/// Returns this rate, if the window may be kept at it.
fn guarded(rate: Option<Rate>) -> Option<Rate> {
    rate.filter(|rate| rate.window().0 <= MOST_ROOM)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn rate() -> Rate {
        Rate::new(2.0, 1)
    }

    /// Returns arrivals after the first refusal.
    fn refused_at(now: Instant) -> Arrivals {
        let mut arrivals = Arrivals::default();
        arrivals.answered(now, now + MS * 10);
        arrivals.refused(1.0, now, now + MS * 10);
        arrivals
    }

    /// Lets two requests go, the first of which takes 60 ms longer than the quickest.
    fn two_go(arrivals: &mut Arrivals, now: Instant) {
        for _ in 0..2 {
            arrivals.depart(Some(rate()), now);
        }
        arrivals.answered(now, now + MS * 10);
        arrivals.answered(now, now + MS * 70);
    }

    #[test]
    fn a_request_counts_from_its_latest_arrival() {
        let now = Instant::now();
        let mut arrivals = refused_at(now);
        two_go(&mut arrivals, now);
        let hair = Duration::from_micros(1);
        let full = |until| Err(until + hair);
        assert_eq!(
            arrivals.room(Some(rate()), now + MS * 80),
            full(now + SECOND)
        );
        arrivals.depart(Some(rate()), now + SECOND + hair);
        let later = now + SECOND + MS * 60;
        assert_eq!(
            arrivals.room(Some(rate()), now + SECOND + hair * 2),
            full(later)
        );
        assert_eq!(arrivals.room(Some(rate()), later + hair), Ok(()));
    }

    #[test]
    fn without_a_refusal_at_about_the_full_rate_nobody_waits() {
        let now = Instant::now();
        let mut arrivals = Arrivals::default();
        two_go(&mut arrivals, now);
        assert_eq!(arrivals.room(Some(rate()), now + MS * 80), Ok(()));
        arrivals.refused(0.8, now, now + MS * 80);
        assert_eq!(arrivals.room(Some(rate()), now + MS * 80), Ok(()));
        arrivals.refused(0.95, now, now + MS * 80);
        assert!(arrivals.room(Some(rate()), now + MS * 80).is_err());
        assert_eq!(arrivals.room(None, now + MS * 80), Ok(()));
        let fast = Some(Rate::new(100_000.0, 1));
        assert_eq!(arrivals.room(fast, now + MS * 80), Ok(()));
        arrivals.forget_refusals();
        assert_eq!(arrivals.room(Some(rate()), now + MS * 80), Ok(()));
    }

    #[test]
    fn the_window_is_given_up_for_a_while_if_refusals_go_on() {
        let now = Instant::now();
        let mut arrivals = refused_at(now);
        let is_kept = |arrivals: &mut Arrivals, now: Instant| {
            arrivals.depart(Some(rate()), now);
            arrivals.depart(Some(rate()), now);
            arrivals.room(Some(rate()), now).is_err()
        };
        let mut refuse = |second: u32| {
            let sent = now + SECOND * second;
            arrivals.refused(1.0, sent, sent + MS);
            is_kept(&mut arrivals, sent + MS * 2)
        };
        assert!(refuse(1), "the window was not full yet");
        assert!(refuse(10), "once may be chance");
        assert!(refuse(300), "and so may once in a long time");
        assert!(!refuse(400));
        assert!(!refuse(900));
        assert!(refuse(1_001));
        assert!(!is_kept(&mut arrivals, now + SECOND * 1_700), "long ago");
    }

    #[test]
    fn the_window_is_not_kept_where_it_costs_more_than_the_level() {
        let now = Instant::now();
        let mut arrivals = refused_at(now);
        for _ in 0..200 {
            arrivals.answered(now, now + MS * 100);
        }
        two_go(&mut arrivals, now);
        assert_eq!(arrivals.room(Some(rate()), now + MS * 100), Ok(()));
        arrivals.refused(1.0, now, now + MS * 100);
        assert_eq!(arrivals.room(Some(rate()), now + MS * 100), Ok(()));
    }

    proptest! {
        #[test]
        fn no_window_of_arrivals_holds_more_than_the_rate_and_nobody_waits_for_long(
            per_second in prop_oneof![0.3f64..3.0, 3.0f64..60.0],
            ways in prop::collection::vec((0u64..30_000, 0u64..25_000), 1..60),
        ) {
            let rate = Rate::new(per_second, 1);
            let (room, window) = rate.window();
            let start = Instant::now();
            let mut arrivals = refused_at(start);
            // The quickest round trip takes 10 ms.
            let mut now = start + SECOND;
            let (mut came, mut under_way) = (Vec::new(), Vec::<(Instant, Instant)>::new());
            for (out, back) in ways.iter().cycle().take(room * 5) {
                loop {
                    let answered = under_way.iter().filter(|(at, _)| *at <= now);
                    for (at, sent) in answered {
                        arrivals.answered(*sent, *at);
                    }
                    under_way.retain(|(at, _)| *at > now);
                    match arrivals.room(Some(rate), now) {
                        Ok(()) => break,
                        Err(later) => {
                            prop_assert!(later > now);
                            prop_assert!(later <= now + window + MS);
                            now = later;
                        }
                    }
                }
                arrivals.depart(Some(rate), now);
                prop_assert!(arrivals.latest.iter().is_sorted());
                prop_assert!(arrivals.latest.len() <= 2 * room + 1);
                let arrives = now + MS * 5 + Duration::from_micros(*out);
                came.push(arrives);
                under_way.push((arrives + MS * 5 + Duration::from_micros(*back), now));
            }
            came.sort();
            let busiest = came.iter().enumerate().map(|(first, from)| {
                came[first..].partition_point(|at| *at < *from + window)
            });
            prop_assert!(busiest.max() <= Some(room));
            let windows = came.len().div_ceil(room);
            let longest = (window + MOST_EXCESS) * u32::try_from(windows).unwrap();
            prop_assert!(now <= start + SECOND + longest);
        }
    }
}
