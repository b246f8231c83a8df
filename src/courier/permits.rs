//! Permits: they limit the requests under way at once, and are given out in turns.
//!
//! Turns go round by user first and then by lane, so that a user with many lanes does not hold up
//! another user's only lane. Lanes whose requests hang get no more than a share of the permits, and
//! unknown lanes leave some to lanes that are known to answer. While many requests of unknown lanes
//! hang, every second permit goes to a lane that is known to answer, if one waits.

mod health;
mod turns;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use self::health::Health;
use self::turns::Turns;
use crate::contact::Lane;
use crate::lock::lock;

/// After many requests have hung, others may hang, too, for this many times the patience.
const WARY: u32 = 3;

/// One permit for each request that may be under way.
#[derive(Clone, Debug)]
pub(super) struct Permits(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// The wanted number of permits.
    size: usize,
    in_use: usize,
    /// Permits in use by slow lanes.
    slow_in_use: usize,
    /// Permits in use by lanes that are not known to answer, including slow ones.
    unknown_in_use: usize,
    /// When the requests under way of unknown lanes went out, in order.
    unknown_out: Vec<Instant>,
    /// When such a request last ended while many hung.
    last_hang: Option<Instant>,
    /// Permits whose requests wait for the journal or the rate.
    waiting_inside: usize,
    /// The most permits whose requests may wait there.
    room_inside: usize,
    health: Health,
    turns: Turns<oneshot::Sender<Permit>>,
    /// Whether the last permit went to a lane that is known to answer.
    was_well: bool,
}

/// The right to have one request under way.
#[derive(Debug)]
pub(super) struct Permit {
    permits: Permits,
    is_slow: bool,
    is_unknown: bool,
    /// When its request went out, if nothing is known of the lane.
    unknown_out: Option<Instant>,
    /// Whether its request has not gone out yet.
    waits_inside: bool,
}

impl Permits {
    pub(super) fn new(size: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            size,
            in_use: 0,
            slow_in_use: 0,
            unknown_in_use: 0,
            unknown_out: Vec::new(),
            last_hang: None,
            waiting_inside: 0,
            room_inside: size,
            health: Health::default(),
            turns: Turns::default(),
            was_well: false,
        })))
    }

    /// Waits for the lane's turn. At most `room` permits are held by requests that have not gone
    /// out: they go in the order of their permits, so a long line of them would hold up every later
    /// one.
    pub(super) async fn acquire(&self, lane: &Lane, room: usize) -> Option<Permit> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = lock(&self.0);
            state.room_inside = room.max(1);
            state.turns.wait(lane, sender);
        }
        self.give();
        // The sender is kept until it is used.
        receiver.await.ok()
    }

    /// Changes the number of permits. Requests under way go on, even if they are too many.
    pub(super) fn resize(&self, size: usize) {
        lock(&self.0).size = size;
        self.give();
    }

    /// Whether more requests want to go than may go.
    pub(super) fn are_short(&self) -> bool {
        let state = lock(&self.0);
        !state.turns.is_empty() || state.in_use >= state.size || state.waiting_inside > 1
    }

    /// Notes how long a request of the lane took, and whether it had an answer.
    pub(super) fn note(&self, lane: &Lane, took: Duration, answered: bool) {
        lock(&self.0).health.note(lane, took, answered);
    }

    /// Whether the last request of the lane had an answer in time.
    pub(super) fn is_well(&self, lane: &Lane) -> bool {
        lock(&self.0).health.is_well(lane)
    }

    /// Whether the last request of the lane hung.
    pub(super) fn is_slow(&self, lane: &Lane) -> bool {
        lock(&self.0).health.is_slow(lane)
    }

    /// Whether many requests of unknown lanes hang, or lately hung: others may hang, too. Lanes
    /// that are known to hang do not count: they have their share, and hold up nobody.
    pub(super) fn many_hang(&self) -> bool {
        lock(&self.0).many_hang()
    }

    /// Gives out the free permits.
    fn give(&self) {
        while let Some((waiter, permit)) = self.next() {
            // A waiter that has gone drops the permit, which gives it back.
            drop(waiter.send(permit));
        }
    }

    fn next(&self) -> Option<(oneshot::Sender<Permit>, Permit)> {
        let mut state = lock(&self.0);
        let state = &mut *state;
        if state.in_use >= state.size || state.waiting_inside >= state.room_inside {
            return None;
        }
        let slow_may_go = state.slow_in_use < slow_share(state.size);
        let unknown_may_go = state.unknown_in_use < state.size - reserve(state.size);
        let many_hang = state.many_hang();
        let health = &state.health;
        let well = |lane: &Lane| health.is_well(lane);
        let others = |lane: &Lane| unknown_may_go && (slow_may_go || !health.is_slow(lane));
        // While many hang, every second permit goes to a lane that answers, however many others
        // wait.
        let first = if state.was_well || !many_hang {
            None
        } else {
            state.turns.next(well)
        };
        let next = first.or_else(|| state.turns.next(|lane| well(lane) || others(lane)));
        let (lane, waiter) = next?;
        let is_slow = state.health.is_slow(&lane);
        let is_unknown = !state.health.is_well(&lane);
        state.was_well = !is_unknown;
        state.in_use += 1;
        state.waiting_inside += 1;
        state.slow_in_use += usize::from(is_slow);
        state.unknown_in_use += usize::from(is_unknown);
        let permit = Permit {
            permits: self.clone(),
            is_slow,
            is_unknown,
            unknown_out: None,
            waits_inside: true,
        };
        Some((waiter, permit))
    }
}

