//! The queue: lanes with due contacts that have no place yet. Pure.
//!
//! Some lanes were found by a search, others have new contacts. Both kinds take turns, so that a
//! new lane does not wait for a whole round over all lanes. In a flood, more lanes have new
//! contacts than there are places: then they wait as if a search had found them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::rotation::Rotation;
use super::turns::Turns;
use crate::contact::Lane;

/// At most this many found lanes of a user wait. Others may be found later.
const MOST_OF_A_USER: usize = 64;

/// At most this many found lanes wait.
const MOST: usize = 1_024;

/// A flood lasts this long after more lanes had new contacts than there are places.
const FLOOD: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Lanes that a search has found, or whose rest is over; in a flood, also lanes with new
    /// contacts.
    found: Rotation,
    /// Lanes with new contacts.
    fresh: Rotation,
    /// Whether the lane that was last taken out had new contacts.
    was_fresh: bool,
    /// Fresh lanes that an operator has ordered to be tried at once. The searches may not find
    /// them.
    ordered: HashSet<Lane>,
    /// The end of the flood.
    flood_until: Option<Instant>,
    /// Whether it was a flood when new contacts last came.
    is_flooded: bool,
    /// The lanes that have had new contacts since `flood_until` was set.
    heard: HashSet<Lane>,
    turns: Turns,
}

/// A lane that was taken out of the queue.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) lane: Lane,
    /// Whether it has new contacts.
    pub(super) is_fresh: bool,
}

impl Queue {
    /// Queues lanes that a search has found, or whose rest is over.
    pub(super) fn found(&mut self, lanes: Vec<Lane>) {
        for lane in lanes {
            self.turns.begins_to_wait(&lane);
            self.found.put(lane);
        }
        self.found.keep_of_each_user(&self.turns, MOST_OF_A_USER);
    }

    /// Lets only as many found lanes wait as there is room for. Up to half of them are lanes that it
    /// `prefers`. Others may be found later.
    pub(super) fn cut(&mut self, prefers: impl Fn(&Lane) -> bool) {
        self.found.keep(&self.turns, MOST, prefers);
    }

    /// Queues a lane that an operator has ordered to be tried at once.
    pub(super) fn goes_at_once(&mut self, lane: Lane) {
        self.ordered.insert(lane.clone());
        self.fresh.put(lane);
    }

    /// Queues lanes with new contacts. It is a flood if they are more than `places`.
    pub(super) fn has_contacts(&mut self, lanes: Vec<Lane>, places: usize, now: Instant) {
        if self.flood_until.is_none_or(|until| until <= now) || self.len() == 0 {
            self.heard = self.fresh.iter().cloned().collect();
            self.is_flooded = false;
        }
        self.heard.extend(lanes.iter().cloned());
        if self.heard.len() > places {
            (self.flood_until, self.is_flooded) = (Some(now + FLOOD), true);
            self.heard.clear();
            let ordered = self.ordered.iter().cloned();
            let fresh = std::mem::replace(&mut self.fresh, ordered.collect());
            let mut fresh = fresh.into_lanes();
            fresh.retain(|lane| !self.ordered.contains(lane));
            self.found(fresh);
        }
        if self.is_flooded {
            self.found(lanes);
            return;
        }
        for lane in lanes {
            self.turns.begins_to_wait(&lane);
            self.fresh.put(lane);
        }
    }

    /// Queues a lane that got contacts while it was at work; as a fresh lane, except in a flood.
    pub(super) fn has_more(&mut self, lane: Lane) {
        if self.is_flooded {
            self.found(vec![lane]);
        } else {
            self.fresh.put(lane);
        }
    }

    /// Notes that a lane has its turn.
    pub(super) fn has_turn(&mut self, lane: &Lane) {
        self.turns.note(lane);
        self.ordered.remove(lane);
        self.found.remove(lane);
        self.fresh.remove(lane);
    }

    /// Takes out the lane whose turn it is. `at_work`: how many lanes of each user are at work.
    pub(super) fn next(&mut self, at_work: &HashMap<Arc<str>, usize>) -> Option<Candidate> {
        let at_work = |user: &str| at_work.get(user).copied().unwrap_or(0);
        self.was_fresh = match (self.found.is_empty(), self.fresh.is_empty()) {
            (true, true) => return None,
            (false, false) => !self.was_fresh,
            (none_found, _) => none_found,
        };
        let is_fresh = self.was_fresh;
        let of = if is_fresh {
            &mut self.fresh
        } else {
            &mut self.found
        };
        let lane = of.next(&self.turns, at_work)?;
        Some(Candidate { lane, is_fresh })
    }

