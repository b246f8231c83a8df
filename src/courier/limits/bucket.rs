//! A token bucket that hands out instants: each request is told when it may go.
//!
//! Pure: `now` is an argument. Handing out instants in advance uses the rate to the full although
//! timers wake up late; letting everybody try again and again would not. A request that wakes up
//! late is checked once more as it departs, so that late requests and punctual ones cannot come
//! together: no window holds more than the rate and the burst allow. A window is a second, or the
//! time of one request at a rate below one per second.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::rate::Rate;

/// The longest window of any rate of one per second or more. Departures are remembered at least
/// this long, so that they count when a slower rate replaces a faster one.
const LONGEST_WINDOW: Duration = Duration::from_secs(2);

/// At most this many departures are remembered. A faster rate is paced, but not checked again.
const MEMORY: usize = 200_000;

#[derive(Debug)]
pub(super) struct Bucket {
    /// How fast the bucket fills; `None`: every request may go at once.
    rate: Option<Rate>,
    /// When the next request may go if there is no burst left.
    next: Option<Instant>,
    /// When the last requests went.
    departed: VecDeque<Instant>,
}

impl Bucket {
    /// Returns a full bucket.
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            rate: Some(rate),
            next: None,
            departed: VecDeque::new(),
        }
    }

    /// Returns how fast the bucket fills.
    pub(super) fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// Fills at another rate from now on. Unused reservations are free again; requests that went
    /// still count.
    pub(super) fn change(&mut self, rate: Option<Rate>) {
        self.rate = rate;
        let last = self.departed.back();
        self.next = last.zip(rate).map(|(last, rate)| *last + rate.period());
    }

    /// Reserves and returns the instant at which one more request may go. The instant stays
    /// reserved even if the request does not go. Requests lie `slowdown` periods apart, 1 or more.
    pub(super) fn reserve(&mut self, slowdown: f64, now: Instant) -> Instant {
        let Some(rate) = &self.rate else { return now };
        let period = rate.period().mul_f64(slowdown.max(1.0));
        let earliest = now.checked_sub(rate.burst_span()).unwrap_or(now);
        let slot = self.next.map_or(earliest, |next| next.max(earliest));
        self.next = Some(slot + period);
        slot.max(now)
    }

    /// Returns how long a departure counts.
    fn memory(&self) -> Duration {
        let window = self.rate.map_or(Duration::ZERO, |rate| rate.window().1);
        window.max(LONGEST_WINDOW)
    }

    /// Returns the instant that would be reserved now.
    pub(super) fn next_slot(&self, now: Instant) -> Instant {
        let Some(rate) = &self.rate else { return now };
        let earliest = now.checked_sub(rate.burst_span()).unwrap_or(now);
        self.next.map_or(now, |next| next.max(earliest).max(now))
    }

    /// Whether a request may go now. Fails with the instant until which the window is full.
    pub(super) fn room(&mut self, now: Instant) -> Result<(), Instant> {
        let memory = self.memory();
        while self
            .departed
            .front()
            .is_some_and(|went| now.duration_since(*went) > memory)
        {
            self.departed.pop_front();
        }
        self.rate
            .map_or(Ok(()), |rate| rate.room(&self.departed, now))
    }

    /// Counts a request that goes now.
    pub(super) fn depart(&mut self, now: Instant) {
        if self.departed.len() < MEMORY {
            self.departed.push_back(now);
        }
    }

    /// Whether a new bucket would do the same: nothing is reserved, and no departure counts any
    /// more.
    pub(super) fn is_as_new(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
            && self
                .departed
                .back()
                .is_none_or(|went| now.duration_since(*went) > self.memory())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rate(per_second: f64, burst: u32) -> Rate {
        Rate::new(per_second, burst)
    }

    /// Sends as fast as it may, each time waking up late by one of `late` (in microseconds).
    fn send(rate: Rate, late: &[u64], until: Duration) -> Vec<Instant> {
        let start = Instant::now();
        let mut bucket = Bucket::new(rate);
        let (mut now, mut went) = (start, Vec::new());
        for late in late.iter().cycle() {
            let slot = bucket.reserve(1.0, now);
            let mut woke = slot.max(now) + Duration::from_micros(*late);
            while let Err(later) = bucket.room(woke) {
                woke = later;
            }
            bucket.depart(woke);
            now = woke;
            went.push(woke);
            if woke - start > until {
                break;
            }
        }
        went
    }

    /// Returns when the last of these requests has its turn.
    fn slots_end(rate: Rate, requests: usize, start: Instant) -> Instant {
        start + rate.period() * u32::try_from(requests).unwrap()
    }

    /// Returns the most requests in any closed window of this length.
    fn busiest(went: &[Instant], window: Duration) -> usize {
        let within = |from: Instant| {
            went.iter()
                .filter(|at| **at >= from && **at - from <= window)
                .count()
        };
        went.iter().map(|from| within(*from)).max().unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_spaced_by_the_rate_and_a_burst_goes_at_once() {
        let now = Instant::now();
        let rate = rate(10.0, 3);
        let mut bucket = Bucket::new(rate);
        let slots: Vec<Instant> = (0..5).map(|_| bucket.reserve(1.0, now)).collect();
        assert_eq!(slots[..3], [now; 3]);
        assert_eq!(slots[3] - now, rate.period());
        assert_eq!(slots[4] - now, rate.period() * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn timers_that_wake_up_late_cost_nothing_of_the_rate() {
        let went = send(rate(50.0, 1), &[1_500], Duration::from_secs(20));
        assert!(went.len() >= 980, "{} of 1000", went.len());
        assert!(busiest(&went, SECOND) <= 50);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_with_a_fraction_is_used_to_the_full() {
        for (per_second, least) in [(1.5, 29), (1.9, 37), (2.5, 49)] {
            let went = send(rate(per_second, 1), &[300], SECOND * 20);
            assert!(went.len() >= least, "{} at {per_second}/s", went.len());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slower_pace_is_kept_from_the_next_request_on() {
        let now = Instant::now();
        let rate = rate(10.0, 1);
        let mut bucket = Bucket::new(rate);
        bucket.reserve(2.0, now);
        assert_eq!(bucket.reserve(1.0, now) - now, rate.period() * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_that_was_not_used_for_a_while_may_be_forgotten() {
        let now = Instant::now();
        let rate = rate(2.0, 1);
        let mut bucket = Bucket::new(rate);
        bucket.reserve(1.0, now);
        bucket.depart(now);
        assert!(!bucket.is_as_new(now));
        assert!(bucket.is_as_new(now + SECOND * 3));
        bucket.change(Some(self::rate(0.1, 1)));
        assert!(!bucket.is_as_new(now + SECOND * 10));
        assert!(bucket.is_as_new(now + SECOND * 11));
    }

    #[tokio::test(start_paused = true)]
    async fn at_another_rate_nobody_waits_for_what_the_old_one_gave_away() {
        let now = Instant::now();
        let (before, after) = (rate(0.01, 1), rate(10.0, 1));
        let mut bucket = Bucket::new(before);
        for _ in 0..3 {
            bucket.reserve(1.0, now);
        }
        bucket.depart(now);
        bucket.change(Some(after));
        assert_eq!(bucket.reserve(1.0, now) - now, after.period());
    }

    #[tokio::test(start_paused = true)]
    async fn at_another_rate_what_has_gone_still_counts() {
        let now = Instant::now();
        let (before, after) = (rate(50.0, 50), rate(2.0, 2));
        let mut bucket = Bucket::new(before);
        for _ in 0..50 {
            let slot = bucket.reserve(1.0, now);
            bucket.depart(slot);
        }
        bucket.change(Some(after));
        let later = now + SECOND / 2;
        assert!(bucket.room(later).unwrap_err() > now + SECOND);
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_rate_and_burst_allow(
            per_second in prop_oneof![0.001f64..1.0, 1.0f64..200.0],
            burst in 1u32..20,
            late in prop::collection::vec(0u64..200_000, 1..50),
        ) {
            let rate = rate(per_second, burst);
            let (room, window) = rate.window();
            let went = send(rate, &late, window * 5);
            prop_assert!(busiest(&went, window) <= room);
        }

        #[test]
        fn requests_that_were_held_up_together_keep_the_rate_too(
            per_second in prop_oneof![0.001f64..1.0, 1.0f64..20.0],
            burst in 1u32..5,
            held_up in 1usize..40,
            windows_late in 0u32..20,
        ) {
            let rate = rate(per_second, burst);
            let (room, window) = rate.window();
            let mut bucket = Bucket::new(rate);
            let start = Instant::now();
            let slots: Vec<Instant> = (0..held_up).map(|_| bucket.reserve(1.0, start)).collect();
            let released = start + window * windows_late;
            let (mut now, mut went) = (released, Vec::new());
            for slot in slots {
                now = now.max(slot);
                while let Err(later) = bucket.room(now) {
                    now = later;
                }
                bucket.depart(now);
                went.push(now);
            }
            prop_assert!(busiest(&went, window) <= room);
            // No window is left empty either.
            let windows = u32::try_from(held_up.div_ceil(room)).unwrap() + 1;
            let in_turn = slots_end(rate, held_up, start).max(released);
            prop_assert!(now <= in_turn + window * windows + SECOND);
        }
    }
}
