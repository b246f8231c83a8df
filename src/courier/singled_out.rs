//! Lanes and users that the platform turns away alone.
//!
//! A 401 or 429 is about everybody, until the platform has answered somebody else in between: then it
//! is about who gets it again, and stays so until this one is answered. If another lane of the same user was
//! answered, it is about the lane, otherwise about the user. A 403 is about the user, but while the platform
//! answers others of the user, about the lane. So is the 401 to a lane that was never answered; and to a user
//! that was never answered, it is about the user if the platform has answered others with this token. A 429
//! that would be about everybody may be about a suspect instead ([`super::suspect`]). Pure.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::older_half::forget_older_half;
use super::suspect::{Suspect, Suspects};
use crate::contact::Lane;

/// At most so many users, and so many lanes, are remembered.
const MOST: usize = 10_000;

/// After so many users in a row without an answer to anybody, the next one may be about everybody again. So
/// it is after as many lanes of which nothing else is known.
const MOST_IN_A_ROW: usize = 4;

/// Who was turned away so often alone is surely so.
const SURE: u32 = 2;

/// An answer longer ago does not show that the token, or the user, is still allowed.
const LATELY: Duration = Duration::from_mins(1);

/// Whom a 401, 403 or 429 is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Everybody,
    User,
    Lane,
    /// So many were turned away alone, and nobody was answered meanwhile, that it may be everybody, or the user.
    Many,
}

#[derive(Debug, Default)]
pub(super) struct SingledOut {
    /// How often the platform has answered somebody else than with these.
    answers: u64,
    users: HashMap<Arc<str>, User>,
    lanes: HashMap<Lane, Known>,
    /// Users that were turned away alone since the last answer, as far as they count.
    in_a_row: HashSet<Arc<str>>,
    /// The same for lanes that got a 429.
    lanes_in_a_row: HashSet<Lane>,
    /// How many lanes that were never answered have got a 401 since the last answer.
    new_in_a_row: usize,
    /// Whether the platform has answered anybody since the token changed.
    is_token_taken: bool,
    suspects: Suspects,
}

/// What is known of a lane, or of a user.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// How many answers there were before this was noted.
    noted: u64,
    /// Since its last answer: whether it was turned away.
    turned_away: Option<Away>,
    /// Whether it was ever answered, and how many answers there were then.
    answered: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Away {
    /// How many answers there were before.
    before: u64,
    /// How often it was turned away after others were answered.
    alone: u32,
    /// Whether it was a 429, about which a new token changes nothing.
    is_limited: bool,
}

#[derive(Debug, Default)]
struct User {
    known: Known,
    answered_at: Option<Instant>,
    /// The lane that got a 403 since the last answer to the user, though it was answered before.
    forbidden: Option<Lane>,
    /// How many of its lanes that were never answered have got a 403 since then.
    new_in_a_row: usize,
    /// Whether one of its lanes was turned away since then.
    has_lanes_away: bool,
}

impl User {
    /// Whether the platform has answered it lately.
    fn is_answering(&self, now: Instant) -> bool {
        let lately = |at| now.saturating_duration_since(at) < LATELY;
        self.answered_at.is_some_and(lately)
    }
}

impl Known {
    /// Notes that it was turned away. `answered`: how many answers there were when somebody else was answered
    /// last. Returns whether it is so alone.
    fn turned_away(&mut self, answered: Option<u64>, is_limited: bool, now: u64) -> bool {
        let again = |away: Away| away.alone + u32::from(answered > Some(away.before));
        let alone = self.turned_away.map_or(0, again);
        self.set_turned_away(alone, is_limited, now);
        alone > 0
    }

    fn set_turned_away(&mut self, alone: u32, is_limited: bool, now: u64) {
        self.noted = now;
        self.turned_away = Some(Away {
            before: now,
            alone,
            is_limited,
        });
    }

    /// Returns how often it was turned away alone since its last answer.
    fn alone(&self) -> u32 {
        self.turned_away.map_or(0, |away| away.alone)
    }

    fn is_known(&self) -> bool {
        self.answered.is_some() || self.turned_away.is_some()
    }

    fn answered(&mut self, is_news: bool, now: u64) {
        self.noted = now;
        self.turned_away = None;
        if is_news {
            self.answered = Some(now);
        }
    }
}

