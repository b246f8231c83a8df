//! Users that the platform turns away alone.
//!
//! A 401 or 429 is about everybody, until the platform has answered another user in between: then it
//! is about the user who gets it again. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::older_half::forget_older_half;

/// At most so many users are remembered as turned away.
const MOST_USERS: usize = 10_000;

/// After so many in a row without an answer to anybody, the next one is about everybody again.
const MOST_IN_A_ROW: u32 = 4;

#[derive(Debug, Default)]
pub(super) struct SingledOut {
    /// How often the platform has answered somebody else than with these two.
    answers: u64,
    /// Users whose last answer was one of these two, and how many answers there were before it.
    turned_away: HashMap<Arc<str>, u64>,
    /// How many were about one user alone since the last answer.
    in_a_row: u32,
}

impl SingledOut {
    /// Notes that the user was turned away. Returns whether this is about the user alone.
    pub(super) fn turned_away(&mut self, user: &str) -> bool {
        if self.turned_away.len() >= MOST_USERS && !self.has(user) {
            forget_older_half(&mut self.turned_away, |before| *before);
        }
        let before = self.turned_away.insert(user.into(), self.answers);
        let is_alone =
            before.is_some_and(|before| before < self.answers) && self.in_a_row < MOST_IN_A_ROW;
        self.in_a_row += u32::from(is_alone);
        is_alone
    }

    /// Notes that the platform has answered the user. `is_news`: nobody was told to wait when it did.
    pub(super) fn answered(&mut self, user: &str, is_news: bool) {
        self.turned_away.remove(user);
        if is_news {
            self.answers += 1;
            self.in_a_row = 0;
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
        assert!(!singled_out.turned_away("a") && !singled_out.turned_away("b"));
        assert!(!singled_out.turned_away("a"), "nobody was answered");
        singled_out.answered("c", false);
        assert!(!singled_out.turned_away("a"), "it was under way");
        singled_out.answered("c", true);
        assert!(singled_out.turned_away("a") && singled_out.turned_away("b"));
        assert!(!singled_out.turned_away("a"), "nobody since");
        singled_out.answered("b", true);
        assert!(!singled_out.has("b") && !singled_out.turned_away("b"));
        assert!(singled_out.has("a") && singled_out.turned_away("a"));
    }

    #[test]
    fn many_in_a_row_are_no_longer_alone() {
        let mut singled_out = SingledOut::default();
        let users = ["a", "b", "c", "d", "e", "f"];
        let alone = |all: &mut SingledOut| users.iter().filter(|u| all.turned_away(u)).count();
        assert_eq!(alone(&mut singled_out), 0);
        singled_out.answered("good", true);
        assert_eq!(alone(&mut singled_out), 4);
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
