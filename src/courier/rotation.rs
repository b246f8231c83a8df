//! The rotation: lanes that wait, by user. Pure.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::turns::Turns;
use crate::contact::Lane;

/// Lanes in the order in which they get their places. The user with the fewest lanes at work comes
/// first; among equals, the user with the oldest last turn. Of a user's lanes, the one with the
/// oldest last turn comes first.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    order: VecDeque<Arc<str>>,
    lanes: HashMap<Arc<str>, VecDeque<Lane>>,
    all: HashSet<Lane>,
}

impl FromIterator<Lane> for Rotation {
    fn from_iter<I: IntoIterator<Item = Lane>>(lanes: I) -> Self {
        let mut rotation = Self::default();
        for lane in lanes {
            rotation.put(lane);
        }
        rotation
    }
}

impl Rotation {
    /// Puts a lane behind the others of its user, unless it already waits.
    pub(super) fn put(&mut self, lane: Lane) {
        if !self.all.insert(lane.clone()) {
            return;
        }
        let user: Arc<str> = lane.user_id().into();
        if !self.lanes.contains_key(&user) {
            self.order.push_back(Arc::clone(&user));
        }
        self.lanes.entry(user).or_default().push_back(lane);
    }

    /// Takes a lane out, if it waits.
    pub(super) fn remove(&mut self, lane: &Lane) {
        if !self.all.remove(lane) {
            return;
        }
        let Some(lanes) = self.lanes.get_mut(lane.user_id()) else {
            return;
        };
        lanes.retain(|other| other != lane);
        if lanes.is_empty() {
            self.lanes.remove(lane.user_id());
            self.order.retain(|user| **user != *lane.user_id());
        }
    }

    /// Keeps `most_of_a_user` lanes of each user, with the oldest last turns.
    pub(super) fn keep_of_each_user(&mut self, turns: &Turns, most_of_a_user: usize) {
        for lanes in self.lanes.values_mut() {
            if lanes.len() > most_of_a_user {
                lanes
                    .make_contiguous()
                    .sort_by_cached_key(|lane| turns.of_lane(lane));
                for lane in lanes.drain(most_of_a_user..) {
                    self.all.remove(&lane);
                }
            }
        }
    }

