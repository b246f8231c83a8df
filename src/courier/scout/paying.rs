//! How the first requests of lanes that have failed are paid for.

use std::time::Duration;

use tokio::time::Instant;

use super::Scout;
use crate::contact::Lane;
use crate::courier::context::Context;
use crate::courier::lane::BRIEF;
use crate::courier::limits::Budget;
use crate::courier::overtaken::waits_for_a_token;
use crate::outbox::{LaneFound, LeasedLane, OrderScope};
use crate::platform::verdict::WaitReason;

/// While as many lanes as there are places were paid for and have not begun, no more are. The next look is
/// after so long.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

impl Scout {
    /// Lets the lanes wait for their budget that need one. Returns the others.
    pub(super) fn split_off_unpaid(&mut self, mut lanes: Vec<Lane>) -> Vec<Lane> {
        lanes.retain(|lane| {
            let Some((reason, budget)) =
                needed(&self.context, lane, self.context.notes.waits_for(lane))
            else {
                return true;
            };
            let is_paid = self.unpaid.is_paid(lane);
            if !is_paid {
                self.unpaid.put(lane.clone(), reason, budget);
            }
            is_paid
        });
        lanes
    }

    /// The same for lanes that a search has found: of some, only the database knows that they wait.
    pub(super) fn split_off_held(&mut self, found: Vec<LaneFound>) -> Vec<Lane> {
        let mut others = Vec::new();
        for LaneFound {
            lane, held_because, ..
        } in found
        {
            match needed(&self.context, &lane, held_because.as_deref()) {
                Some((reason, budget)) if !self.unpaid.is_paid(&lane) => {
                    // Nobody but `run --once` waits for it, and only the first time.
                    if !self.tells && self.context.notes.waits_for(&lane).is_none() {
                        self.rests.begins_briefly(lane.clone(), Instant::now());
                    }
                    self.unpaid.put(lane, reason, budget);
                }
                _ => others.push(lane),
            }
        }
        self.split_off_unpaid(others)
    }

    /// Has the budgets pay for as many lanes as they can, which then wait for a place.
    pub(super) fn pay_those_who_wait(&mut self) {
        self.give_back_unused();
        let (places, now) = (self.context.places(), Instant::now());
        let mut unpaid = std::mem::take(&mut self.unpaid);
        let mut paid = Vec::new();
        for budget in [Budget::Retries, Budget::Probes] {
            while !unpaid.is_empty(budget) {
                let pays = if unpaid.paid() < places {
                    self.context.limiter.pay(budget)
                } else {
                    Err(now + LOOK_AGAIN)
                };
                if let Err(later) = pays {
                    unpaid.ask_at(budget, later);
                    break;
                }
                match unpaid.pay(budget, |lane| self.may_start(lane)) {
                    Some(lane) => paid.push(lane),
                    None => self.context.limiter.give_back(budget),
                }
            }
        }
        // Nobody but `run --once` waits for them.
        if !self.tells
            && let Some(later) = unpaid.next()
        {
            for lane in unpaid.iter() {
                self.rests.goes_on(lane, later);
            }
        }
        self.unpaid = unpaid;
        self.found(paid);
    }

    /// Gives back what was paid for lanes that do not wait for a place any more.
    pub(super) fn give_back_unused(&mut self) {
        for budget in self.unpaid.forget_paid(|lane| self.queue.has(lane)) {
            self.context.limiter.give_back(budget);
        }
    }

    /// Lets the lanes wait for a place that waited for another token: they need no budget any more.
    pub(super) fn take_refused_out_of_unpaid(&mut self) {
        let free = self.unpaid.take_out(|_, reason| waits_for_a_token(reason));
        self.found(free);
    }

    /// The same for lanes that operators have ordered to be tried.
    pub(super) fn take_resumed_out_of_unpaid(&mut self, resumed: &[OrderScope]) {
        let is_resumed = |lane: &Lane| resumed.iter().any(|scope| scope.covers(lane));
        let free = self.unpaid.take_out(|lane, _| is_resumed(lane));
        self.found(free);
    }

    /// Pays for the first request of a lane that waits for this reason. Returns the budget that has paid, if
    /// it cost something; `Err`: the budget is empty until then, and the lane waits for it.
    pub(super) fn pay(
        &mut self,
        lane: &Lane,
        waits_for: Option<&str>,
    ) -> Result<Option<Budget>, Instant> {
        let Some((reason, budget)) = needed(&self.context, lane, waits_for) else {
            return Ok(None);
        };
        if let Some(paid) = self.unpaid.take_paid(lane) {
            return Ok(Some(paid));
        }
        // Whoever waits already comes first.
        let paid = match self.unpaid.next_of(budget) {
            Some(later) => Err(later),
            None => self.context.limiter.pay(budget),
        };
        paid.map(|()| Some(budget)).inspect_err(|later| {
            self.rests.goes_on(lane, *later);
            self.unpaid.put(lane.clone(), reason, budget);
            self.unpaid.ask_at(budget, *later);
        })
    }

    /// The same for a lane of which only the database knew that it waits.
    pub(super) async fn pay_late(
        &mut self,
        leased: &LeasedLane,
    ) -> Result<Option<Budget>, Instant> {
        let (lane, reason) = (&leased.lease.lane, leased.held_because.as_deref());
        let paid = self.pay(lane, reason);
        if let Err(later) = paid {
            // Nobody but `run --once` waits for it, and only the first time.
            if !self.tells && later <= Instant::now() + BRIEF {
                self.rests.begins_briefly(lane.clone(), later);
            }
            if let Some(reason) = reason.and_then(WaitReason::named) {
                self.context.notes.lane_waits(lane, reason.as_str());
            }
            self.context.gates().back(lane);
            // If it cannot be given back now, this courier finds it again as its own.
            self.context.outbox.release(&leased.lease).await.ok();
        }
        paid
    }
}

/// Returns the reason for which a lane waits, and the budget that it needs, if it needs one.
fn needed(context: &Context, lane: &Lane, waits_for: Option<&str>) -> Option<(WaitReason, Budget)> {
    let reason = WaitReason::named(waits_for?)?;
    Some((reason, context.budget(lane, reason.as_str())?))
}
