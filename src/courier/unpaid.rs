//! The unpaid: lanes that have failed, may send now, and wait for their budget to pay for that. Pure.
//!
//! They are no part of the queue, for they cannot send yet, however many they are. Whenever a budget has
//! something, it pays for one of them, whose turn it is; that one then waits for a place like others.

use std::collections::HashMap;

use tokio::time::Instant;

use super::limits::Budget;
use super::rotation::Rotation;
use super::turns::Turns;
use crate::contact::Lane;
use crate::platform::verdict::WaitReason;

/// At most so many lanes wait for a budget. The searches find others again.
const MOST: usize = 50_000;

/// After so many lanes in a row that may not start, all of their line are asked at once: to take out the
/// next one costs a look at all of its user.
const MOST_MISSES: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Unpaid {
    retries: Line,
    probes: Line,
    turns: Turns,
    /// Lanes in the queue that were paid for, and by which budget.
    paid: HashMap<Lane, Budget>,
}

/// The lanes that wait for one budget.
#[derive(Debug, Default)]
struct Line {
    lanes: Rotation,
    /// Why each of them waits.
    reasons: HashMap<Lane, WaitReason>,
    /// When the budget has something again.
    ask_at: Option<Instant>,
}

impl Unpaid {
    /// Lets a lane that has failed for this reason wait for this budget.
    pub(super) fn put(&mut self, lane: Lane, reason: WaitReason, budget: Budget) {
        if self.line(budget).lanes.len() < MOST {
            self.turns.begins_to_wait(&lane);
            let waiting = self.line_mut(budget);
            waiting.reasons.insert(lane.clone(), reason);
            waiting.lanes.put(lane);
        }
    }

    pub(super) fn has(&self, lane: &Lane) -> bool {
        self.retries.lanes.has(lane) || self.probes.lanes.has(lane)
    }

    /// Whether nobody waits for this budget.
    pub(super) fn is_empty(&self, budget: Budget) -> bool {
        self.line(budget).lanes.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.retries.lanes.iter().chain(self.probes.lanes.iter())
    }

    /// Notes that the budget is empty until then.
    pub(super) fn ask_at(&mut self, budget: Budget, then: Instant) {
        self.line_mut(budget).ask_at = Some(then);
    }

    /// Returns when this budget has something again, if somebody waits for it.
    pub(super) fn next_of(&self, budget: Budget) -> Option<Instant> {
        let line = self.line(budget);
        line.ask_at.filter(|_| !line.lanes.is_empty())
    }

    /// Returns when a budget that somebody waits for has something again.
    pub(super) fn next(&self) -> Option<Instant> {
        let budgets = [Budget::Retries, Budget::Probes].into_iter();
        budgets.filter_map(|budget| self.next_of(budget)).min()
    }

    /// Has this budget pay for the lane whose turn it is, of those that may start; others leave, for the
    /// searches to find them again.
    pub(super) fn pay(
        &mut self,
        budget: Budget,
        may_start: impl Fn(&Lane) -> bool,
    ) -> Option<Lane> {
        let line = match budget {
            Budget::Retries => &mut self.retries,
            Budget::Probes => &mut self.probes,
        };
        let mut misses = 0;
        while let Some(lane) = line.lanes.next(&self.turns, |_| 0) {
            line.reasons.remove(&lane);
            if may_start(&lane) {
                self.turns.note(&lane);
                self.paid.insert(lane.clone(), budget);
                return Some(lane);
            }
            misses += 1;
            if misses == MOST_MISSES {
                line.take_out(|lane, _| !may_start(lane));
            }
        }
        None
    }

    /// Whether the lane was paid for and has not begun.
    pub(super) fn is_paid(&self, lane: &Lane) -> bool {
        self.paid.contains_key(lane)
    }

    /// How many lanes were paid for and have not begun.
    pub(super) fn paid(&self) -> usize {
        self.paid.len()
    }

    /// Forgets that lanes were paid for which do not wait for a place any more. Returns the budgets that get
    /// their payments back.
    pub(super) fn forget_paid(&mut self, waits: impl Fn(&Lane) -> bool) -> Vec<Budget> {
        let unused = self.paid.extract_if(|lane, _| !waits(lane));
        unused.map(|(_, budget)| budget).collect()
    }

    /// Takes what was paid for a lane. Returns the budget that has paid, if one has.
    pub(super) fn take_paid(&mut self, lane: &Lane) -> Option<Budget> {
        self.paid.remove(lane)
    }

    /// Takes out the lanes for which this holds: they need no budget any more.
    pub(super) fn take_out(&mut self, holds: impl Fn(&Lane, WaitReason) -> bool) -> Vec<Lane> {
        let lines = [&mut self.retries, &mut self.probes].into_iter();
        lines.flat_map(|line| line.take_out(&holds)).collect()
    }

    fn line(&self, budget: Budget) -> &Line {
        match budget {
            Budget::Retries => &self.retries,
            Budget::Probes => &self.probes,
        }
    }

    fn line_mut(&mut self, budget: Budget) -> &mut Line {
        match budget {
            Budget::Retries => &mut self.retries,
            Budget::Probes => &mut self.probes,
        }
    }
}

