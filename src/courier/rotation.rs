//! The rotation: lanes that were found and wait for a place, by user. Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::contact::Lane;

/// Lanes in the order in which they get their places: the user with the fewest lanes at work comes
/// first, and users with as many take turns.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    order: VecDeque<Arc<str>>,
    lanes: HashMap<Arc<str>, VecDeque<Lane>>,
}

impl Rotation {
    /// Puts a lane behind the others of its user.
    pub(super) fn put(&mut self, lane: Lane) {
        let user: Arc<str> = lane.user_id().into();
        if !self.lanes.contains_key(&user) {
            self.order.push_back(Arc::clone(&user));
        }
        self.lanes.entry(user).or_default().push_back(lane);
    }

    pub(super) fn clear(&mut self) {
        self.order.clear();
        self.lanes.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.values().map(VecDeque::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.values().flatten()
    }

    /// Takes out the next lane. `at_work`: how many lanes of a user are at work.
    pub(super) fn next(&mut self, at_work: impl Fn(&str) -> usize) -> Option<Lane> {
        let load = |(_, user): &(usize, &Arc<str>)| at_work(user);
        let (nth, _) = self.order.iter().enumerate().min_by_key(load)?;
        let user = self.order.remove(nth)?;
        let lanes = self.lanes.get_mut(&user)?;
        let next = lanes.pop_front();
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
        std::iter::from_fn(|| rotation.next(&at_work))
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
    fn whoever_has_fewest_lanes_at_work_comes_first() {
        let mut rotation = rotation(&[("a", "1"), ("a", "2"), ("b", "1")]);
        let order = order(&mut rotation, |user| usize::from(user == "a"));
        assert_eq!(order, ["b/1", "a/1", "a/2"]);
    }
}
