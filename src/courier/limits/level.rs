//! The level: the part of the configured rate in use, learned from the platform's "too many".
//!
//! An isolated refusal lowers the level by a small step; refusals in quick succession lower it by
//! more each. The height at which the refusal came is remembered: the climb back is quick far from
//! it and slow near it. The level stays a little below that height for a while, and only then tries
//! whether there is more room. Each further refusal at about the same height makes that while
//! longer. Time in which nothing may be sent does not count. A refusal after another one, without a request
//! that was accepted in between, does not lower it: the platform takes none for a while, at any rate. But where it
//! does so for longer than it takes requests, its window is long, and the rate is what it takes in all that time. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The level never falls below this, because some request has to find out whether the platform has
/// room.
const LOWEST: f64 = 1.0 / 64.0;

/// The part of the level that is left after the n-th refusal in quick succession, and after each
/// later one.
const STEPS: [f64; 3] = [0.95, 0.7, 0.5];

/// A refusal this soon after the last one is part of a quick succession.
const QUICK: Duration = Duration::from_secs(5);

/// The time of the climb back to the height of the refusal.
const CLIMB: Duration = Duration::from_secs(20);

/// The part of that height that is used for a while.
const BELOW: f64 = 0.98;

/// Heights that differ by no more than this share count as the same.
const SAME: f64 = 0.1;

/// The longest while below the height of the refusal.
const LONGEST_WHILE: Duration = Duration::from_mins(2);

/// The time that a climb by the full rate takes beyond that height. The climb is slow at first.
const EXPLORE: Duration = Duration::from_mins(1);

/// The lesson of a refusal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Learned {
    /// When sending went on after the refusal.
    pub(super) at: Instant,
    /// The level after the refusal.
    pub(super) low: f64,
    /// The level at which the refusal came.
    pub(super) hurt: f64,
    /// How long the level stays below `hurt`.
    pub(super) stays: Duration,
}

/// A "too many".
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    /// When the request was sent.
    pub(super) sent: Instant,
    pub(super) at: Instant,
    /// Nothing is sent before this instant.
    pub(super) until: Instant,
    /// When the last request was sent that the platform has accepted.
    pub(super) accepted: Option<Instant>,
}

/// The level since it was last lowered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Level(Option<Lowered>);

#[derive(Clone, Copy, Debug)]
struct Lowered {
    learned: Learned,
    /// When the refusal came.
    refused_at: Instant,
    /// How long the platform took nothing after the wait that it had asked for.
    shut: Duration,
    /// How many refusals have come in quick succession.
    quick: usize,
}

impl Learned {
    fn level(&self, now: Instant) -> f64 {
        let went = now.saturating_duration_since(self.at);
        let height = (self.hurt * BELOW).max(self.low);
        let left = 1.0 - went.div_duration_f64(CLIMB).min(1.0);
        let climbed = self.low + (height - self.low) * (1.0 - left.powi(3));
        let beyond = went.saturating_sub(self.stays).div_duration_f64(EXPLORE);
        (climbed + beyond.powi(3)).min(1.0)
    }
}

impl Level {
    /// Returns the part of the rate that may be used, above 0 up to 1.
    pub(super) fn at(&self, now: Instant) -> f64 {
        self.0.map_or(1.0, |lowered| lowered.learned.level(now))
    }

    /// Returns the lesson of the last refusal that lowered the level, in parts of the rate.
    pub(super) fn learned(&self) -> Option<Learned> {
        self.0.map(|lowered| lowered.learned)
    }

    /// Goes on from an earlier lesson, which may lie above the rate of now.
    pub(super) fn from_learned(learned: Learned) -> Self {
        let learned = Learned {
            at: learned.at,
            low: learned.low.max(LOWEST),
            hurt: learned.hurt.max(LOWEST),
            stays: learned.stays.min(LONGEST_WHILE),
        };
        Self(Some(Lowered {
            learned,
            refused_at: learned.at,
            shut: Duration::ZERO,
            quick: 0,
        }))
    }