impl Line {
    /// Takes out the lanes for which this holds.
    fn take_out(&mut self, holds: impl Fn(&Lane, WaitReason) -> bool) -> Vec<Lane> {
        let (mut out, mut stay) = (Vec::new(), Vec::new());
        for lane in std::mem::take(&mut self.lanes).into_lanes() {
            let reason = self.reasons.get(&lane);
            if reason.is_none_or(|reason| holds(&lane, *reason)) {
                self.reasons.remove(&lane);
                out.push(lane);
            } else {
                stay.push(lane);
            }
        }
        self.lanes = stay.into_iter().collect();
        out
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lane(user: &str, task: usize) -> Lane {
        Lane::new(user, &task.to_string()).unwrap()
    }

    fn put(unpaid: &mut Unpaid, lane: Lane, budget: Budget) {
        unpaid.put(lane, WaitReason::NotFound, budget);
    }

    fn pays(unpaid: &mut Unpaid, times: usize) -> Vec<String> {
        let lanes = (0..times).filter_map(|_| unpaid.pay(Budget::Probes, |_| true));
        lanes.map(|lane| lane.to_string()).collect()
    }

    #[test]
    fn one_wakes_for_each_that_a_budget_pays_for_and_users_take_turns() {
        let mut unpaid = Unpaid::default();
        for task in 0..3 {
            put(&mut unpaid, lane("many", task), Budget::Probes);
        }
        put(&mut unpaid, lane("one", 0), Budget::Probes);
        put(&mut unpaid, lane("other", 0), Budget::Retries);
        assert_eq!(pays(&mut unpaid, 2), ["many/0", "one/0"]);
        put(&mut unpaid, lane("one", 0), Budget::Probes);
        assert_eq!(pays(&mut unpaid, 9), ["many/1", "one/0", "many/2"]);
        assert!(unpaid.is_empty(Budget::Probes) && !unpaid.is_empty(Budget::Retries));
        assert!(unpaid.has(&lane("other", 0)) && !unpaid.has(&lane("one", 0)));
    }

    #[test]
    fn who_may_not_start_costs_nothing_and_holds_up_nobody() {
        let mut unpaid = Unpaid::default();
        for user in ["shut", "open", "last"] {
            put(&mut unpaid, lane(user, 0), Budget::Retries);
        }
        let paid = unpaid.pay(Budget::Retries, |lane| lane.user_id() != "shut");
        assert_eq!(paid, Some(lane("open", 0)));
        assert!(!unpaid.has(&lane("shut", 0)) && unpaid.has(&lane("last", 0)));
        assert_eq!(unpaid.paid(), 1);
        let mut taken = |user| unpaid.take_paid(&lane(user, 0));
        assert_eq!(taken("open"), Some(Budget::Retries));
        assert_eq!((taken("open"), taken("shut")), (None, None));
    }

    #[test]
    fn many_who_may_not_start_leave_together_and_cost_nothing() {
        let mut unpaid = Unpaid::default();
        for task in 0..3 * MOST_MISSES {
            put(&mut unpaid, lane("shut", task), Budget::Retries);
        }
        assert_eq!(unpaid.pay(Budget::Retries, |_| false), None);
        assert!(unpaid.is_empty(Budget::Retries) && unpaid.paid() == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_instant_is_that_of_a_budget_for_which_somebody_waits() {
        let (mut unpaid, now) = (Unpaid::default(), Instant::now());
        unpaid.ask_at(Budget::Probes, now + SECOND);
        assert_eq!(unpaid.next(), None);
        put(&mut unpaid, lane("a", 0), Budget::Probes);
        unpaid.ask_at(Budget::Retries, now);
        assert_eq!(unpaid.next(), Some(now + SECOND));
    }

    #[test]
    fn who_needs_no_budget_any_more_leaves_and_the_others_keep_their_order() {
        let mut unpaid = Unpaid::default();
        for user in ["a", "b", "c"] {
            put(&mut unpaid, lane(user, 0), Budget::Probes);
        }
        unpaid.put(lane("d", 0), WaitReason::Forbidden, Budget::Probes);
        let forbidden = unpaid.take_out(|_, reason| reason == WaitReason::Forbidden);
        assert_eq!(forbidden, [lane("d", 0)]);
        let out = unpaid.take_out(|lane, _| lane.user_id() == "b");
        assert_eq!(out, [lane("b", 0)]);
        assert_eq!(pays(&mut unpaid, 9), ["a/0", "c/0"]);
    }

    #[test]
    fn what_was_paid_for_lanes_that_do_not_wait_any_more_goes_back() {
        let mut unpaid = Unpaid::default();
        for user in ["a", "b", "c"] {
            put(&mut unpaid, lane(user, 0), Budget::Probes);
        }
        assert_eq!(pays(&mut unpaid, 9), ["a/0", "b/0", "c/0"]);
        let back = unpaid.forget_paid(|lane| lane.user_id() == "c");
        assert_eq!(back, [Budget::Probes, Budget::Probes]);
        assert_eq!(unpaid.paid(), 1);
        assert_eq!(unpaid.forget_paid(|lane| lane.user_id() == "c"), []);
    }
}
