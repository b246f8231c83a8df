//! Bucket, level and arrivals together, before a platform behind a network that jitters.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use super::arrivals::Arrivals;
use super::bucket::Bucket;
use super::door::{ALL, Counts, Day, Platform};
use super::level::{Level, Refusal};
use super::rate::Rate;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// The configured requests per second.
const RATE: f64 = 50.0;

/// No more requests than this wait for their turn at once.
const INSIDE: usize = 25;

/// The network and the platform, in milliseconds. What varies is between 0 and this, by chance.
#[derive(Clone, Copy, Debug)]
struct World {
    counts: Counts,
    /// How the way there varies.
    out: u32,
    /// How the way back varies.
    back: u32,
    /// How the platform's work varies. It comes after the counting.
    work: u32,
    /// The part of both ways that is always the same.
    base: u32,
    /// How long nothing is sent after a refusal.
    wait: u32,
    /// The platform's limit in each second.
    limit: fn(u64) -> u32,
}

/// What happens next to a request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Arrives,
    Answered,
    Refused,
}

/// A courier that always has something to send.
struct Courier {
    start: Instant,
    rate: Rate,
    bucket: Bucket,
    level: Level,
    arrivals: Arrivals,
    /// Whether it tells its arrivals of refusals.
    learns: bool,
    /// The turns of the requests that wait.
    turns: VecDeque<Instant>,
    shut_until: Instant,
    /// When the last request was sent that the platform has accepted.
    accepted: Option<Instant>,
}

impl Courier {
    fn new(learns: bool) -> Self {
        let (start, rate) = (Instant::now(), Rate::new(RATE, 1));
        Self {
            start,
            rate,
            bucket: Bucket::new(rate),
            level: Level::default(),
            arrivals: Arrivals::default(),
            learns,
            turns: VecDeque::new(),
            shut_until: start,
            accepted: None,
        }
    }

    /// Returns when the next request wants to go.
    fn next(&mut self, now: Instant) -> Instant {
        while self.turns.len() < INSIDE {
            let slowdown = 1.0 / self.level.at(now);
            self.turns.push_back(self.bucket.reserve(slowdown, now));
        }
        self.turns[0].max(self.shut_until).max(now)
    }

    /// Sends a request, if it may go. Fails with the instant to try again.
    fn send(&mut self, now: Instant) -> Result<(), Instant> {
        let rate = Some(self.rate);
        self.bucket.room(now)?;
        self.arrivals.room(rate, now)?;
        self.turns.pop_front();
        self.bucket.depart(now);
        self.arrivals.depart(rate, now);
        Ok(())
    }

    fn refused(&mut self, sent: Instant, now: Instant, wait: Duration) {
        let hurt = self.level.at(now);
        let refusal = Refusal {
            sent,
            at: now,
            until: now + wait,
            accepted: self.accepted,
        };
        if self.level.lower(&refusal) && self.learns {
            self.arrivals.refused(hurt, sent, now);
        }
        self.shut_until = now + wait;
        self.turns.clear();
    }
}

/// Requests under way: when which step comes, and when they were sent.
type UnderWay = BinaryHeap<Reverse<(Instant, Step, Instant)>>;

/// Takes the next step that comes before this instant.
fn pop_before(under_way: &mut UnderWay, until: Instant) -> Option<(Instant, Step, Instant)> {
    let Reverse((at, ..)) = under_way.peek()?;
    if *at > until {
        return None;
    }
    under_way.pop().map(|Reverse(step)| step)
}

/// Sends as fast as the courier may, for so many seconds.
fn day(world: World, mut courier: Courier, seconds: u32, seed: u64) -> Day {
    let start = courier.start;
    let mut dice = StdRng::seed_from_u64(seed);
    let mut up_to = |ms: u32| (MS * ms).mul_f64(dice.random::<f64>());
    let mut platform = Platform::new(world.counts, (world.limit)(0));
    let none = vec![0; usize::try_from(seconds).unwrap()];
    let mut day = Day {
        let_in: none.clone(),
        refused: none,
    };
    let mut under_way = UnderWay::new();
    let mut goes = courier.next(start);
    while goes < start + SECOND * seconds {
        let due = pop_before(&mut under_way, goes);
        let Some((at, step, sent)) = due else {
            goes = match courier.send(goes) {
                Ok(()) => {
                    let arrives = goes + MS * world.base / 2 + up_to(world.out);
                    under_way.push(Reverse((arrives, Step::Arrives, goes)));
                    courier.next(goes)
                }
                Err(later) => later + up_to(2),
            };
            continue;
        };
        match step {
            Step::Arrives => {
                let since = at - start;
                platform.limit = (world.limit)(since.as_secs());
                let second = usize::try_from(since.as_secs()).unwrap();
                let back = at + MS * world.base / 2 + up_to(world.back);
                let (counted, answer) = if platform.lets_in(since) {
                    let works = up_to(world.work);
                    (&mut day.let_in, (back + works, Step::Answered, sent))
                } else {
                    (&mut day.refused, (back, Step::Refused, sent))
                };
                if let Some(count) = counted.get_mut(second) {
                    *count += 1;
                }
                under_way.push(Reverse(answer));
            }
            Step::Answered => {
                courier.accepted = courier.accepted.max(Some(sent));
                courier.arrivals.answered(sent, at);
            }
            Step::Refused => {
                courier.refused(sent, at, MS * world.wait);
                goes = courier.next(at);
            }
        }
    }
    day
}

