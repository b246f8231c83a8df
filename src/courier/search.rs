//! The search for lanes with work: step by step once around all of them, until enough are found. Pure: the
//! scout asks the outbox for each step, and does its other work meanwhile.
//!
//! A search goes on where the last one stopped. After some lanes of a user with many, it goes on to
//! the next user, so that one user's lanes do not hide another's. It remembers where it left the
//! first user.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::budget::budget;
use crate::contact::Lane;
use crate::outbox::{LaneFound, LanePage};

/// Searches take at most one part in this many of the time.
pub(super) const SEARCH_SHARE: u32 = 5;

/// At most this many lanes are asked for at once.
const LARGEST_STEP: u32 = 1_024;

/// At most this many users with many lanes are remembered.
const MOST_USERS: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Search {
    /// The lane behind which the next round begins.
    position: Option<Lane>,
    /// Where a round left each user's lanes to go on with another user's.
    left_at: HashMap<Arc<str>, Lane>,
    round: Option<Round>,
}

/// One way around all lanes.
#[derive(Debug)]
struct Round {
    /// The round ends when it has found so many lanes that need no budget.
    enough: usize,
    /// Those that it has found so far.
    found: HashSet<Lane>,
    walk: Walk,
    /// Users with many lanes, and where to go on inside them after the walk.
    left: VecDeque<Lane>,
}

/// A walk around the lanes of all users, or of one.
#[derive(Debug)]
struct Walk {
    /// The lane behind which it began; `None`: at the first lane.
    begun_at: Option<Lane>,
    behind: Option<Lane>,
    /// Whether it has come to the end and gone on from the first lane.
    is_around: bool,
    /// Whether it goes over the lanes of one user.
    is_inside: bool,
    /// How many lanes the next step asks for.
    limit: u32,
}

/// The lanes that a step has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Lanes that may be put to work now, as soon as their budget pays if they need one.
    pub(super) ripe: Vec<LaneFound>,
    /// The time until the next lingering lane is ripe.
    pub(super) ripe_in: Option<Duration>,
    /// Whether the search is over.
    pub(super) is_over: bool,
}

impl Search {
    /// Returns the next step: the lane to begin behind, and how many lanes to ask for. A search that
    /// begins with it is over after `enough` lanes that may start.
    pub(super) fn step(&mut self, enough: usize) -> (Option<Lane>, u32) {
        let position = &mut self.position;
        let round = self.round.get_or_insert_with(|| Round {
            enough,
            found: HashSet::new(),
            walk: Walk::over_users(position.take(), enough),
            left: VecDeque::new(),
        });
        (round.walk.behind.clone(), round.walk.limit)
    }

    /// Takes the lanes that the step has found.
    pub(super) fn take(&mut self, page: LanePage, may_start: impl Fn(&Lane) -> bool) -> Found {
        let mut found = Found::default();
        if let Some(mut round) = self.round.take() {
            let has_more = if round.walk.is_inside {
                self.inside_user(&mut round, page, &mut found, may_start)
            } else {
                self.over_users(&mut round, page, &mut found, may_start)
            };
            self.round = has_more.then_some(round);
        }
        found.is_over = self.round.is_none();
        found
    }

    /// Ends a search whose step has failed. The next one begins at the first lane.
    pub(super) fn fails(&mut self) {
        self.round = None;
    }

    /// Goes from user to user. Returns whether there is another step.
    fn over_users(
        &mut self,
        round: &mut Round,
        page: LanePage,
        found: &mut Found,
        may_start: impl Fn(&Lane) -> bool,
    ) -> bool {
        let mut lanes = page.lanes;
        let next = page.next.map(|last| {
            let ours = |found: &&LaneFound| found.lane.user_id() == last.user_id();
            if lanes.iter().rev().take_while(ours).count() * 2 <= lanes.len() {
                return last;
            }
            if let Some(from) = self.left_at.remove(last.user_id()) {
                lanes.retain(|found| found.lane.user_id() != last.user_id());
                round.left.push_back(from);
            } else {
                round.left.push_back(last.clone());
            }
            last.behind_its_user()
        });
        round.take(lanes, found, may_start);
        let (is_enough, walk) = (round.is_enough(), &mut round.walk);
        match next.filter(|next| !walk.has_been_at(next)) {
            Some(next) if is_enough => self.position = Some(next),
            Some(next) => return walk.goes_on(Some(next)),
            None if walk.is_around => {}
            None => {
                walk.is_around = true;
                return walk.goes_on(None);
            }
        }
        self.next_user(round)
    }

