//! A courier's part of a rate that several couriers on one database share.
//!
//! The database keeps, for each rate, the instant up to which it is given away. A courier reserves
//! a slice behind it: as many requests as it has lately sent in a second, so that it asks about
//! once a second, and a courier with little to send takes little. A slice that is not used up is
//! lost, so together they may send too little for a moment, never too much. [`Slice`] and
//! [`Demand`] are pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::rate::Rate;
use crate::outbox::RateClaim;

/// A request may go so much later than its slot; a slot that is older is lost. It is what the
/// margin of a [`Rate`] leaves room for at one request in a second's window.
const TOLERANCE: Duration = Duration::from_millis(10);

/// Between tries while the database is away.
const RETRY: Duration = Duration::from_millis(500);

/// The part of one courier in one rate.
pub(super) struct Share {
    shared: Shared,
    name: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    slice: Slice,
    demand: Demand,
    /// The rate that the slice is of.
    rate: Option<Rate>,
}

impl Share {
    /// Nothing is reserved yet. `name` tells rates apart in the database.
    pub(super) fn new(shared: Shared, name: String) -> Self {
        Self {
            shared,
            name,
            state: Mutex::default(),
        }
    }

    /// Waits until one more request may go. A slot that is woken up for too late is lost: the time
    /// behind it may be another courier's.
    pub(super) async fn ready(&self, rate: Rate, slowdown: f64) {
        loop {
            let slot = self.reserve(rate, slowdown).await;
            sleep_until(slot).await;
            if Instant::now() <= slot + TOLERANCE {
                return;
            }
        }
    }

    /// The instant at which one more request may go; it is taken. Waits for the database if a slice
    /// has to be reserved first; others wait behind it, in their order.
    async fn reserve(&self, rate: Rate, slowdown: f64) -> Instant {
        let mut state = self.state.lock().await;
        let burst = rate.period() * (rate.burst - 1);
        let mut within = None;
        if state.rate != Some(rate) {
            // What was reserved at another rate, which may be far ahead, is given back.
            within = state.rate.map(|_| rate.period());
            state.slice = Slice::default();
        }
        loop {
            let now = Instant::now();
            if let Some(slot) = state.slice.take(now, TOLERANCE + burst) {
                state.demand.note(now);
                return slot;
            }
            let period = rate.period().mul_f64(slowdown.max(1.0));
            let requests = state.demand.of_a_second(now, period);
            let span = period * requests;
            let begins = self.claim(span, burst, within.take()).await;
            state.slice = Slice {
                next: Some(begins),
                period,
                left: requests,
            };
            state.rate = Some(rate);
        }
    }

    /// When the slice begins that is this courier's from now on.
    async fn claim(&self, span: Duration, burst: Duration, within: Option<Duration>) -> Instant {
        let claim = RateClaim {
            name: &self.name,
            span,
            burst,
            within,
        };
        loop {
            // The database's clock is read right after this one; how long it takes to commit does
            // not matter. Should the slice be used a little early or late by that, it is so for
            // all of it.
            let asked = Instant::now();
            match self.shared.outbox.claim_rate(&claim).await {
                Ok(begins_in) => {
                    self.shared.watch.works();
                    return shifted(asked, begins_in);
                }
                Err(error) => self.shared.watch.fails(&error),
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

fn shifted(from: Instant, micros: i64) -> Instant {
    let by = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 {
        from.checked_sub(by).unwrap_or(from)
    } else {
        from + by
    }
}

/// Some of the rate that is this courier's: `left` requests, one period apart.
#[derive(Debug, Default)]
struct Slice {
    next: Option<Instant>,
    period: Duration,
    left: u32,
}

impl Slice {
    /// Takes the next slot that is not too old to be used.
    fn take(&mut self, now: Instant, tolerance: Duration) -> Option<Instant> {
        while self.left > 0 {
            let slot = self.next?;
            (self.next, self.left) = (Some(slot + self.period), self.left - 1);
            if slot + tolerance >= now {
                return Some(slot.max(now));
            }
        }
        None
    }
}

/// What was taken during the last second.
#[derive(Debug, Default)]
struct Demand(VecDeque<Instant>);

impl Demand {
    fn note(&mut self, now: Instant) {
        self.0.push_back(now);
    }

    /// How many requests the next slice should be for: as many as in the last second, one at least,
    /// and no more than the rate has room for in a second.
    fn of_a_second(&mut self, now: Instant, period: Duration) -> u32 {
        let second = Duration::from_secs(1);
        while self
            .0
            .front()
            .is_some_and(|at| now.duration_since(*at) > second)
        {
            self.0.pop_front();
        }
        let room = second.as_nanos() / period.as_nanos().max(1);
        let wanted = u128::try_from(self.0.len())
            .unwrap_or(room)
            .min(room)
            .max(1);
        u32::try_from(wanted).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_slice_hands_out_its_slots_a_period_apart_and_is_then_used_up() {
        let now = Instant::now();
        let mut slice = Slice {
            next: Some(now + MS),
            period: MS * 20,
            left: 2,
        };
        assert_eq!(slice.take(now, TOLERANCE), Some(now + MS));
        assert_eq!(slice.take(now, TOLERANCE), Some(now + MS * 21));
        assert_eq!(slice.take(now, TOLERANCE), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_was_not_used_in_time_is_lost() {
        let start = Instant::now();
        let mut slice = Slice {
            next: Some(start),
            period: MS * 20,
            left: 3,
        };
        let now = start + MS * 25;
        assert_eq!(slice.take(now, TOLERANCE), Some(now));
        assert_eq!(slice.take(now, TOLERANCE), Some(start + MS * 40));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slice_is_for_what_the_last_second_has_taken() {
        let now = Instant::now();
        let mut demand = Demand::default();
        assert_eq!(demand.of_a_second(now, MS * 20), 1);
        for _ in 0..17 {
            demand.note(now);
        }
        assert_eq!(demand.of_a_second(now + MS * 900, MS * 20), 17);
        assert_eq!(demand.of_a_second(now + MS * 900, MS * 100), 10);
        assert_eq!(demand.of_a_second(now + MS * 1_001, MS * 20), 1);
    }
}