    /// Notes that the platform has accepted a request that was sent then: also if it went before its wait was over.
    pub(super) fn accepted(&mut self, sent: Instant) {
        if let Some(last) = &mut self.0
            && last.refused_at < sent
        {
            last.learned.at = last.learned.at.min(sent);
        }
    }

    /// Lowers the level because of a refusal. Ignores requests that were sent before the level was last
    /// lowered, and refusals since which none was accepted. Returns whether the level was lowered.
    pub(super) fn lower(&mut self, refusal: &Refusal) -> bool {
        let (now, until) = (refusal.at, refusal.until.max(refusal.at));
        if let Some(last) = &mut self.0
            && (refusal.sent < last.refused_at || refusal.accepted < Some(last.refused_at))
        {
            if refusal.sent >= last.learned.at {
                last.shut += until.saturating_duration_since(last.learned.at);
            }
            last.learned.at = last.learned.at.max(until);
            return false;
        }
        let of_long_window = if self.meets_a_long_window(now) {
            0.5
        } else {
            1.0
        };
        let hurt = self.at(now) * of_long_window;
        let quick = match self.0 {
            Some(last) if now.saturating_duration_since(last.learned.at) < QUICK => last.quick + 1,
            _ => 0,
        };
        let stays = match self.learned() {
            Some(last) if quick == 0 && (hurt - last.hurt).abs() <= last.hurt * SAME => {
                (last.stays * 2).min(LONGEST_WHILE)
            }
            _ => CLIMB,
        };
        let step = STEPS.get(quick).copied().unwrap_or(STEPS[STEPS.len() - 1]);
        let learned = Learned {
            at: until,
            low: (hurt * step).max(LOWEST),
            hurt,
            stays,
        };
        self.0 = Some(Lowered {
            learned,
            refused_at: now,
            shut: Duration::ZERO,
            quick,
        });
        true
    }

