//! Users that the platform turns away alone.
//!
//! A 401 or 429 is about everybody, until the platform has answered another user in between: then it
//! is about the user who gets it again, and stays so until this user is answered. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::older_half::forget_older_half;

/// At most so many users are remembered as turned away.
const MOST_USERS: usize = 10_000;

/// After so many users in a row without an answer to anybody, the next one may be about everybody again.
const MOST_IN_A_ROW: usize = 4;

/// Whom a 401 or 429 is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Everybody,
    User,
    /// So many users were turned away alone, and nobody was answered meanwhile, that it may be everybody.
    Many,
}

#[derive(Debug, Default)]
pub(super) struct SingledOut {
    /// How often the platform has answered somebody else than with these two.
    answers: u64,
    /// Users whose last answer was one of these two.
    turned_away: HashMap<Arc<str>, Last>,
    /// Those that were turned away alone since the last answer, as far as they count.
    in_a_row: HashSet<Arc<str>>,
}

/// The last time that a user was turned away.
#[derive(Clone, Copy, Debug)]
struct Last {
    /// How many answers there were before.
    before: u64,
    is_alone: bool,
}

impl SingledOut {
    /// Notes that the user was turned away. Returns whom this is about.
    pub(super) fn turned_away(&mut self, user: &str) -> About {
        if self.turned_away.len() >= MOST_USERS && !self.has(user) {
            forget_older_half(&mut self.turned_away, |last| last.before);
        }
        let last = self.turned_away.get(user);
        let is_alone = last.is_some_and(|last| last.is_alone || last.before < self.answers);
        let last = Last {
            before: self.answers,
            is_alone,
        };
        self.turned_away.insert(user.into(), last);
        if !is_alone {
            return About::Everybody;
        }
        if self.in_a_row.len() < MOST_IN_A_ROW {
            self.in_a_row.insert(user.into());
        }
        if self.in_a_row.contains(user) {
            About::User
        } else {
            About::Many
        }
    }

    /// Notes that the platform has answered the user. `is_news`: nobody was told to wait when it did.
    pub(super) fn answered(&mut self, user: &str, is_news: bool) {
        self.turned_away.remove(user);
        if is_news {
            self.answers += 1;
            self.in_a_row.clear();
        }
    }

    /// Whether the user's last answer was one of these two.
    pub(super) fn has(&self, user: &str) -> bool {
        self.turned_away.contains_key(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_again_after_an_answer_to_another_is_so_alone() {
        let mut singled_out = SingledOut::default();
        for user in ["a", "b", "a"] {
            let nobody_was_answered = singled_out.turned_away(user);
            assert_eq!(nobody_was_answered, About::Everybody, "{user}");
        }
        singled_out.answered("c", false);
        let it_was_under_way = singled_out.turned_away("a");
        assert_eq!(it_was_under_way, About::Everybody);
        singled_out.answered("c", true);
        for user in ["a", "b", "a", "a", "a", "a", "b"] {
            assert_eq!(singled_out.turned_away(user), About::User, "{user}");
        }
        singled_out.answered("b", true);
        assert!(!singled_out.has("b") && singled_out.has("a"));
        assert_eq!(singled_out.turned_away("b"), About::Everybody);
        assert_eq!(singled_out.turned_away("a"), About::User);
    }

    #[test]
    fn many_in_a_row_are_no_longer_alone() {
        let mut singled_out = SingledOut::default();
        let users = ["a", "b", "c", "d", "e", "f"];
        let about = |singled_out: &mut SingledOut| users.map(|user| singled_out.turned_away(user));
        assert_eq!(about(&mut singled_out), [About::Everybody; 6]);
        singled_out.answered("good", true);
        let (one, many) = (About::User, About::Many);
        for _ in 0..2 {
            assert_eq!(about(&mut singled_out), [one, one, one, one, many, many]);
        }
        singled_out.answered("good", true);
        assert_eq!(singled_out.turned_away("f"), one);
    }

    #[test]
    fn of_too_many_the_older_ones_are_forgotten() {
        let mut singled_out = SingledOut::default();
        for nth in 0..2 * MOST_USERS {
            singled_out.turned_away(&nth.to_string());
            singled_out.answered("good", true);
        }
        assert!(singled_out.turned_away.len() <= MOST_USERS);
        assert!(singled_out.has(&(2 * MOST_USERS - 1).to_string()));
    }
}