    /// Takes out the lane with the oldest last turn among the lanes for which `holds` is true.
    pub(super) fn next_of(&mut self, holds: impl Fn(&Lane) -> bool) -> Option<Candidate> {
        let waiting = [(&self.found, false), (&self.fresh, true)];
        let waiting = waiting
            .into_iter()
            .flat_map(|(of, is_fresh)| of.iter().map(move |lane| (lane, is_fresh)))
            .filter(|(lane, _)| holds(lane));
        let (lane, is_fresh) = waiting.min_by_key(|(lane, _)| self.turns.of_lane(lane))?;
        let lane = lane.clone();
        self.of_kind(is_fresh).remove(&lane);
        Some(Candidate { lane, is_fresh })
    }

    /// Puts back lanes for which there was no place.
    pub(super) fn put_back(&mut self, candidates: Vec<Candidate>) {
        for Candidate { lane, is_fresh } in candidates {
            self.of_kind(is_fresh).put(lane);
        }
    }

    /// Forgets the order for a lane that was taken out and may not be tried now.
    pub(super) fn forget(&mut self, lane: &Lane) {
        self.ordered.remove(lane);
    }

    fn of_kind(&mut self, is_fresh: bool) -> &mut Rotation {
        if is_fresh {
            &mut self.fresh
        } else {
            &mut self.found
        }
    }

    pub(super) fn has(&self, lane: &Lane) -> bool {
        self.found.has(lane) || self.fresh.has(lane)
    }

    /// Whether so many more that a search has found have no room.
    pub(super) fn is_full(&self, more: usize) -> bool {
        self.found.len() + more > MOST
    }

    /// Lets those wait no more, of the lanes that a search has found, for which this does not hold.
    pub(super) fn keep_found(&mut self, holds: impl Fn(&Lane) -> bool) {
        let lanes = std::mem::take(&mut self.found).into_lanes();
        self.found = lanes.into_iter().filter(|lane| holds(lane)).collect();
    }

    pub(super) fn len(&self) -> usize {
        self.found.len() + self.fresh.len()
    }

    /// Whether no found lane waits.
    pub(super) fn is_used_up(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether lanes with new contacts wait.
    pub(super) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.found.iter().chain(self.fresh.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(user: &str) -> Lane {
        Lane::new(user, "t").unwrap()
    }

    fn lanes<const N: usize>(users: [&str; N]) -> Vec<Lane> {
        users.map(lane).into()
    }

    fn order(queue: &mut Queue) -> Vec<String> {
        let next = || queue.next(&HashMap::new());
        let users = std::iter::from_fn(next).map(|next| next.lane.user_id().to_owned());
        users.collect()
    }

    #[test]
    fn who_has_just_come_does_not_wait_for_a_whole_round() {
        let mut queue = Queue::default();
        queue.found(lanes(["a", "b", "c"]));
        queue.has_contacts(lanes(["new", "newer"]), 8, Instant::now());
        assert_eq!(order(&mut queue), ["new", "a", "newer", "b", "c"]);
    }

    #[test]
    fn where_more_come_than_there_are_places_for_all_take_turns() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.found(lanes(["found"]));
        queue.has_contacts(lanes(["a", "b", "c"]), 2, now);
        queue.goes_at_once(lane("tried"));
        queue.has_contacts(lanes(["d"]), 2, now + FLOOD / 2);
        queue.has_contacts(lanes(["e", "f"]), 2, now + FLOOD / 2);
        let in_turns = ["tried", "found", "a", "b", "c", "d", "e", "f"];
        assert_eq!(order(&mut queue), in_turns);
        // The flood is over when few lanes have come for a while.
        queue.found(lanes(["found"]));
        queue.has_contacts(lanes(["d"]), 2, now + FLOOD * 2);
        queue.has_contacts(lanes(["e"]), 2, now + FLOOD * 2);
        assert_eq!(order(&mut queue), ["d", "found", "e"]);
    }

    #[test]
    fn a_flood_is_over_when_nobody_waits() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.has_contacts(lanes(["a", "b", "c"]), 2, now);
        assert!(!queue.has_fresh());
        assert_eq!(order(&mut queue), ["a", "b", "c"]);
        queue.has_contacts(lanes(["d", "e"]), 2, now + FLOOD / 2);
        assert!(queue.has_fresh());
        queue.has_contacts(lanes(["f"]), 2, now + FLOOD / 2);
        assert!(!queue.has_fresh());
    }