impl SingledOut {
    /// Notes that the lane got a 429. Returns whom this is about: also about one that is answered in between,
    /// if it is the suspect.
    pub(super) fn limited(&mut self, lane: &Lane, now: Instant) -> About {
        let about = self.refused(lane, true);
        if about != About::Everybody {
            return about;
        }
        let (answers, is_new) = (self.answers, !self.was_answered(lane));
        let suspect = self.suspects.refused(lane, is_new, now);
        let user = self.user(lane.user_id());
        let is_of_user = suspect == Some(Suspect::Newcomers) && user.known.answered.is_none();
        match suspect {
            None => About::Everybody,
            Some(suspect) if suspect == Suspect::User || is_of_user => {
                user.known.set_turned_away(SURE, true, answers);
                count(&mut self.in_a_row, &lane.user_id().into(), About::User)
            }
            Some(_) => {
                self.lane(lane).set_turned_away(SURE, true, answers);
                count(&mut self.lanes_in_a_row, lane, About::Lane)
            }
        }
    }

    /// Notes a 429 or 401. Returns whom it is about, by who was answered since the last one.
    fn refused(&mut self, lane: &Lane, is_limited: bool) -> About {
        let now = self.answers;
        let user = self.user(lane.user_id());
        user.has_lanes_away = true;
        let others_of_user = user.known.answered;
        let known = self.lane(lane);
        if known.turned_away(others_of_user, is_limited, now) {
            return count(&mut self.lanes_in_a_row, lane, About::Lane);
        }
        let user = self.user(lane.user_id());
        if !user.known.turned_away(Some(now), is_limited, now) {
            return About::Everybody;
        }
        count(&mut self.in_a_row, &lane.user_id().into(), About::User)
    }

    /// Notes that the lane got a 401. Returns whom this is about. A token that others are answered with is not
    /// refused because of lanes or users that were never answered, unless many of these come in a row.
    pub(super) fn unauthorized(&mut self, lane: &Lane, now: Instant) -> About {
        let (answers, is_token_taken) = (self.answers, self.is_token_taken);
        let user = self.user(lane.user_id());
        if user.known.answered.is_none() && is_token_taken {
            user.known.set_turned_away(1, false, answers);
        }
        user.has_lanes_away = true;
        let is_answering = user.is_answering(now);
        if self.lane(lane).is_known() || !is_answering {
            return self.refused(lane, false);
        }
        let about = one_more(&mut self.new_in_a_row);
        self.set_alone(lane, about);
        about
    }

    /// Notes that the lane got a 403. Returns whom this is about. If a second lane that was answered before
    /// gets one, and none of the user was answered in between, it is the user; it may be after many others.
    pub(super) fn forbidden(&mut self, lane: &Lane, now: Instant) -> About {
        let answers = self.answers;
        let user = self.user(lane.user_id());
        user.has_lanes_away = true;
        let others_of_user = user.known.answered;
        let known = self.lane(lane);
        let was_answered = known.answered.is_some();
        if known.turned_away(others_of_user, false, answers) {
            return About::Lane;
        }
        let user = self.user(lane.user_id());
        let about = if !user.is_answering(now) {
            About::User
        } else if !was_answered {
            one_more(&mut user.new_in_a_row)
        } else if user.forbidden.get_or_insert_with(|| lane.clone()) == lane {
            About::Lane
        } else {
            About::User
        };
        self.set_alone(lane, about);
        about
    }

    fn set_alone(&mut self, lane: &Lane, about: About) {
        let now = self.answers;
        if about == About::Lane {
            self.lane(lane).set_turned_away(1, false, now);
        }
    }

    /// Notes that the platform has answered the lane. `news`: when, if neither its user nor everybody was told to
    /// wait then.
    pub(super) fn answered(&mut self, lane: &Lane, news: Option<Instant>) {
        let is_news = news.is_some();
        self.answers += u64::from(is_news);
        let (now, is_new) = (self.answers, !self.was_answered(lane));
        self.lane(lane).answered(is_news, now);
        let user = self.user(lane.user_id());
        user.known.answered(is_news, now);
        if is_news {
            (user.answered_at, user.forbidden, user.new_in_a_row) = (news, None, 0);
            user.has_lanes_away = false;
            self.is_token_taken = true;
            self.suspects.answered(lane, is_new);
            self.in_a_row.clear();
            self.lanes_in_a_row.clear();
            self.new_in_a_row = 0;
        }
    }

    /// Whether the last answer to the lane was a 401 or 429, or a 403 to it alone; of a lane of which nothing is
    /// known, whether the last one to its user was a 401 or 429.
    pub(super) fn has(&self, lane: &Lane) -> bool {
        let user = self.users.get(lane.user_id());
        let user = user.is_some_and(|user| user.known.turned_away.is_some());
        match self.lanes.get(lane) {
            Some(lane) if lane.is_known() => lane.turned_away.is_some(),
            _ => user,
        }
    }