    /// Goes over the lanes of one user. Returns whether there is another step.
    fn inside_user(
        &mut self,
        round: &mut Round,
        page: LanePage,
        found: &mut Found,
        may_start: impl Fn(&Lane) -> bool,
    ) -> bool {
        let mut lanes = page.lanes;
        let Some(from) = round.walk.begun_at.clone() else {
            return false;
        };
        lanes.retain(|found| found.lane.user_id() == from.user_id());
        let last = page.next.filter(|last| last.user_id() == from.user_id());
        let furthest = last.as_ref().or(lanes.last().map(|found| &found.lane));
        let has_passed = furthest.is_some_and(|furthest| *furthest >= from);
        round.take(lanes, found, may_start);
        let walk = &mut round.walk;
        let next = match last {
            _ if walk.is_around && has_passed => None,
            Some(last) => Some(last),
            None if walk.is_around => None,
            None => {
                walk.is_around = true;
                Some(from.before_its_user())
            }
        };
        match next {
            Some(next) if !round.is_enough() => round.walk.goes_on(Some(next)),
            stopped => {
                self.leave(stopped.unwrap_or(from));
                self.next_user(round)
            }
        }
    }

    /// Goes on inside the next user with many lanes. Returns whether there is one.
    fn next_user(&mut self, round: &mut Round) -> bool {
        while let Some(from) = round.left.pop_front() {
            if !round.is_enough() {
                round.walk = Walk::inside_user(from, round.enough);
                return true;
            }
            self.leave(from);
        }
        false
    }

    fn leave(&mut self, at: Lane) {
        if self.left_at.len() >= MOST_USERS {
            self.left_at.clear();
        }
        self.left_at.insert(at.user_id().into(), at);
    }
}

impl Round {
    fn is_enough(&self) -> bool {
        self.found.len() >= self.enough
    }

    fn take(
        &mut self,
        lanes: Vec<LaneFound>,
        found: &mut Found,
        may_start: impl Fn(&Lane) -> bool,
    ) {
        for lane in lanes {
            if !may_start(&lane.lane) {
                continue;
            }
            if !lane.ripe_in.is_zero() {
                let least = found.ripe_in.unwrap_or(lane.ripe_in);
                found.ripe_in = Some(least.min(lane.ripe_in));
                continue;
            }
            // Lanes that wait for a budget must not end the search before it comes to others.
            let needs_budget = lane.held_because.as_deref().and_then(budget).is_some();
            if needs_budget || self.found.insert(lane.lane.clone()) {
                found.ripe.push(lane);
            }
        }
    }
}

impl Walk {
    fn over_users(begun_at: Option<Lane>, enough: usize) -> Self {
        Self {
            is_around: begun_at.is_none(),
            behind: begun_at.clone(),
            begun_at,
            is_inside: false,
            limit: first_limit(enough),
        }
    }

    fn inside_user(from: Lane, enough: usize) -> Self {
        Self {
            behind: Some(from.clone()),
            begun_at: Some(from),
            is_around: false,
            is_inside: true,
            limit: first_limit(enough),
        }
    }

    /// Whether it has come around to where it began.
    fn has_been_at(&self, lane: &Lane) -> bool {
        self.is_around && self.begun_at.as_ref().is_some_and(|at| lane >= at)
    }

    /// Goes on behind this lane, in larger steps. There is always another step.
    fn goes_on(&mut self, behind: Option<Lane>) -> bool {
        self.behind = behind;
        self.limit = (self.limit * 2).min(LARGEST_STEP);
        true
    }
}

