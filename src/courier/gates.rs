//! Gates: which lanes may not send for now, beyond a single lane's own hold.
//!
//! A refused token stops everybody, and a refused user stops all lanes of that user. The breaker
//! stops one user, or everybody, after failures over several lanes. When its time is up, a gate
//! lets a single request through as a probe; a success opens the gate. While a probe takes long,
//! other probes may go, too. Pure: `now` is an argument.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{self, Breaker, Down};
use super::gate::{Closing, Gate, Standing, asked};
use super::older_half::forget_older_half;
use super::overtaken::{Overtaken, waits_for_a_token};
use super::singled_out::{About, SingledOut};
use crate::contact::Lane;
use crate::outbox::{ClosedGate, OrderScope};
use crate::platform::verdict::{Scope, Wait, WaitReason};

#[cfg(test)]
mod tests;

/// With this many users behind gates, gates whose time is up are forgotten. With this many that were
/// answered, those are forgotten that were answered longest ago.
const MOST_USERS: usize = 10_000;

/// At most this many gates of users are reported.
const MOST_REPORTED: usize = 20;

/// A platform that has answered somebody within so long is there, though it may fail others.
const LATELY: Duration = Duration::from_secs(5);

/// What an answer has closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    /// How long the gate stays closed, for the lane waits as long. `None`: the answer is about the lane
    /// alone.
    pub(super) wait: Option<Duration>,
    pub(super) is_about_everybody: bool,
    /// Whether it is about the lane or its user, unless it is about all, and the gate waits for who finds out.
    pub(super) is_doubted: bool,
    /// Whether it is surely about the lane or its user, though earlier ones seemed to be about everybody.
    pub(super) is_surely_alone: bool,
}

/// All gates of one courier. A missing gate is open.
#[derive(Debug, Default)]
pub(super) struct Gates {
    platform: Option<Gate>,
    users: HashMap<Arc<str>, Gate>,
    breaker: Breaker,
    overtaken: Overtaken,
    singled_out: SingledOut,
    /// When the platform last gave an answer that closed a batch.
    answered_at: Option<Instant>,
    /// Users of whom it has closed a batch, and which answer was the last one to each.
    answered: HashMap<Arc<str>, u64>,
    /// How many answers have closed a batch.
    answers: u64,
}

impl Gates {
    /// Closes the gate that the answer is about.
    pub(super) fn close(
        &mut self,
        lane: &Lane,
        wait: &Wait,
        closing: &Closing<impl Fn(u32) -> Duration>,
        now: Instant,
    ) -> Closed {
        let fails = breaker::counts(wait.reason);
        let down = if fails {
            self.breaker.failed(lane, closing.sent)
        } else {
            None
        };
        if is_answer(wait.reason) {
            self.breaker.answered(lane, now);
        }
        let scope = down.map_or_else(|| wait.reason.scope(), Down::scope);
        match scope {
            Scope::Lane if is_answer(wait.reason) => self.let_through(lane, now),
            Scope::User if !fails => {
                self.platform.take_if(|gate| gate.yields(now));
            }
            _ => {}
        }
        let about = if fails || scope == Scope::Lane {
            About::Everybody
        } else {
            self.turned_away(lane, wait.reason, now)
        };
        let scope = match about {
            About::User => Scope::User,
            About::Lane => Scope::Lane,
            About::Everybody | About::Many => scope,
        };
        let is_doubted = about == About::Many;
        let asked = asked(wait).map(|asked| asked.min(closing.longest));
        let shut = self.shut(scope, lane, wait, closing, is_doubted, now);
        Closed {
            wait: shut.or(asked.filter(|_| about == About::Lane)),
            is_about_everybody: scope == Scope::Platform && about == About::Everybody,
            is_doubted,
            is_surely_alone: self.singled_out.is_surely_alone(lane),
        }
    }