    /// Keeps `most` lanes in all, the first ones of each user. Up to half of them are lanes that it
    /// `prefers`, if there are so many.
    pub(super) fn keep(&mut self, turns: &Turns, most: usize, prefers: impl Fn(&Lane) -> bool) {
        if self.len() <= most {
            return;
        }
        // Users take turns, so the first lane of each stays before the second one of any.
        let mut all = Vec::with_capacity(self.len());
        for (_, lanes) in self.lanes.drain() {
            let mut lanes: Vec<Lane> = lanes.into();
            lanes.sort_by_cached_key(|lane| turns.of_lane(lane));
            let ranked = lanes.into_iter().enumerate();
            all.extend(ranked.map(|(rank, lane)| (rank, turns.of_lane(&lane), lane)));
        }
        all.sort_by_key(|(rank, turn, _)| (*rank, *turn));
        let mut preferred = 0;
        let (mut first, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, _, lane)| {
            let is_preferred = preferred < most / 2 && prefers(lane);
            preferred += usize::from(is_preferred);
            is_preferred
        });
        let room = most.saturating_sub(first.len());
        first.extend(others.into_iter().take(room));
        first.sort_by_key(|(rank, turn, _)| (*rank, *turn));
        self.clear();
        for (_, _, lane) in first {
            self.put(lane);
        }
    }

    pub(super) fn clear(&mut self) {
        self.order.clear();
        self.lanes.clear();
        self.all.clear();
    }

    /// Returns all lanes, in the order of their users.
    pub(super) fn into_lanes(mut self) -> Vec<Lane> {
        let users = self.order.iter();
        let lanes = users.filter_map(|user| self.lanes.remove(user));
        lanes.flatten().collect()
    }

    pub(super) fn has(&self, lane: &Lane) -> bool {
        self.all.contains(lane)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.values().flatten()
    }

    /// Takes out the next lane. `at_work`: how many lanes of each user are at work.
    pub(super) fn next(&mut self, turns: &Turns, at_work: impl Fn(&str) -> usize) -> Option<Lane> {
        let load = |(_, user): &(usize, &Arc<str>)| (at_work(user), turns.of_user(user));
        let (nth, _) = self.order.iter().enumerate().min_by_key(load)?;
        let user = self.order.remove(nth)?;
        let lanes = self.lanes.get_mut(&user)?;
        let last_turn = |(_, lane): &(usize, &Lane)| turns.of_lane(lane);
        let longest = lanes.iter().enumerate().min_by_key(last_turn);
        let next = longest
            .map(|(nth, _)| nth)
            .and_then(|nth| lanes.remove(nth));
        if let Some(next) = &next {
            self.all.remove(next);
        }
        if lanes.is_empty() {
            self.lanes.remove(&user);
        } else {
            self.order.push_back(user);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(names: &[(&str, &str)]) -> Rotation {
        let mut rotation = Rotation::default();
        for (user, task) in names {
            rotation.put(Lane::new(user, task).unwrap());
        }
        rotation
    }

    fn order(rotation: &mut Rotation, at_work: impl Fn(&str) -> usize) -> Vec<String> {
        let turns = Turns::default();
        std::iter::from_fn(|| rotation.next(&turns, &at_work))
            .map(|lane| lane.to_string())
            .collect()
    }

    #[test]
    fn users_take_turns() {
        let mut rotation = rotation(&[("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("c", "1")]);
        let order = order(&mut rotation, |_| 0);
        assert_eq!(order, ["a/1", "b/1", "c/1", "a/2", "a/3"]);
        assert!(rotation.is_empty());
    }

    #[test]
    fn of_users_and_lanes_whose_last_turn_is_longest_ago_comes_first() {
        let mut turns = Turns::default();
        for (user, task) in [("a", "1"), ("b", "1"), ("a", "2")] {
            turns.note(&Lane::new(user, task).unwrap());
        }
        let mut rotation = rotation(&[("a", "2"), ("a", "1"), ("a", "3"), ("b", "1"), ("c", "1")]);
        let order: Vec<String> = std::iter::from_fn(|| {
            let next = rotation.next(&turns, |_| 0)?;
            turns.note(&next);
            Some(next.to_string())
        })
        .collect();
        assert_eq!(order, ["c/1", "b/1", "a/3", "a/1", "a/2"]);
    }

    #[test]
    fn a_lane_waits_once_until_it_is_taken_out() {
        let mut rotation = rotation(&[("a", "1"), ("a", "1"), ("a", "2"), ("b", "1")]);
        assert_eq!(rotation.len(), 3);
        rotation.remove(&Lane::new("a", "1").unwrap());
        rotation.remove(&Lane::new("b", "1").unwrap());
        rotation.remove(&Lane::new("c", "1").unwrap());
        assert_eq!(order(&mut rotation, |_| 0), ["a/2"]);
    }

    #[test]
    fn of_too_many_lanes_those_are_kept_whose_last_turn_is_longest_ago() {
        let mut turns = Turns::default();
        for (user, task) in [("a", "1"), ("b", "1"), ("a", "2")] {
            turns.note(&Lane::new(user, task).unwrap());
        }
        let names = [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("c", "1")];
        for (of_a_user, all, kept) in [
            (3, 5, vec!["c/1", "b/1", "a/3", "a/1", "a/2"]),
            (2, 5, vec!["c/1", "b/1", "a/3", "a/1"]),
            (2, 3, vec!["c/1", "b/1", "a/3"]),
        ] {
            let mut rotation = rotation(&names);
            rotation.keep_of_each_user(&turns, of_a_user);
            rotation.keep(&turns, all, |_| false);
            let mut order: Vec<String> = std::iter::from_fn(|| rotation.next(&turns, |_| 0))
                .map(|lane| lane.to_string())
                .collect();
            order.sort();
            let mut kept = kept;
            kept.sort_unstable();
            assert_eq!(order, kept);
        }
    }

    #[test]
    fn up_to_half_of_those_that_are_kept_are_preferred() {
        let names = [("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("e", "1")];
        let mut turns = Turns::default();
        for (user, task) in names {
            turns.note(&Lane::new(user, task).unwrap());
        }
        for (preferred, kept) in [
            (vec![], ["a/1", "b/1", "c/1", "d/1"]),
            (vec!["e"], ["a/1", "b/1", "c/1", "e/1"]),
            (vec!["c", "d", "e"], ["a/1", "b/1", "c/1", "d/1"]),
        ] {
            let mut rotation = rotation(&names);
            rotation.keep(&turns, 4, |lane| preferred.contains(&lane.user_id()));
            assert_eq!(order(&mut rotation, |_| 0), kept);
        }
    }

    #[test]
    fn whoever_has_fewest_lanes_at_work_comes_first() {
        let mut rotation = rotation(&[("a", "1"), ("a", "2"), ("b", "1")]);
        let order = order(&mut rotation, |user| usize::from(user == "a"));
        assert_eq!(order, ["b/1", "a/1", "a/2"]);
    }
}