fn first_limit(enough: usize) -> u32 {
    u32::try_from(enough).map_or(LARGEST_STEP, |limit| limit.clamp(1, LARGEST_STEP))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(user: &str, task: usize) -> Lane {
        Lane::new(user, &format!("{task:06}")).unwrap()
    }

    fn lanes(user: &str, n: usize) -> Vec<Lane> {
        (0..n).map(|task| lane(user, task)).collect()
    }

    /// Carries out a step on these lanes, which are in order. Returns the lanes that may start.
    fn step(
        search: &mut Search,
        of: &[Lane],
        enough: usize,
        held: impl Fn(&Lane) -> Option<&'static str>,
    ) -> (Vec<Lane>, bool) {
        let (behind, limit) = search.step(enough);
        let ahead = of.iter().filter(|lane| behind.as_ref() < Some(*lane));
        let page = ahead.take(limit as usize).map(|lane| LaneFound {
            lane: lane.clone(),
            ripe_in: Duration::ZERO,
            held_because: held(lane).map(Into::into),
        });
        let lanes: Vec<LaneFound> = page.collect();
        let last = lanes.last().filter(|_| lanes.len() >= limit as usize);
        let next = last.map(|found| found.lane.clone());
        // Those that are no lane are left out, as the outbox does.
        let lanes = lanes.into_iter().filter(|found| found.lane.is_valid());
        let lanes = lanes.collect();
        let found = search.take(LanePage { lanes, next }, |_| true);
        let ripe = found.ripe.into_iter().map(|found| found.lane);
        (ripe.collect(), found.is_over)
    }

    /// Searches until the search is over. Returns the lanes that may start, and the number of steps.
    fn around(search: &mut Search, of: &[Lane], enough: usize) -> (Vec<Lane>, usize) {
        let (mut all, mut steps) = (Vec::new(), 0);
        loop {
            let (ripe, is_over) = step(search, of, enough, |_| None);
            all.extend(ripe);
            steps += 1;
            assert!(steps < 1_000, "it goes on for ever");
            if is_over {
                return (all, steps);
            }
        }
    }

    #[test]
    fn a_search_goes_once_around_all_lanes_in_growing_steps() {
        let mut search = Search::default();
        let all: Vec<Lane> = (0..500)
            .map(|user| lane(&format!("u{user:03}"), 0))
            .collect();
        search.position = Some(all[200].clone());
        search.step(64);
        let round = search.round.as_mut().unwrap();
        round.enough = 1_000;
        let (mut found, steps) = around(&mut search, &all, 1_000);
        assert_eq!(found[0], all[201]);
        found.sort();
        assert_eq!(found, all);
        assert!(steps <= 5, "{steps}");
    }

    #[test]
    fn a_search_ends_when_enough_are_found_and_the_next_one_goes_on_there() {
        let mut search = Search::default();
        let all: Vec<Lane> = (0..100)
            .map(|user| lane(&format!("u{user:03}"), 0))
            .collect();
        for nth in 0..5 {
            let (found, _) = around(&mut search, &all, 20);
            assert_eq!(found, all[nth * 20..][..20]);
        }
        // Behind the last lane it begins again.
        let (found, _) = around(&mut search, &all, 20);
        assert_eq!(found[..20], all[..20]);
    }

    #[test]
    fn lanes_of_one_user_do_not_hide_anothers_and_all_of_them_are_found() {
        let mut search = Search::default();
        let mut all = lanes("many", 3_000);
        all.push(lane("one", 0));
        let (found, _) = around(&mut search, &all, 64);
        assert!(found.contains(&all[0]));
        let mut seen: HashSet<Lane> = found.into_iter().collect();
        for _ in 0..100 {
            let (found, _) = around(&mut search, &all, 64);
            seen.extend(found);
        }
        assert_eq!(seen.len(), all.len());
        let (found, _) = around(&mut Search::default(), &all, 10_000);
        assert_eq!(found.len(), all.len(), "each once");
    }

    #[test]
    fn lanes_that_need_a_budget_do_not_end_the_search_before_it_comes_to_others() {
        let mut search = Search::default();
        let mut all: Vec<Lane> = (0..2_000)
            .map(|nth| lane(&format!("a{nth:04}"), 0))
            .collect();
        all.push(lane("good", 0));
        let held = |lane: &Lane| (lane.user_id() != "good").then_some("not_found");
        let mut found = Vec::new();
        for nth in 1..=9 {
            let (ripe, is_over) = step(&mut search, &all, 64, held);
            found.extend(ripe);
            assert_eq!(is_over, found.len() > 2_000, "step {nth}");
            if is_over {
                assert_eq!(found, all);
                return;
            }
        }
        panic!("not found: the good lane");
    }

    #[test]
    fn rows_that_are_of_no_lane_hide_no_lanes_behind_them() {
        let mut all = vec![lane("a", 0)];
        all.extend((0..300).map(|task| Lane::position("a b", &format!("{task:06}"))));
        all.extend((0..300).map(|task| Lane::position("c", &format!("{task:06} "))));
        all.extend([lane("c", 300), lane("z", 0)]);
        let good = [lane("a", 0), lane("c", 300), lane("z", 0)];
        for begun_at in [None, Some(all[5].clone()), Some(all[450].clone())] {
            let mut search = Search {
                position: begun_at,
                ..Search::default()
            };
            let (mut found, _) = around(&mut search, &all, 20);
            found.sort();
            assert_eq!(found, good);
        }
    }

    #[test]
    fn a_step_that_fails_ends_the_search_and_the_next_one_begins_anew() {
        let mut search = Search::default();
        let all: Vec<Lane> = (0..300)
            .map(|user| lane(&format!("u{user:03}"), 0))
            .collect();
        let (_, is_over) = step(&mut search, &all, 100, |_| Some("not_found"));
        assert!(!is_over);
        search.fails();
        assert_eq!(search.step(100), (None, 100));
    }
}
