//! The round trips of late: the quickest of them, and how much longer the others took.
//!
//! Every request needs the time of the quickest. What a request took beyond that is its excess: it
//! went into the way to the platform, the platform's work, or the way back. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// A longer excess counts as this one: it is the platform's work, and not the way.
pub(super) const MOST_EXCESS: Duration = Duration::from_millis(100);

/// The quickest round trip is that of the last two spans of this length.
const SPAN: Duration = Duration::from_secs(30);

/// How many round trips the mean tells of.
const MANY: f64 = 128.0;

#[derive(Debug, Default)]
pub(super) struct RoundTrips {
    /// The quickest one of this span, and of the span before.
    quickest: [Option<Duration>; 2],
    /// When this span began.
    began: Option<Instant>,
    /// How many there were, up to [`MANY`].
    count: f64,
    /// In seconds.
    mean_excess: f64,
}

impl RoundTrips {
    /// Notes a round trip that ends now, and returns its excess.
    pub(super) fn note(&mut self, took: Duration, now: Instant) -> Duration {
        self.turn(now);
        let quickest = self.quickest.iter().flatten().min();
        let excess = quickest.map_or(Duration::ZERO, |quickest| took.saturating_sub(*quickest));
        let excess = excess.min(MOST_EXCESS);
        self.quickest[0] = Some(self.quickest[0].map_or(took, |quickest| quickest.min(took)));
        self.count = (self.count + 1.0).min(MANY);
        self.mean_excess += (excess.as_secs_f64() - self.mean_excess) / self.count;
        excess
    }

    /// Begins a new span if this one is over.
    fn turn(&mut self, now: Instant) {
        let went = self.began.map(|began| now.saturating_duration_since(began));
        if went.is_some_and(|went| went < SPAN) {
            return;
        }
        let was_lately = went.is_some_and(|went| went < SPAN * 2);
        let before = self.quickest[0].filter(|_| was_lately);
        (self.quickest, self.began) = ([None, before], Some(now));
    }

    /// Returns the mean excess of the last round trips.
    pub(super) fn mean_excess(&self) -> Duration {
        Duration::from_secs_f64(self.mean_excess)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_excess_is_what_a_round_trip_takes_beyond_the_quickest_of_late() {
        let (now, mut trips) = (Instant::now(), RoundTrips::default());
        assert_eq!(trips.note(MS * 50, now), Duration::ZERO);
        assert_eq!(trips.note(MS * 70, now), MS * 20);
        assert_eq!(trips.note(MS * 40, now), Duration::ZERO);
        assert_eq!(trips.note(MS * 70, now + SECOND * 35), MS * 30);
        assert_eq!(trips.note(SECOND, now + SECOND * 36), MOST_EXCESS);
    }

    #[test]
    fn a_way_that_has_become_longer_is_the_new_measure_after_a_minute() {
        let (now, mut trips) = (Instant::now(), RoundTrips::default());
        for second in 0..200 {
            let took = if second < 100 { MS * 10 } else { MS * 90 };
            let excess = trips.note(took, now + SECOND * second);
            let expected = if (100..150).contains(&second) { 80 } else { 0 };
            if !(150..160).contains(&second) {
                assert_eq!(excess, MS * expected, "{second}");
            }
        }
        assert_eq!(trips.note(MS * 500, now + SECOND * 900), Duration::ZERO);
    }

    #[test]
    fn the_mean_follows_the_last_round_trips() {
        let (now, mut trips) = (Instant::now(), RoundTrips::default());
        trips.note(MS * 10, now);
        for nth in 0..2_000 {
            trips.note(MS * (10 + nth % 61), now);
        }
        let mean = trips.mean_excess();
        assert!((MS * 27..MS * 33).contains(&mean), "{mean:?}");
        for _ in 0..1_000 {
            trips.note(MS * 10, now);
        }
        assert!(trips.mean_excess() < MS);
    }
}