    /// Returns whom a 401, 403 or 429 is about. Of requests that were under way together, the others say the
    /// same as the first.
    fn turned_away(&mut self, lane: &Lane, reason: WaitReason, now: Instant) -> About {
        let is_closed = |gate: &Gate| gate.reason == reason && now < gate.until;
        let closed = self
            .users
            .get(lane.user_id())
            .filter(|gate| is_closed(gate));
        if let Some(gate) = closed {
            return if gate.is_doubted() {
                About::Many
            } else {
                About::User
            };
        }
        let about = match reason {
            WaitReason::Forbidden => self.singled_out.forbidden(lane, now),
            WaitReason::Unauthorized => self.singled_out.unauthorized(lane, now),
            _ => self.singled_out.limited(lane, now),
        };
        let is_tried = |gate: &Gate| gate.reason == reason && gate.is_probe(lane);
        // Who was to find out for others has found the same.
        if about == About::Lane && self.on_the_way(lane).any(is_tried) {
            About::Many
        } else {
            about
        }
    }

    /// Notes that a batch which fails by itself has failed again. The gate of the breaker closes if
    /// the platform now counts as down.
    pub(super) fn failed_alone(
        &mut self,
        lane: &Lane,
        wait: &Wait,
        closing: &Closing<impl Fn(u32) -> Duration>,
        now: Instant,
    ) {
        if !breaker::counts(wait.reason) {
            return;
        }
        if let Some(down) = self.breaker.failed_alone(lane, closing.sent) {
            self.shut(down.scope(), lane, wait, closing, false, now);
        }
    }

    /// Closes the gate of this scope, and returns for how long.
    fn shut(
        &mut self,
        scope: Scope,
        lane: &Lane,
        wait: &Wait,
        closing: &Closing<impl Fn(u32) -> Duration>,
        is_doubted: bool,
        now: Instant,
    ) -> Option<Duration> {
        let gate = match scope {
            Scope::Lane => return None,
            Scope::User => {
                if self.users.len() >= MOST_USERS {
                    self.users.retain(|_, gate| now < gate.until);
                }
                self.users
                    .entry(lane.user_id().into())
                    .or_insert_with(|| Gate::new(wait.reason, now))
            }
            Scope::Platform => self
                .platform
                .get_or_insert_with(|| Gate::new(wait.reason, now)),
        };
        gate.close(lane, wait, closing, is_doubted, now)
    }

    /// Opens the gates in the way of this lane, because the platform has answered it. Returns whether
    /// the token of all, which was refused, is taken again.
    pub(super) fn open(&mut self, lane: &Lane, now: Instant) -> bool {
        let was_refused = self.is_token_refused();
        self.answers += 1;
        if let Some(last) = self.answered.get_mut(lane.user_id()) {
            *last = self.answers;
        } else {
            if self.answered.len() >= MOST_USERS {
                forget_older_half(&mut self.answered, |last| *last);
            }
            self.answered.insert(lane.user_id().into(), self.answers);
        }
        self.let_through(lane, now);
        was_refused && !self.is_token_refused()
    }

    /// Whether nothing is sent for anybody because the token was refused. Those that were refused alone are
    /// refused still when another one is answered.
    fn is_token_refused(&self) -> bool {
        let gate = self.platform.as_ref();
        gate.is_some_and(|gate| gate.reason == WaitReason::Unauthorized && !gate.is_doubted())
    }

    fn let_through(&mut self, lane: &Lane, now: Instant) {
        self.answered_at = Some(now);
        self.breaker.answered(lane, now);
        let is_news = self.on_the_way(lane).all(|gate| gate.yields(now));
        self.singled_out.answered(lane, is_news.then_some(now));
        self.platform.take_if(|gate| gate.yields(now));
        if self
            .users
            .get(lane.user_id())
            .is_some_and(|gate| gate.yields(now))
        {
            self.users.remove(lane.user_id());
        }
    }

    /// Whether the platform has answered any lane since `then`.
    pub(super) fn has_answered_since(&self, then: Instant) -> bool {
        self.answered_at.is_some_and(|at| at > then)
    }