impl State {
    fn many_hang(&self) -> bool {
        let wary_for = self.health.patience() * WARY;
        let lately = |ended: Instant| ended.elapsed() < wary_for;
        self.many_hang_now() || self.last_hang.is_some_and(lately)
    }

    /// Whether enough requests hang to matter: as many as slow lanes may have, and at least two.
    fn many_hang_now(&self) -> bool {
        let many = slow_share(self.size).max(2).min(self.size.max(1));
        let last_of_many = self.unknown_out.get(many - 1);
        last_of_many.is_some_and(|since| since.elapsed() > self.health.patience())
    }
}

/// Returns how many permits slow lanes may have together.
pub(super) fn slow_share(size: usize) -> usize {
    (size / 4).max(1)
}

/// Returns how many permits are kept for lanes that are known to answer.
fn reserve(size: usize) -> usize {
    size / 8
}

impl Permit {
    /// Notes that the request goes out now.
    pub(super) fn goes_out(&mut self) {
        if self.waits_inside {
            self.waits_inside = false;
            {
                let mut state = lock(&self.permits.0);
                state.waiting_inside -= 1;
                if self.is_unknown && !self.is_slow {
                    let now = Instant::now();
                    state.unknown_out.push(now);
                    self.unknown_out = Some(now);
                }
            }
            self.permits.give();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.permits.0);
            state.in_use -= 1;
            state.slow_in_use -= usize::from(self.is_slow);
            state.unknown_in_use -= usize::from(self.is_unknown);
            let mut out = state.unknown_out.iter();
            if let Some(nth) = out.position(|since| Some(*since) == self.unknown_out) {
                if state.many_hang_now() {
                    state.last_hang = Some(Instant::now());
                }
                state.unknown_out.remove(nth);
            }
            state.waiting_inside -= usize::from(self.waits_inside);
        }
        self.permits.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, timeout};

    fn lane(user: &str, task: &str) -> Lane {
        Lane::new(user, task).unwrap()
    }

    async fn all(permits: &Permits) -> Vec<Permit> {
        let mut taken = Vec::new();
        let lane = lane("u", "t");
        while let Ok(Some(permit)) =
            timeout(Duration::ZERO, permits.acquire(&lane, usize::MAX)).await
        {
            taken.push(permit);
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn those_under_way_go_out_of_use_when_they_come_back() {
        let permits = Permits::new(5);
        let mut taken = all(&permits).await;
        assert_eq!(taken.len(), 5);
        permits.resize(2);
        taken.truncate(2);
        assert_eq!(all(&permits).await.len(), 0, "three were too many");
        taken.truncate(1);
        assert_eq!(all(&permits).await.len(), 1);
        drop(taken);
        assert_eq!(all(&permits).await.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_one_when_there_are_more() {
        let permits = Permits::new(1);
        let taken = all(&permits).await;
        let lane = lane("u", "t");
        let (second, ()) = tokio::join!(permits.acquire(&lane, 8), async { permits.resize(2) });
        drop((taken, second));
        assert_eq!(all(&permits).await.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn shrinking_and_growing_again_while_all_are_under_way_changes_nothing() {
        let permits = Permits::new(4);
        let taken = all(&permits).await;
        permits.resize(1);
        permits.resize(3);
        drop(taken);
        assert_eq!(all(&permits).await.len(), 3);
        permits.resize(6);
        assert_eq!(all(&permits).await.len(), 6);
    }

    /// Returns the order in which lanes get the only permit if they ask for it in this order.
    async fn order_of(permits: &Permits, lanes: &[(&str, &str)]) -> Vec<String> {
        let first = permits.acquire(&lane("first", "t"), 8).await;
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        for (user, task) in lanes {
            let (permits, sender, lane) = (permits.clone(), sender.clone(), lane(user, task));
            tokio::spawn(async move {
                let permit = permits.acquire(&lane, 8).await;
                sender.send(lane.to_string()).unwrap();
                drop(permit);
            });
            tokio::task::yield_now().await;
        }
        drop((first, sender));
        let mut came = Vec::new();
        while let Some(lane) = order.recv().await {
            came.push(lane);
        }
        came
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_with_many_lanes_does_not_hold_up_another() {
        let asks = [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1")];
        let came = order_of(&Permits::new(1), &asks).await;
        assert_eq!(came, ["a/1", "b/1", "a/2", "a/3"]);
    }

    #[tokio::test(start_paused = true)]
    async fn while_many_hang_every_second_permit_is_for_a_lane_that_answers() {
        let permits = Permits::new(3);
        let mut hanging = Vec::new();
        for task in ["t", "t2"] {
            hanging.extend(permits.acquire(&lane("new", task), 8).await);
        }
        hanging.iter_mut().for_each(Permit::goes_out);
        for task in ["1", "2", "3"] {
            permits.note(&lane("well", task), Duration::from_millis(1), true);
        }
        let asks = [
            ("new1", "t"),
            ("new2", "t"),
            ("new3", "t"),
            ("well", "1"),
            ("well", "2"),
            ("well", "3"),
        ];
        let in_turns = ["new1/t", "new2/t", "new3/t", "well/1", "well/2", "well/3"];
        assert_eq!(order_of(&permits, &asks).await, in_turns);
        advance(Duration::from_secs(3)).await;
        assert!(permits.many_hang());
        let alternating = ["well/1", "new1/t", "well/2", "new2/t", "well/3", "new3/t"];
        assert_eq!(order_of(&permits, &asks).await, alternating);
        permits.note(&lane("new", "t"), Duration::from_secs(30), false);
        drop(hanging);
        assert!(permits.many_hang(), "the next ones may, too");
        advance(Duration::from_secs(15)).await;
        assert!(!permits.many_hang());
        let mut slow = permits.acquire(&lane("new", "t"), 8).await.unwrap();
        slow.goes_out();
        let unknown_out = lock(&permits.0).unknown_out.len();
        assert_eq!(unknown_out, 0, "it is known to hang, and has its share");
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_that_hang_have_a_share_of_the_permits() {
        let permits = Permits::new(8);
        for task in ["1", "2", "3"] {
            permits.note(&lane("h", task), Duration::from_secs(30), false);
        }
        let mut taken = Vec::new();
        for task in ["1", "2", "3"] {
            let lane = lane("h", task);
            taken.push(timeout(Duration::ZERO, permits.acquire(&lane, 8)).await);
        }
        assert_eq!(taken.iter().filter(|permit| permit.is_ok()).count(), 2);
        permits.note(&lane("u", "t"), Duration::from_millis(1), true);
        assert_eq!(all(&permits).await.len(), 6, "the others' are left");
        permits.note(&lane("h", "3"), Duration::from_millis(1), true);
        let lane = lane("h", "3");
        let well = timeout(Duration::ZERO, permits.acquire(&lane, 8)).await;
        assert!(well.is_ok(), "an answer makes it a lane like others");
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_of_which_nothing_is_known_leave_a_permit_to_those_that_answer() {
        let permits = Permits::new(8);
        let unknown = all(&permits).await;
        assert_eq!(unknown.len(), 7);
        permits.note(&lane("u", "t"), Duration::from_millis(1), true);
        assert_eq!(all(&permits).await.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn few_wait_inside_for_the_rate() {
        let permits = Permits::new(8);
        let lane = lane("u", "t");
        let mut first = permits.acquire(&lane, 2).await.unwrap();
        let _second = permits.acquire(&lane, 2).await.unwrap();
        assert!(
            timeout(Duration::ZERO, permits.acquire(&lane, 2))
                .await
                .is_err()
        );
        first.goes_out();
        assert!(
            timeout(Duration::ZERO, permits.acquire(&lane, 2))
                .await
                .is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn they_are_short_while_none_is_free_or_some_wait_inside_for_the_rate() {
        let permits = Permits::new(4);
        let lane = lane("u", "t");
        assert!(!permits.are_short());
        let mut first = permits.acquire(&lane, 8).await.unwrap();
        assert!(!permits.are_short(), "it is about to go out");
        let mut second = permits.acquire(&lane, 8).await.unwrap();
        assert!(permits.are_short(), "two wait for the rate");
        first.goes_out();
        second.goes_out();
        assert!(!permits.are_short());
        permits.resize(2);
        assert!(permits.are_short(), "all are under way");
        permits.resize(3);
        assert!(!permits.are_short());
        let third = permits.acquire(&lane, 1).await.unwrap();
        let mut waits = Box::pin(permits.acquire(&lane, 1));
        drop((first, second));
        assert!(timeout(Duration::ZERO, &mut waits).await.is_err());
        assert!(permits.are_short(), "one is in line");
        drop((waits, third));
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_given_to_whoever_has_left_comes_back() {
        let permits = Permits::new(1);
        let taken = all(&permits).await;
        let lane = lane("u", "t");
        let mut waits = Box::pin(permits.acquire(&lane, 8));
        assert!(timeout(Duration::ZERO, &mut waits).await.is_err());
        drop(taken);
        drop(waits);
        assert_eq!(all(&permits).await.len(), 1);
    }
}
