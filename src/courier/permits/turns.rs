//! Turns: the order of waiters, by user first and then by lane. Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::contact::Lane;

/// Waiters, by user and lane. Users take turns, the lanes of a user take turns among themselves,
/// and the waiters of a lane go in their order.
#[derive(Debug)]
pub(super) struct Turns<W> {
    order: VecDeque<Arc<str>>,
    users: HashMap<Arc<str>, Lanes<W>>,
}

#[derive(Debug)]
struct Lanes<W> {
    order: VecDeque<Lane>,
    waiting: HashMap<Lane, VecDeque<W>>,
}

impl<W> Default for Turns<W> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            users: HashMap::new(),
        }
    }
}

impl<W> Default for Lanes<W> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            waiting: HashMap::new(),
        }
    }
}

impl<W> Turns<W> {
    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Adds a waiter.
    pub(super) fn wait(&mut self, lane: &Lane, waiter: W) {
        let user: Arc<str> = lane.user_id().into();
        if !self.users.contains_key(&user) {
            self.order.push_back(Arc::clone(&user));
        }
        let lanes = self.users.entry(user).or_default();
        if !lanes.waiting.contains_key(lane) {
            lanes.order.push_back(lane.clone());
        }
        lanes
            .waiting
            .entry(lane.clone())
            .or_default()
            .push_back(waiter);
    }

    /// Takes out the next waiter whose lane may go.
    pub(super) fn next(&mut self, may: impl Fn(&Lane) -> bool) -> Option<(Lane, W)> {
        let nth = self.order.iter().position(|user| {
            let lanes = self.users.get(user);
            lanes.is_some_and(|lanes| lanes.order.iter().any(&may))
        })?;
        let user = self.order.remove(nth)?;
        let lanes = self.users.get_mut(&user)?;
        let next = lanes.next(may);
        if lanes.order.is_empty() {
            self.users.remove(&user);
        } else {
            self.order.push_back(user);
        }
        next
    }
}

impl<W> Lanes<W> {
    fn next(&mut self, may: impl Fn(&Lane) -> bool) -> Option<(Lane, W)> {
        let nth = self.order.iter().position(may)?;
        let lane = self.order.remove(nth)?;
        let waiting = self.waiting.get_mut(&lane)?;
        let waiter = waiting.pop_front()?;
        if waiting.is_empty() {
            self.waiting.remove(&lane);
        } else {
            self.order.push_back(lane.clone());
        }
        Some((lane, waiter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(user: &str, task: &str) -> Lane {
        Lane::new(user, task).unwrap()
    }

    fn order(turns: &mut Turns<u32>, may: impl Fn(&Lane) -> bool) -> Vec<(String, u32)> {
        std::iter::from_fn(|| turns.next(&may))
            .map(|(lane, nth)| (lane.to_string(), nth))
            .collect()
    }

    fn named(expected: &[(&str, u32)]) -> Vec<(String, u32)> {
        let name = |(lane, nth): &(&str, u32)| ((*lane).to_owned(), *nth);
        expected.iter().map(name).collect()
    }

    #[test]
    fn users_take_turns_and_their_lanes_among_themselves() {
        let mut turns = Turns::default();
        for nth in 0..2 {
            turns.wait(&lane("a", "1"), nth);
        }
        for (user, task) in [("a", "2"), ("b", "1"), ("c", "1")] {
            turns.wait(&lane(user, task), 0);
        }
        let expected = [("a/1", 0), ("b/1", 0), ("c/1", 0), ("a/2", 0), ("a/1", 1)];
        assert_eq!(order(&mut turns, |_| true), named(&expected));
        assert!(turns.users.is_empty() && turns.order.is_empty());
    }

    #[test]
    fn a_lane_that_may_not_go_keeps_its_place() {
        let mut turns = Turns::default();
        for (user, task) in [("a", "1"), ("a", "2"), ("b", "1")] {
            turns.wait(&lane(user, task), 0);
        }
        let others = order(&mut turns, |lane| lane.to_string() != "a/1");
        assert_eq!(others, named(&[("a/2", 0), ("b/1", 0)]));
        assert_eq!(order(&mut turns, |_| true), named(&[("a/1", 0)]));
    }
}