    /// Returns some of the closed gates, the one for everybody first, then the users' from the
    /// oldest on; and how many more there are.
    pub(super) fn report(&self, now: Instant) -> (Vec<ClosedGate>, usize) {
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_by_key(|(_, gate)| gate.since);
        let more = users.len().saturating_sub(MOST_REPORTED);
        let users = users
            .into_iter()
            .map(|(user, gate)| gate.report(Some(user), now));
        let all = self.platform.iter().map(|gate| gate.report(None, now));
        (all.chain(users.take(MOST_REPORTED)).collect(), more)
    }

    /// Returns whether the gate for everybody is closed, and how many gates of users are.
    pub(super) fn closed(&self) -> (bool, usize) {
        (self.platform.is_some(), self.users.len())
    }

    /// Whether the breaker holds requests back, of everybody or of a user.
    pub(super) fn breaker_is_open(&self) -> bool {
        self.platform
            .iter()
            .chain(self.users.values())
            .any(|gate| breaker::counts(gate.reason))
    }

    /// Whether a gate keeps lanes back and lets some of them through.
    pub(super) fn let_some_through(&self) -> bool {
        let mut gates = self.platform.iter().chain(self.users.values());
        gates.any(Gate::lets_well_through)
    }

    /// Whether the lane is a probe; a probe sends one request at a time.
    pub(super) fn probes(&self, lane: &Lane) -> bool {
        self.on_the_way(lane).any(|gate| gate.is_probe(lane))
    }

    /// Lets the gates in the way of these lanes be tried by a request at once.
    pub(super) fn try_now(&mut self, scope: &OrderScope, now: Instant) {
        let users = self.users.iter_mut().filter(|(user, _)| match scope {
            OrderScope::All => true,
            OrderScope::User(one) => user.as_ref() == one,
            OrderScope::Lane(lane) => user.as_ref() == lane.user_id(),
        });
        let users = users.map(|(_, gate)| gate);
        for gate in self.platform.iter_mut().chain(users) {
            gate.try_now(now);
        }
        self.overtaken.by_order(scope, now);
    }

    /// Opens the gates that closed because the old token was refused.
    pub(super) fn token_changed(&mut self, now: Instant) {
        self.overtaken.by_token(now);
        self.singled_out.token_changed();
        self.platform.take_if(|gate| waits_for_a_token(gate.reason));
        self.users.retain(|_, gate| !waits_for_a_token(gate.reason));
    }

    /// Whether an answer to a request that the lane sent at `sent` is out of date: an operator has
    /// ordered a try of the lane since, or the answer is about a token that has changed.
    pub(super) fn have_overtaken(&self, lane: &Lane, reason: WaitReason, sent: Instant) -> bool {
        self.overtaken.has(lane, reason, sent)
    }

    /// Forgets the gates to which no lane comes: nothing waits behind them.
    pub(super) fn forget_left(&mut self, now: Instant) {
        self.platform.take_if(|gate| gate.is_left(now));
        self.users.retain(|_, gate| !gate.is_left(now));
    }

    /// Whether the lane may send now.
    pub(super) fn admits(&self, lane: &Lane, now: Instant) -> bool {
        let standing = self.standing(lane, now);
        self.on_the_way(lane)
            .all(|gate| gate.admits(lane, standing, now))
    }

    /// Whether the lane may send now, or may soon: while the breaker keeps others back, or when nobody may
    /// send, and users take turns in finding out. Where others were turned away alone, those take turns
    /// against whom nothing speaks.
    pub(super) fn admits_soon(&self, lane: &Lane, now: Instant) -> bool {
        let standing = self.standing(lane, now);
        let nothing_speaks_against_it =
            || !self.was_turned_away(lane) && self.singled_out.may_pass(lane);
        let take_turns = |gate: &&Gate| {
            !gate.is_breaker() && (!gate.is_doubted() || nothing_speaks_against_it())
        };
        let platform = self.platform.iter().filter(|gate| !take_turns(gate));
        platform
            .chain(self.users.get(lane.user_id()))
            .all(|gate| gate.admits_soon(lane, standing, now))
    }