    /// Whether the platform has taken nothing for longer than it has taken requests since then.
    fn meets_a_long_window(&self, now: Instant) -> bool {
        let open = |last: &Lowered| now.saturating_duration_since(last.learned.at);
        self.0.is_some_and(|last| last.shut > open(&last))
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;
    use crate::courier::limits::door::{ALL, Counts, Day, Platform};

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    /// Sends as fast as the level allows, up to 50 a second. Each request is late by up to
    /// `jitter`. After a refusal nothing is sent for `wait`. `limit` is the platform's in each
    /// second.
    fn day(
        counts: Counts,
        jitter: Duration,
        wait: Duration,
        seconds: usize,
        limit: impl Fn(u64) -> u32,
    ) -> Day {
        let platform = Platform::new(counts, limit(0));
        day_from(Level::default(), platform, (jitter, wait), seconds, limit)
    }

    /// The same from this level on, at this platform.
    fn day_from(
        mut level: Level,
        mut platform: Platform,
        (jitter, wait): (Duration, Duration),
        seconds: usize,
        limit: impl Fn(u64) -> u32,
    ) -> Day {
        let start = Instant::now();
        let mut dice = StdRng::seed_from_u64(7);
        let mut next = Duration::ZERO;
        let mut day = Day {
            let_in: vec![0; seconds],
            refused: vec![0; seconds],
        };
        // Requests on their way, by the instant when they arrive.
        let mut under_way: Vec<(Duration, Duration)> = Vec::new();
        let mut accepted = None;
        let second_of = |at: Duration| usize::try_from(at.as_secs()).unwrap();
        while second_of(next) < seconds {
            under_way.push((next + jitter.mul_f64(dice.random::<f64>()), next));
            let period = Duration::from_secs_f64(1.01 / (50.0 * level.at(start + next)));
            next += period;
            under_way.sort_unstable();
            while under_way.first().is_some_and(|(at, _)| *at <= next) {
                let (at, sent) = under_way.remove(0);
                platform.limit = limit(at.as_secs());
                let second = second_of(at).min(seconds - 1);
                if platform.lets_in(at) {
                    day.let_in[second] += 1;
                    accepted = accepted.max(Some(start + sent));
                    level.accepted(start + sent);
                } else {
                    day.refused[second] += 1;
                    level.lower(&Refusal {
                        sent: start + sent,
                        at: start + at,
                        until: start + at + wait,
                        accepted,
                    });
                    next = next.max(at + wait);
                }
            }
        }
        day
    }

    /// The answer to a request that was sent then, after one that was accepted.
    fn refused(sent: Instant, at: Instant) -> Refusal {
        Refusal {
            sent,
            at,
            until: at,
            accepted: Some(at),
        }
    }

    #[test]
    fn what_was_learned_outlives_the_courier() {
        let now = Instant::now() + SECOND;
        let mut level = Level::default();
        level.lower(&refused(now, now));
        let restarted = Level::from_learned(level.learned().unwrap());
        for seconds in [0, 5, 20, 60, 200] {
            let later = now + SECOND * seconds;
            assert!((restarted.at(later) - level.at(later)).abs() < 1e-9);
        }
    }

    #[test]
    fn without_a_refusal_the_whole_rate_is_used() {
        assert!((Level::default().at(Instant::now()) - 1.0).abs() < 1e-9);
        for counts in ALL {
            let (used, refused) = day(counts, Duration::ZERO, SECOND, 60, |_| 50).shares(50, 1);
            assert!(
                used > 0.98 && refused < 1e-9,
                "{counts:?}: {used} {refused}"
            );
        }
    }

    #[test]
    fn an_isolated_refusal_costs_little_and_quick_ones_more_each() {
        let now = Instant::now();
        let mut level = Level::default();
        let mut levels = Vec::new();
        for nth in 0..4 {
            let later = now + SECOND * nth;
            assert!(level.lower(&refused(later, later)));
            levels.push(level.at(later));
        }
        assert!((levels[0] - 0.95).abs() < 1e-9);
        let falls = levels.windows(2).all(|pair| pair[1] < pair[0] * 0.85);
        assert!(falls, "{levels:?}");
        let before = refused(now, now + SECOND * 9);
        assert!(!level.lower(&before), "it went before");
        for _ in 0..40 {
            let later = now + SECOND * 10;
            level.lower(&refused(later, later));
        }
        assert!(level.at(now + SECOND * 10) >= LOWEST);
        assert!(level.at(now + SECOND * 400) > 0.99, "it finds its way back");
    }

    /// Returns the use at the best height that somebody could know beforehand: one that never
    /// changes, at which almost nothing is refused.
    fn best(counts: Counts, jitter: Duration) -> f64 {
        let used = |height: f64| {
            let level = Level(Some(Lowered {
                learned: Learned {
                    at: Instant::now() + SECOND * 1_000,
                    low: height,
                    hurt: height,
                    stays: LONGEST_WHILE,
                },
                refused_at: Instant::now() + SECOND * 1_000,
                shut: Duration::ZERO,
                quick: 0,
            }));
            let platform = Platform::new(counts, 50);
            let day = day_from(level, platform, (jitter, MS * 250), 300, |_| 50);
            day.shares(50, 0).0
        };
        let heights = (90..=100).map(|percent| used(f64::from(percent) / 100.0));
        heights.fold(0.0, f64::max)
    }

    /// Where requests may come closer together than they went, a second has room for fewer than the
    /// limit: at an even pace nobody could use 95 % of it in a sliding window. More is possible by
    /// arrivals (`limits::arrivals`).
    #[test]
    fn over_a_network_that_jitters_the_rate_is_used_almost_as_well_as_it_could_be() {
        for (counts, goal) in [
            (Counts::Sliding, 0.92),
            (Counts::Fixed, 0.93),
            (Counts::Bucket, 0.98),
        ] {
            let best = best(counts, MS * 60);
            // Without and with `Retry-After`.
            for wait in [MS * 250, SECOND] {
                let day = day(counts, MS * 60, wait, 300, |_| 50);
                let (used, refused) = day.shares(50, 20);
                assert!(
                    used >= goal && used >= best - 0.03,
                    "{counts:?} {wait:?}: {used} of {best}"
                );
                assert!(refused <= 0.005, "{counts:?} {wait:?}: {refused}");
            }
        }
    }

    #[test]
    fn a_limit_that_nobody_told_is_found_and_used() {
        for counts in ALL {
            for (jitter, wait) in [(Duration::ZERO, MS * 250), (MS * 60, SECOND)] {
                let (used, refused) = day(counts, jitter, wait, 320, |_| 20).shares(20, 20);
                assert!(used >= 0.92, "{counts:?} {wait:?}: {used}");
                assert!(refused <= 0.02, "{counts:?} {wait:?}: {refused}");
            }
        }
    }

    #[test]
    fn a_limit_that_changes_is_followed_up_and_down() {
        for counts in ALL {
            let noon = |second| if (300..600).contains(&second) { 20 } else { 40 };
            let day = day(counts, Duration::ZERO, SECOND, 1_200, noon);
            let share = |from: usize, to: usize, limit: f64| {
                f64::from(day.let_in[from..to].iter().sum::<u32>())
                    / (limit * f64::from(u32::try_from(to - from).unwrap()))
            };
            for (from, to, limit) in [(30, 300, 40.0), (330, 600, 20.0), (900, 1_200, 40.0)] {
                let used = share(from, to, limit);
                assert!(used >= 0.92, "{counts:?} from {from}: {used}");
            }
        }
    }

    #[test]
    fn a_limit_is_found_as_soon_where_each_refusal_costs_a_long_wait() {
        for (counts, wait, goal) in [
            (Counts::Sliding, 5_u32, 0.9),
            (Counts::Sliding, 10, 0.85),
            (Counts::Sliding, 60, 0.6),
            (Counts::Fixed, 5, 0.9),
            (Counts::Fixed, 60, 0.6),
            (Counts::Bucket, 5, 0.85),
            (Counts::Bucket, 10, 0.75),
        ] {
            let day = day(counts, Duration::ZERO, SECOND * wait, 900, |_| 20);
            let from = usize::try_from(20 + 8 * wait).unwrap();
            let early: u32 = day.refused[..from].iter().sum();
            let (used, _) = day.shares(20, from);
            assert!(
                early <= 8 && used >= goal,
                "{counts:?} {wait}: {used}, {early}"
            );
        }
    }

    /// After each refusal the platform is tried again once a second, and takes nothing until its window is over.
    #[test]
    fn a_limit_of_a_long_window_is_found() {
        for (counts, limit, window, most) in [
            (Counts::Sliding, 600, 60, 0.01),
            (Counts::Fixed, 600, 60, 0.04),
            (Counts::Bucket, 600, 60, 0.02),
            (Counts::Fixed, 200, 10, 0.02),
        ] {
            let platform = Platform::of_windows(counts, limit, SECOND * window);
            let waits = (Duration::ZERO, SECOND);
            let day = day_from(Level::default(), platform, waits, 3_600, |_| limit);
            let (good, bad) = day.sums(600);
            let used = good / (f64::from(limit) * 3_000.0 / f64::from(window));
            let refused = bad / (good + bad);
            assert!(
                used >= 0.8 && refused <= most,
                "{counts:?} {limit} in {window} s: {used}, {refused}"
            );
        }
    }

    #[test]
    fn who_is_taken_before_the_wait_is_over_ends_it() {
        let now = Instant::now();
        let mut level = Level::default();
        let long = Refusal {
            until: now + SECOND * 900,
            ..refused(now, now)
        };
        level.lower(&long);
        level.accepted(now);
        assert_eq!(level.learned().map(|it| it.at), Some(long.until));
        level.accepted(now + SECOND * 20);
        assert_eq!(level.learned().map(|it| it.at), Some(now + SECOND * 20));
    }

    #[test]
    fn a_platform_that_takes_nothing_for_a_while_has_taught_nothing_about_its_rate() {
        for counts in ALL {
            for (wait, closed) in [(1_u32, 10), (2, 60)] {
                let closed = 50..50 + closed;
                let limit = |second| if closed.contains(&second) { 0 } else { 50 };
                let day = day(counts, Duration::ZERO, SECOND * wait, 300, limit);
                let from = usize::try_from(closed.end).unwrap() + 3;
                let (used, refused) = day.shares(50, from);
                let is_good = used >= 0.95 && refused <= 0.01;
                assert!(is_good, "{counts:?} {wait}: {used} {refused}");
            }
        }
    }
}
