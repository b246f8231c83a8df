//! Defaults that give way to values that were set.
//!
//! Some settings are compared with one another. A person who sets one of two need not know the
//! other: its default changes to a value that the rule allows. Only two values that were both set
//! can contradict.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::delivery::IN_FLIGHT;
use super::sections::Settings;

/// A duration that may be the bound of another one.
const ANY_TIME: RangeInclusive<Duration> = Duration::from_nanos(1)..=Duration::MAX;

impl Settings {
    /// Lets each default give way that contradicts a set value; `set` tells whether a key was set.
    pub(super) fn give_way(&mut self, set: impl Fn(&str) -> bool) {
        let platform = &mut self.platform;
        keep_order(
            (&mut platform.connect_timeout, &mut platform.timeout),
            (set("platform.connect_timeout"), set("platform.timeout")),
            &ANY_TIME,
        );
        let delivery = &mut self.delivery;
        keep_order(
            (
                &mut delivery.max_in_flight_per_lane,
                &mut delivery.max_in_flight,
            ),
            (
                set("delivery.max_in_flight_per_lane"),
                set("delivery.max_in_flight"),
            ),
            &IN_FLIGHT,
        );
        let retry = &mut self.retry;
        keep_order(
            (&mut retry.initial_interval, &mut retry.max_interval),
            (set("retry.initial_interval"), set("retry.max_interval")),
            &ANY_TIME,
        );
    }
}

/// Keeps the first of two values from being greater than the second, if only one of them was set. A
/// value that breaks a rule of its own moves nothing: the fault is that value's alone.
fn keep_order<T: Copy + Ord>(
    (less, more): (&mut T, &mut T),
    set: (bool, bool),
    allowed: &RangeInclusive<T>,
) {
    if *less <= *more {
        return;
    }
    match set {
        (true, false) if allowed.contains(less) => *more = *less,
        (false, true) if allowed.contains(more) => *less = *more,
        _ => {}
    }
}
