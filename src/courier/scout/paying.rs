//! How the first requests of lanes that have failed are paid for.

use std::time::Duration;

use tokio::time::Instant;

use super::Scout;
use crate::contact::Lane;
use crate::courier::lane::{BRIEF, budget};
use crate::courier::limits::Budget;
use crate::outbox::LeasedLane;
use crate::platform::verdict::WaitReason;

/// While as many lanes as there are places were paid for and have not begun, no more are. The next look is
/// after so long.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

impl Scout {
    /// Lets the lanes wait for their budget that need one. Returns the others.
    pub(super) fn split_off_unpaid(&mut self, mut lanes: Vec<Lane>) -> Vec<Lane> {
        lanes.retain(|lane| {
            let Some(budget) = self.budget_of(lane) else {
                return true;
            };
            let is_paid = self.unpaid.is_paid(lane);
            if !is_paid {
                self.unpaid.put(lane.clone(), budget);
            }
            is_paid
        });
        lanes
    }

    /// Has the budgets pay for as many lanes as they can, which then wait for a place.
    pub(super) fn pay_those_who_wait(&mut self) {
        let (places, now) = (self.context.places(), Instant::now());
        let mut unpaid = std::mem::take(&mut self.unpaid);
        unpaid.forget_paid(|lane| self.queue.has(lane));
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
                paid.extend(unpaid.pay(budget, |lane| self.may_start(lane)));
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

    /// Lets the lanes wait for a place that need no budget any more, because what they waited for may have
    /// changed.
    pub(super) fn take_out_of_unpaid(&mut self) {
        let mut unpaid = std::mem::take(&mut self.unpaid);
        let free = unpaid.take_out(|lane| self.budget_of(lane).is_none());
        self.unpaid = unpaid;
        self.found(free);
    }

    fn budget_of(&self, lane: &Lane) -> Option<Budget> {
        self.context.notes.waits_for(lane).and_then(budget)
    }

    /// Pays for the first request of a lane that waits for this reason. Returns whether it cost
    /// something; `Err`: the budget is empty until then, and the lane waits for it.
    pub(super) fn pay(&mut self, lane: &Lane, waits_for: Option<&str>) -> Result<bool, Instant> {
        let Some(budget) = waits_for.and_then(budget) else {
            return Ok(false);
        };
        if self.unpaid.take_paid(lane) {
            return Ok(true);
        }
        // Whoever waits already comes first.
        let paid = match self.unpaid.next_of(budget) {
            Some(later) => Err(later),
            None => self.context.limiter.pay(budget),
        };
        paid.map(|()| true).inspect_err(|later| {
            self.rests.goes_on(lane, *later);
            self.unpaid.put(lane.clone(), budget);
            self.unpaid.ask_at(budget, *later);
        })
    }

    /// The same for a lane of which only the database knew that it waits.
    pub(super) async fn pay_late(&mut self, leased: &LeasedLane) -> Result<bool, Instant> {
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
