//! Turns: when lanes and users last had a place. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::older_half::forget_older_half;
use crate::contact::Lane;

/// At most this many lanes, and this many users, are remembered. Beyond that, the older half is
/// forgotten, and counts as never served.
const MOST: usize = 50_000;

/// The order in which lanes and users last had a place: the longest waiting comes next.
#[derive(Debug, Default)]
pub(super) struct Turns {
    last: u64,
    lanes: HashMap<Lane, u64>,
    users: HashMap<Arc<str>, u64>,
}

impl Turns {
    /// Notes that a lane has a place.
    pub(super) fn note(&mut self, lane: &Lane) {
        self.last += 1;
        self.lanes.insert(lane.clone(), self.last);
        self.users.insert(lane.user_id().into(), self.last);
        self.forget_what_is_too_much();
    }

    /// Notes that a lane begins to wait. A lane without a known turn comes behind those that
    /// already wait.
    pub(super) fn begins_to_wait(&mut self, lane: &Lane) {
        self.lanes.entry(lane.clone()).or_insert(self.last);
        self.users.entry(lane.user_id().into()).or_insert(self.last);
        self.forget_what_is_too_much();
    }

    fn forget_what_is_too_much(&mut self) {
        if self.lanes.len() > MOST {
            forget_older_half(&mut self.lanes, |turn| *turn);
        }
        if self.users.len() > MOST {
            forget_older_half(&mut self.users, |turn| *turn);
        }
    }

    /// Returns the place of the lane's last turn in the order, or 0 if none is known.
    pub(super) fn of_lane(&self, lane: &Lane) -> u64 {
        self.lanes.get(lane).copied().unwrap_or(0)
    }

    /// Returns the same for a user.
    pub(super) fn of_user(&self, user: &str) -> u64 {
        self.users.get(user).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_that_all_began_to_wait_at_once_are_forgotten_too() {
        let mut turns = Turns::default();
        turns.note(&Lane::new("first", "t").unwrap());
        for nth in 0..3 * MOST / 2 {
            turns.begins_to_wait(&Lane::new("u", &nth.to_string()).unwrap());
        }
        assert!(turns.lanes.len() <= MOST);
        let last = Lane::new("last", "t").unwrap();
        turns.note(&last);
        assert_eq!(turns.of_lane(&last), 2);
    }

    #[test]
    fn what_had_a_place_is_known_and_only_so_much_of_it() {
        let lane = |nth: usize| Lane::new(&format!("u-{nth}"), "t").unwrap();
        let mut turns = Turns::default();
        for nth in 0..=MOST {
            turns.note(&lane(nth));
        }
        assert_eq!(turns.of_lane(&lane(0)), 0, "the oldest are forgotten");
        assert_eq!(turns.of_user("u-0"), 0);
        let last = u64::try_from(MOST).unwrap() + 1;
        assert_eq!(turns.of_lane(&lane(MOST)), last);
        assert_eq!(turns.of_user(&format!("u-{MOST}")), last);
        assert!(turns.lanes.len() > MOST / 3 && turns.users.len() <= MOST);
    }
}