/// The mean use of the limit and the mean share of refused requests, with and without arrivals.
#[derive(Debug)]
struct Compared {
    used: f64,
    refused: f64,
    used_before: f64,
}

/// Compares over several days, from the twentieth second on.
fn compared(world: World, seconds: u32) -> Compared {
    let shares = |learns: bool| {
        let (mut used, mut refused) = (0.0, 0.0);
        for seed in [1, 2] {
            let day = day(world, Courier::new(learns), seconds, seed);
            let from_to = 20..u64::from(seconds);
            let allowed = from_to.map(|second| f64::from((world.limit)(second)));
            let (good, bad) = day.sums(20);
            used += good / allowed.sum::<f64>() / 2.0;
            refused += bad / (good + bad) / 2.0;
        }
        (used, refused)
    };
    let ((used, refused), (used_before, _)) = (shares(true), shares(false));
    Compared {
        used,
        refused,
        used_before,
    }
}

fn world(counts: Counts) -> World {
    World {
        counts,
        out: 60,
        back: 0,
        work: 0,
        base: 0,
        wait: 500,
        limit: |_| 50,
    }
}

#[test]
fn over_a_network_that_jitters_the_rate_is_used_to_the_full() {
    for counts in ALL {
        for (base, wait, seconds) in [
            (0, 250, 45),
            (20, 500, 45),
            (0, 1_000, 300),
            (200, 500, 300),
        ] {
            let world = World {
                base,
                wait,
                ..world(counts)
            };
            let compared = compared(world, seconds);
            let is_good = compared.used >= 0.955 && compared.refused <= 0.005;
            assert!(is_good, "{world:?}: {compared:?}");
        }
    }
}

#[test]
fn where_the_way_back_varies_too_the_rate_is_used_almost_as_well() {
    for counts in ALL {
        for (out, back, work, base) in [(60, 30, 0, 20), (60, 30, 0, 200), (20, 20, 40, 20)] {
            let world = World {
                out,
                back,
                work,
                base,
                ..world(counts)
            };
            let compared = compared(world, 400);
            let is_good = compared.used >= 0.95 && compared.refused <= 0.005;
            assert!(is_good, "{world:?}: {compared:?}");
        }
    }
}

#[test]
fn in_no_world_it_is_worse_than_the_level_alone() {
    let dips = |second| if (150..300).contains(&second) { 45 } else { 50 };
    let limits: [fn(u64) -> u32; 4] = [|_| 50, |_| 48, |_| 20, dips];
    let networks = [(0, 0, 60), (20, 0, 100), (60, 30, 200), (120, 0, 0)];
    for (out, back, work) in networks {
        for (counts, limits) in [
            (Counts::Sliding, &limits[..]),
            (Counts::Fixed, &limits[..1]),
            (Counts::Bucket, &limits[..1]),
        ] {
            for limit in limits {
                let world = World {
                    out,
                    back,
                    work,
                    base: 20,
                    limit: *limit,
                    ..world(counts)
                };
                let compared = compared(world, 450);
                let is_good = compared.used >= compared.used_before - 0.01;
                assert!(is_good, "{} of 50: {world:?}: {compared:?}", limit(200));
            }
        }
    }
}

#[test]
fn over_a_calm_network_nothing_changes() {
    for counts in ALL {
        for limit in [(|_| 50) as fn(u64) -> u32, |_| 40, |_| 20] {
            let world = World {
                out: 0,
                base: 20,
                limit,
                ..world(counts)
            };
            let compared = compared(world, 120);
            let difference = (compared.used - compared.used_before).abs();
            assert!(difference < 0.002, "{world:?}: {compared:?}");
        }
    }
}