    /// Whether the platform has told everybody to wait.
    pub(super) fn say_not_now(&self) -> bool {
        self.not_now().is_some()
    }

    /// Whether one lane may now find out if all still have to wait.
    pub(super) fn want_a_probe(&self, now: Instant) -> bool {
        let gate = self.platform.as_ref().filter(|gate| !gate.is_breaker());
        gate.is_some_and(|gate| gate.wants_a_probe(now))
    }

    /// Returns when the wait of everybody is over.
    pub(super) fn not_now_until(&self) -> Option<Instant> {
        self.not_now().map(|gate| gate.until)
    }

    fn not_now(&self) -> Option<&Gate> {
        self.platform
            .as_ref()
            .filter(|gate| !gate.lets_well_through())
    }

    /// Whether the platform has answered the last request of the lane's user.
    pub(super) fn is_well(&self, lane: &Lane) -> bool {
        let user = lane.user_id();
        !self.breaker.has_failed(user)
            && !self.was_turned_away(lane)
            && self.answered.contains_key(user)
    }

    /// Whether the last request of the lane, or of its user, got a 401 or 429, or the lane's alone a 403.
    pub(super) fn was_turned_away(&self, lane: &Lane) -> bool {
        self.singled_out.has(lane)
    }

    /// Whether the platform turns the lane or its user away, but answers others.
    pub(super) fn is_turned_away_alone(&self, lane: &Lane) -> bool {
        self.singled_out.is_alone(lane)
    }

    /// Whether the 429s of the lane have turned out to be about it or its user.
    pub(super) fn is_surely_alone(&self, lane: &Lane) -> bool {
        self.singled_out.is_surely_alone(lane)
    }

    /// Whether a gate in the way of the lane has closed only because of who was turned away alone.
    fn are_doubted(&self, lane: &Lane) -> bool {
        self.on_the_way(lane).any(Gate::is_doubted)
    }

    fn standing(&self, lane: &Lane, now: Instant) -> Standing {
        if self.breaker.has_failed(lane.user_id()) {
            Standing::Failed
        } else if self.is_well(lane) && (!self.are_doubted(lane) || self.singled_out.may_pass(lane))
        {
            Standing::Well
        } else {
            let lately = |at| now.saturating_duration_since(at) < LATELY;
            Standing::Untried {
                is_answering: self.answered_at.is_some_and(lately),
            }
        }
    }

    /// Whether a gate has closed in the way of the lane since the lane entered.
    pub(super) fn is_shut(&self, lane: &Lane, now: Instant) -> bool {
        self.on_the_way(lane)
            .any(|gate| now < gate.until && !gate.is_probe(lane))
    }

    /// Lets the lane begin, if it may. The lane becomes a probe of each closed gate in its way,
    /// until [`back`](Self::back) is called.
    pub(super) fn enter(&mut self, lane: &Lane, now: Instant) -> bool {
        if !self.admits(lane, now) {
            return false;
        }
        let standing = self.standing(lane, now);
        let user = self.users.get_mut(lane.user_id());
        for gate in self.platform.iter_mut().chain(user) {
            gate.enter(lane, standing, now);
        }
        true
    }

    /// Lets another lane become the probe, because this one has nothing more to send.
    pub(super) fn back(&mut self, lane: &Lane) {
        let user = self.users.get_mut(lane.user_id());
        for gate in self.platform.iter_mut().chain(user) {
            gate.back(lane);
        }
    }

    fn on_the_way(&self, lane: &Lane) -> impl Iterator<Item = &Gate> {
        self.platform.iter().chain(self.users.get(lane.user_id()))
    }
}

/// Whether the platform itself answers so.
fn is_answer(reason: WaitReason) -> bool {
    !reason.runs_out() && !reason.is_before_the_platform()
}