    /// Whether the lane was ever answered, or no lane of its user was turned away since the last answer to
    /// one: then nothing speaks against it.
    pub(super) fn may_pass(&self, lane: &Lane) -> bool {
        let user = self.users.get(lane.user_id());
        self.was_answered(lane) || !user.is_some_and(|user| user.has_lanes_away)
    }

    fn was_answered(&self, lane: &Lane) -> bool {
        let lane = self.lanes.get(lane);
        lane.is_some_and(|lane| lane.answered.is_some())
    }

    /// Whether the lane is turned away alone, or its user is.
    pub(super) fn is_alone(&self, lane: &Lane) -> bool {
        self.alone(lane) > (0, 0)
    }

    /// Whether earlier 429s of the lane, though they seemed to be about everybody, were about the lane or its
    /// user.
    pub(super) fn is_surely_alone(&self, lane: &Lane) -> bool {
        let (of_lane, of_user) = self.alone(lane);
        of_lane.max(of_user) >= SURE || self.suspects.are_newcomers() && !self.was_answered(lane)
    }

    /// Returns how often the lane and its user were turned away alone since their last answers.
    fn alone(&self, lane: &Lane) -> (u32, u32) {
        let user = self.users.get(lane.user_id());
        let lane = self.lanes.get(lane).map_or(0, Known::alone);
        (lane, user.map_or(0, |user| user.known.alone()))
    }

    /// Forgets what a new token may have changed: 401 and 403, and who was answered with the old one lately.
    pub(super) fn token_changed(&mut self) {
        let users = self.users.values_mut().map(|user| {
            (user.answered_at, user.forbidden, user.new_in_a_row) = (None, None, 0);
            user.has_lanes_away = false;
            &mut user.known
        });
        for known in self.lanes.values_mut().chain(users) {
            known.turned_away = known.turned_away.filter(|away| away.is_limited);
        }
        self.in_a_row.clear();
        self.lanes_in_a_row.clear();
        (self.new_in_a_row, self.is_token_taken) = (0, false);
    }

    fn lane(&mut self, lane: &Lane) -> &mut Known {
        if self.lanes.len() >= MOST && !self.lanes.contains_key(lane) {
            forget_older_half(&mut self.lanes, |known| known.noted);
        }
        self.lanes.entry(lane.clone()).or_default()
    }

    fn user(&mut self, user: &str) -> &mut User {
        if self.users.len() >= MOST && !self.users.contains_key(user) {
            forget_older_half(&mut self.users, |user| user.known.noted);
        }
        self.users.entry(user.into()).or_default()
    }
}

/// Counts who is turned away alone. Returns whom that is about: many may be about all.
fn count<K: Clone + Eq + Hash>(in_a_row: &mut HashSet<K>, one: &K, about: About) -> About {
    if in_a_row.len() < MOST_IN_A_ROW {
        in_a_row.insert(one.clone());
    }
    if in_a_row.contains(one) {
        about
    } else {
        About::Many
    }
}