    #[test]
    fn what_an_operator_has_tried_stays_before_all_in_a_flood() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.found(lanes(["found"]));
        queue.goes_at_once(lane("tried"));
        queue.has_contacts(lanes(["a", "b", "c"]), 2, now);
        assert_eq!(order(&mut queue)[0], "tried");
    }

    #[test]
    fn what_an_operator_had_tried_is_no_news_any_more_when_it_could_not_begin() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.goes_at_once(lane("tried"));
        assert_eq!(order(&mut queue), ["tried"]);
        queue.forget(&lane("tried"));
        queue.has_contacts(lanes(["a", "b", "c"]), 2, now);
        assert_eq!(order(&mut queue), ["a", "b", "c"]);
    }

    #[test]
    fn who_was_at_work_meanwhile_does_not_come_before_others_where_all_have_news() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.has_turn(&lane("worked"));
        queue.found(lanes(["found"]));
        queue.has_contacts(lanes(["a", "b", "c"]), 2, now);
        queue.has_more(lane("worked"));
        assert_eq!(order(&mut queue), ["found", "a", "b", "c", "worked"]);
        queue.has_turn(&lane("worked"));
        queue.found(lanes(["found"]));
        queue.has_contacts(lanes(["a"]), 2, now + FLOOD * 2);
        queue.has_more(lane("worked"));
        assert_eq!(order(&mut queue), ["a", "found", "worked"]);
    }

    #[test]
    fn few_at_a_time_are_many_too() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.found(lanes(["found"]));
        for (step, user) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let now = now + FLOOD / 8 * u32::try_from(step).unwrap();
            queue.has_contacts(vec![lane(user)], 2, now);
        }
        assert_eq!(order(&mut queue), ["found", "a", "b", "c", "d"]);
    }

    #[test]
    fn who_comes_later_waits_behind_who_waits_already() {
        let mut queue = Queue::default();
        queue.found(lanes(["old", "other"]));
        queue.has_turn(&lane("old"));
        queue.found(lanes(["old"]));
        queue.has_turn(&lane("other"));
        queue.found(lanes(["later"]));
        assert_eq!(order(&mut queue), ["old", "later"]);
    }

    #[test]
    fn a_lane_of_a_kind_can_be_taken_out_alone() {
        let mut queue = Queue::default();
        queue.found(lanes(["a", "b", "c", "d"]));
        queue.has_contacts(lanes(["new"]), 8, Instant::now());
        queue.has_turn(&lane("b"));
        queue.found(lanes(["b"]));
        let mut next = |users: [&str; 2]| {
            let next = queue.next_of(|lane| users.contains(&lane.user_id()));
            next.map(|next| (next.lane.user_id().to_owned(), next.is_fresh))
        };
        assert_eq!(next(["b", "c"]), Some(("c".into(), false)));
        assert_eq!(next(["b", "c"]), Some(("b".into(), false)));
        assert_eq!(next(["b", "c"]), None);
        assert_eq!(next(["new", "c"]), Some(("new".into(), true)));
        assert_eq!(order(&mut queue), ["a", "d"]);
    }

    #[test]
    fn what_has_no_place_keeps_its_kind() {
        let mut queue = Queue::default();
        queue.found(lanes(["a"]));
        queue.has_contacts(lanes(["new"]), 8, Instant::now());
        let next = |queue: &mut Queue| queue.next(&HashMap::new()).unwrap();
        let taken = vec![next(&mut queue), next(&mut queue)];
        assert!(queue.is_used_up() && queue.iter().next().is_none());
        queue.put_back(taken);
        assert_eq!(order(&mut queue), ["new", "a"]);
    }

    #[test]
    fn a_lane_that_has_had_its_turn_waits_behind_those_that_have_not() {
        let mut queue = Queue::default();
        queue.found(lanes(["a", "b", "c"]));
        queue.has_contacts(lanes(["a"]), 8, Instant::now());
        queue.has_turn(&lane("a"));
        queue.found(lanes(["a"]));
        assert_eq!(order(&mut queue), ["b", "c", "a"]);
    }

    #[test]
    fn who_can_send_keeps_its_place_when_many_come_that_cannot() {
        let mut queue = Queue::default();
        let shut = |nth: usize| lane(&format!("shut-{nth}"));
        queue.found((0..MOST - 1).map(shut).collect());
        queue.has_turn(&lane("good"));
        queue.found(lanes(["good"]));
        assert!(queue.is_full(1) && queue.has(&lane("good")));
        queue.keep_found(|lane| lane.user_id() == "good");
        queue.found((MOST..2 * MOST - 1).map(shut).collect());
        queue.cut(|_| false);
        assert!(queue.has(&lane("good")) && !queue.has(&shut(0)));
    }

    #[test]
    fn one_that_was_answered_stays_when_more_come_that_were_never_tried() {
        let mut queue = Queue::default();
        queue.has_turn(&lane("good"));
        queue.found(lanes(["good"]));
        let untried = (0..2 * MOST).map(|nth| lane(&format!("untried-{nth}")));
        queue.has_contacts(untried.collect(), 8, Instant::now());
        queue.cut(|lane| lane.user_id() == "good");
        assert!(queue.has(&lane("good")));
        assert_eq!(queue.len(), MOST);
    }

    #[test]
    fn one_user_does_not_fill_the_queue() {
        let mut queue = Queue::default();
        let many = (0..MOST).map(|task| Lane::new("many", &task.to_string()).unwrap());
        queue.found(many.collect());
        queue.found(lanes(["one"]));
        assert_eq!(queue.iter().count(), MOST_OF_A_USER + 1);
        queue.found((0..2 * MOST).map(|user| lane(&user.to_string())).collect());
        queue.cut(|_| false);
        assert_eq!(queue.iter().count(), MOST);
    }
}
