//! The places: the lanes at work, and whether one more lane may be.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::context::QUARTERS;
use super::permits::{Permits, slow_share};
use super::queue::Candidate;
use crate::contact::Lane;

/// While many hang, unknown lanes still get places until this many times the usual number of lanes
/// are at work.
const MOST_PLACES: usize = 3;

/// The lanes at work.
#[derive(Debug, Default)]
pub(super) struct Places {
    lanes: HashMap<Lane, Place>,
    users: HashMap<Arc<str>, usize>,
}

/// The place of a lane at work.
#[derive(Debug)]
pub(super) struct Place {
    /// Tells the lane of new contacts.
    news: Arc<Notify>,
    /// Whether contacts came while the lane was at work.
    pub(super) has_more: bool,
    /// Whether an operator has ordered a try of the lane, so that a rest of it does not count.
    pub(super) is_tried_now: bool,
}

impl Places {
    /// Gives a lane its place. Returns the notification of new contacts.
    pub(super) fn take(&mut self, lane: Lane) -> Arc<Notify> {
        debug_assert!(!self.has(&lane), "a lane is at work once");
        *self.users.entry(lane.user_id().into()).or_default() += 1;
        let news = Arc::new(Notify::new());
        let place = Place {
            news: Arc::clone(&news),
            has_more: false,
            is_tried_now: false,
        };
        self.lanes.insert(lane, place);
        news
    }

    /// Frees the place of a lane, and returns it.
    pub(super) fn free(&mut self, lane: &Lane) -> Option<Place> {
        let place = self.lanes.remove(lane)?;
        let user = lane.user_id();
        if let Some(lanes) = self.users.get_mut(user) {
            *lanes -= 1;
            if *lanes == 0 {
                self.users.remove(user);
            }
        }
        Some(place)
    }

    pub(super) fn has(&self, lane: &Lane) -> bool {
        self.lanes.contains_key(lane)
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Returns how many places the lanes of each user have.
    pub(super) fn of_users(&self) -> &HashMap<Arc<str>, usize> {
        &self.users
    }

    /// Tells a lane of new contacts, if it is at work. Returns whether it is.
    pub(super) fn tell(&mut self, lane: &Lane) -> bool {
        let Some(place) = self.lanes.get_mut(lane) else {
            return false;
        };
        place.has_more = true;
        place.news.notify_one();
        true
    }

    /// Notes that an operator has ordered a try of these lanes.
    pub(super) fn try_now(&mut self, covers: impl Fn(&Lane) -> bool) {
        for (_, place) in self.lanes.iter_mut().filter(|(lane, _)| covers(lane)) {
            place.is_tried_now = true;
        }
    }

    /// Whether there is room for one more lane, with `places` usual places. Three kinds of lanes do
    /// not wait for others' turns to end: the first lane of a user, a lane with new contacts, and,
    /// while many hang, a lane that is known to answer.
    pub(super) fn have_room(
        &self,
        Candidate { lane, is_fresh }: &Candidate,
        places: usize,
        permits: &Permits,
    ) -> bool {
        let is_first = !self.users.contains_key(lane.user_id());
        let many_hang = permits.many_hang();
        let is_well = many_hang && permits.is_well(lane);
        let has = [true, is_first, is_well, *is_fresh, is_first && *is_fresh];
        let quarters = QUARTERS.iter().zip(has).filter(|(_, has)| *has);
        let most = places * quarters.map(|(quarters, _)| quarters).sum::<usize>() / 4;
        if self.len() < most {
            return true;
        }
        if is_well || !many_hang || self.len() >= MOST_PLACES * places {
            return false;
        }
        // Lanes that are known to answer do not count against the usual places.
        let others = self.lanes.keys().filter(|lane| !permits.is_well(lane));
        others.count() < places
    }

    /// Whether no more lanes that hang may be at work with this many permits: they would only wait
    /// for permits.
    pub(super) fn are_full_of_slow(&self, permits: &Permits, max_in_flight: usize) -> bool {
        let slow = self.lanes.keys().filter(|lane| permits.is_slow(lane));
        slow.count() >= slow_share(max_in_flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::courier::permits::Permit;
    use std::time::Duration;
    use tokio::time::advance;

    const PLACES: usize = 8;

    fn lane(user: &str, task: usize) -> Lane {
        Lane::new(user, &task.to_string()).unwrap()
    }

    /// Lets lanes of this kind come until there is no room. Returns how many got a place.
    fn fill(
        places: &mut Places,
        permits: &Permits,
        is_fresh: bool,
        lanes: impl IntoIterator<Item = Lane>,
    ) -> usize {
        let before = places.len();
        for lane in lanes {
            let candidate = Candidate { lane, is_fresh };
            if !places.have_room(&candidate, PLACES, permits) {
                break;
            }
            places.take(candidate.lane);
        }
        places.len() - before
    }

    fn of_one(user: &'static str) -> impl Iterator<Item = Lane> {
        (0..).map(move |task| lane(user, task))
    }

    fn of_each(user: &'static str) -> impl Iterator<Item = Lane> {
        (0..).map(move |nth| lane(&format!("{user}-{nth}"), 0))
    }

    #[test]
    fn first_lanes_and_new_contacts_have_room_when_all_places_are_taken() {
        let (mut places, permits) = (Places::default(), Permits::new(8));
        assert_eq!(fill(&mut places, &permits, false, of_one("many")), 8);
        assert_eq!(fill(&mut places, &permits, true, of_one("many").skip(8)), 2);
        assert_eq!(fill(&mut places, &permits, false, of_each("first")), 2);
        assert_eq!(fill(&mut places, &permits, true, of_each("new")), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_known_to_answer_has_more_room_while_many_hang_and_not_before() {
        let (mut places, permits) = (Places::default(), Permits::new(8));
        let well = || (0..).map(|task| lane("well", task));
        for lane in well().take(100) {
            permits.note(&lane, Duration::from_millis(1), true);
        }
        let mut hanging = Vec::new();
        for task in 0..2 {
            hanging.extend(permits.acquire(&lane("new", task), 8).await);
        }
        hanging.iter_mut().for_each(Permit::goes_out);
        assert_eq!(fill(&mut places, &permits, false, well()), 8);
        advance(Duration::from_secs(3)).await;
        assert_eq!(fill(&mut places, &permits, false, well().skip(8)), 4);
        // These lanes also leave the usual places to unknown lanes.
        assert_eq!(fill(&mut places, &permits, false, of_one("new")), 8);
    }

    #[test]
    fn lanes_that_hang_have_few_places() {
        let (mut places, permits) = (Places::default(), Permits::new(8));
        for slow in of_one("slow").take(2) {
            assert!(!places.are_full_of_slow(&permits, 8));
            permits.note(&slow, Duration::from_mins(1), false);
            places.take(slow);
        }
        assert!(places.are_full_of_slow(&permits, 8));
    }

    #[test]
    fn a_place_is_free_when_its_lane_leaves_and_tells_what_came_meanwhile() {
        let mut places = Places::default();
        for task in 0..2 {
            places.take(lane("u", task));
        }
        assert!(places.tell(&lane("u", 0)) && !places.tell(&lane("u", 2)));
        places.try_now(|lane| lane.task_id() == "1");
        let [first, second] = [0, 1].map(|task| places.free(&lane("u", task)).unwrap());
        assert!(first.has_more && !first.is_tried_now);
        assert!(!second.has_more && second.is_tried_now);
        assert!(places.free(&lane("u", 0)).is_none());
        assert!(places.of_users().is_empty() && places.len() == 0);
    }
}