/// Counts one more of which nothing is known. Returns whom that is about.
fn one_more(in_a_row: &mut usize) -> About {
    if *in_a_row >= MOST_IN_A_ROW {
        return About::Many;
    }
    *in_a_row += 1;
    About::Lane
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        static NOW: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        *NOW
    }

    fn lane(user: &str, task: &str) -> Lane {
        Lane::new(user, task).unwrap()
    }

    fn of(user: &str) -> Lane {
        lane(user, "1")
    }

    #[test]
    fn who_is_turned_away_again_after_an_answer_to_another_is_so_alone() {
        let mut singled_out = SingledOut::default();
        for user in ["a", "b", "a"] {
            let nobody_was_answered = singled_out.limited(&of(user), now());
            assert_eq!(nobody_was_answered, About::Everybody, "{user}");
        }
        singled_out.answered(&of("c"), None);
        let it_was_under_way = singled_out.limited(&of("a"), now());
        assert_eq!(it_was_under_way, About::Everybody);
        singled_out.answered(&of("c"), Some(now()));
        for user in ["a", "b", "a", "a", "a", "a", "b"] {
            assert_eq!(singled_out.limited(&of(user), now()), About::User, "{user}");
        }
        singled_out.answered(&of("b"), Some(now()));
        assert!(!singled_out.has(&of("b")) && singled_out.has(&of("a")));
        assert_eq!(singled_out.limited(&of("b"), now()), About::Everybody);
        assert_eq!(singled_out.limited(&of("a"), now()), About::User);
    }

    #[test]
    fn a_lane_whose_neighbours_are_answered_is_turned_away_alone() {
        let unauthorized: fn(&mut SingledOut, &Lane) -> About =
            |singled_out, lane| singled_out.unauthorized(lane, now());
        let limited: fn(&mut SingledOut, &Lane) -> About =
            |singled_out, lane| singled_out.limited(lane, now());
        for notes in [limited, unauthorized] {
            let mut singled_out = SingledOut::default();
            let (bad, good, new) = (lane("a", "1"), lane("a", "2"), lane("a", "3"));
            assert_eq!(notes(&mut singled_out, &bad), About::Everybody);
            singled_out.answered(&good, Some(now()));
            for _ in 0..3 {
                assert_eq!(notes(&mut singled_out, &bad), About::Lane);
                assert!(singled_out.is_alone(&bad) && !singled_out.has(&good));
            }
            assert_eq!(notes(&mut singled_out, &good), About::Everybody);
            singled_out.answered(&new, Some(now()));
            singled_out.answered(&bad, Some(now()));
            assert!(!singled_out.is_alone(&bad));
            assert_eq!(notes(&mut singled_out, &bad), About::Everybody);
        }
    }

    #[test]
    fn a_401_to_lanes_that_were_never_answered_is_about_them_while_others_are() {
        let mut singled_out = SingledOut::default();
        let (good, new) = (lane("a", "good"), |nth: usize| lane("a", &nth.to_string()));
        singled_out.answered(&good, Some(now()));
        for nth in 0..3 * MOST_IN_A_ROW {
            assert_eq!(singled_out.unauthorized(&new(nth), now()), About::Lane);
            if nth % MOST_IN_A_ROW == MOST_IN_A_ROW - 1 {
                singled_out.answered(&good, Some(now()));
            }
        }
        for nth in 100..100 + MOST_IN_A_ROW {
            assert_eq!(singled_out.unauthorized(&new(nth), now()), About::Lane);
        }
        assert_eq!(singled_out.unauthorized(&new(200), now()), About::Many);
        assert_eq!(singled_out.unauthorized(&good, now()), About::Everybody);
        // A rate says nothing of the kind: whoever comes first when it is used up gets it.
        singled_out.answered(&good, Some(now()));
        assert_eq!(singled_out.limited(&new(300), now()), About::Everybody);
    }

    #[test]
    fn a_401_to_users_that_were_never_answered_is_about_them_while_others_are() {
        let mut singled_out = SingledOut::default();
        assert_eq!(
            singled_out.unauthorized(&of("first"), now()),
            About::Everybody
        );
        let new = |nth: usize| of(&nth.to_string());
        for round in 1..=3 {
            singled_out.answered(&of("good"), Some(now()));
            for nth in 0..MOST_IN_A_ROW {
                let about = singled_out.unauthorized(&new(100 * round + nth), now());
                assert_eq!(about, About::User);
            }
            let about = singled_out.unauthorized(&new(100 * round + 50), now());
            assert_eq!(about, About::Many);
        }
        assert!(singled_out.is_alone(&lane("100", "2")), "so are its others");
        assert_eq!(
            singled_out.unauthorized(&of("good"), now()),
            About::Everybody
        );
        // Nobody was answered with the new one.
        singled_out.token_changed();
        assert_eq!(singled_out.unauthorized(&new(900), now()), About::Everybody);
    }

    #[test]
    fn a_lane_is_forbidden_alone_while_others_of_its_user_are_answered() {
        let mut singled_out = SingledOut::default();
        let [bad, good, other] = ["1", "2", "3"].map(|task| lane("a", task));
        assert_eq!(
            singled_out.forbidden(&bad, now()),
            About::User,
            "nobody knows better"
        );
        singled_out.answered(&good, Some(now()));
        assert_eq!(singled_out.forbidden(&bad, now()), About::Lane);
        for task in 10..10 + MOST_IN_A_ROW {
            let new = singled_out.forbidden(&lane("a", &task.to_string()), now());
            assert_eq!(new, About::Lane);
        }
        assert_eq!(singled_out.forbidden(&lane("a", "20"), now()), About::Many);
        // One that was answered may have got a bad row; of two it is the user.
        singled_out.answered(&other, Some(now()));
        assert_eq!(singled_out.forbidden(&good, now()), About::Lane);
        assert_eq!(singled_out.forbidden(&other, now()), About::User);
        assert_eq!(singled_out.forbidden(&other, now()), About::User);
        assert_eq!(singled_out.forbidden(&lane("b", "1"), now()), About::User);
    }

    #[test]
    fn many_in_a_row_are_no_longer_alone() {
        let mut singled_out = SingledOut::default();
        let users = ["a", "b", "c", "d", "e", "f"];
        let about =
            |singled_out: &mut SingledOut| users.map(|user| singled_out.limited(&of(user), now()));
        assert_eq!(about(&mut singled_out), [About::Everybody; 6]);
        singled_out.answered(&of("good"), Some(now()));
        let (one, many) = (About::User, About::Many);
        for _ in 0..2 {
            assert_eq!(about(&mut singled_out), [one, one, one, one, many, many]);
        }
        singled_out.answered(&of("good"), Some(now()));
        assert_eq!(singled_out.limited(&of("f"), now()), one);
    }

    #[test]
    fn who_is_answered_now_and_then_beside_many_others_is_the_one_that_is_limited() {
        for (slow, good, about) in [
            (of("a"), of("b"), About::User),
            (lane("a", "1"), lane("a", "2"), About::Lane),
        ] {
            let mut singled_out = SingledOut::default();
            for nth in 0..9 {
                let found = singled_out.limited(&slow, now());
                let is_surely = singled_out.is_surely_alone(&slow);
                assert_eq!(found == about, nth >= 3, "{nth}: {found:?}");
                assert_eq!(is_surely, nth >= 3, "{nth}");
                singled_out.answered(&slow, Some(now()));
                for _ in 0..8 {
                    singled_out.answered(&good, Some(now()));
                }
            }
        }
    }

    #[test]
    fn who_was_turned_away_alone_once_is_not_surely_so() {
        let mut singled_out = SingledOut::default();
        for surely in [false, false, true, true] {
            singled_out.limited(&of("a"), now());
            assert_eq!(singled_out.is_surely_alone(&of("a")), surely);
            singled_out.answered(&of("good"), Some(now()));
        }
        singled_out.answered(&of("a"), Some(now()));
        assert!(!singled_out.is_surely_alone(&of("a")));
    }

    #[test]
    fn of_many_that_were_never_answered_each_is_limited_alone() {
        for (user, about) in [("", About::User), ("good", About::Lane)] {
            let mut singled_out = SingledOut::default();
            let good = lane("good", "1");
            let new = |nth: usize| match user {
                "" => of(&nth.to_string()),
                user => lane(user, &format!("new-{nth}")),
            };
            singled_out.answered(&good, Some(now()));
            for nth in 0..12 {
                let found = singled_out.limited(&new(nth), now());
                assert_eq!(found == about, nth >= 3, "{nth}: {found:?}");
                assert_eq!(singled_out.is_surely_alone(&new(0)), nth >= 3, "{nth}");
                singled_out.answered(&good, Some(now()));
            }
            assert!(!singled_out.is_surely_alone(&good));
            assert_eq!(singled_out.limited(&good, now()), About::Everybody);
        }
    }

    #[test]
    fn a_new_token_changes_nothing_about_who_is_limited() {
        let mut singled_out = SingledOut::default();
        for _ in 0..2 {
            singled_out.limited(&of("limited"), now());
            singled_out.unauthorized(&of("stranger"), now());
            singled_out.answered(&of("good"), Some(now()));
        }
        assert!(singled_out.is_alone(&of("stranger")));
        singled_out.token_changed();
        assert!(singled_out.is_alone(&of("limited")) && singled_out.has(&of("limited")));
        assert!(!singled_out.is_alone(&of("stranger")) && !singled_out.has(&of("stranger")));
        // If the new one is refused to all, nobody's answers to the old one count.
        for user in ["stranger", "good", "new"] {
            let about = singled_out.unauthorized(&of(user), now());
            assert_eq!(about, About::Everybody, "{user}");
        }
    }

    #[test]
    fn of_too_many_the_older_ones_are_forgotten() {
        let mut singled_out = SingledOut::default();
        for nth in 0..2 * MOST {
            singled_out.limited(&of(&nth.to_string()), now());
            singled_out.answered(&of("good"), Some(now()));
        }
        assert!(singled_out.users.len() <= MOST && singled_out.lanes.len() <= MOST);
        assert!(singled_out.has(&of(&(2 * MOST - 1).to_string())));
    }
}
