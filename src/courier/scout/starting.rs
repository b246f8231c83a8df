//! How a lane is paid for, leased and put to work.

use std::sync::Arc;

use tokio::time::Instant;

use super::{COOLING, Scout};
use crate::contact::Lane;
use crate::courier::lane::{BRIEF, LaneAtWork, budget};
use crate::courier::rests::Rest;
use crate::courier::watch::DatabaseWork;
use crate::outbox::{LeasedLane, OutboxError};
use crate::platform::verdict::WaitReason;
use crate::telemetry::event::LaneFailed;

impl Scout {
    /// Leases the lane and puts it to work. Returns `false` if another courier has it, or if it may
    /// not send now.
    pub(super) async fn start(&mut self, lane: &Lane) -> Result<bool, OutboxError> {
        let waits_for = self.context.notes.waits_for(lane);
        let Ok(mut paid) = self.pay(lane, waits_for) else {
            return Ok(false);
        };
        if !self.context.gates().enter(lane, Instant::now()) {
            return Ok(false);
        }
        let asked = Instant::now();
        let leased = self.context.outbox.lease(lane, self.instance).await;
        // Trouble of a single lane is reported for that lane.
        let is_general = |error: &OutboxError| error.is_transient();
        if leased.as_ref().err().is_none_or(is_general) {
            self.tell(DatabaseWork::Lease, asked, &leased);
        }
        let leased = match leased {
            Ok(Some(leased)) => leased,
            not_leased => {
                // A lane that rests briefly may rest a little longer by the database's clock.
                self.context.gates().back(lane);
                return self.not_leased(lane, not_leased.err());
            }
        };
        if !paid && waits_for.is_none() {
            let Ok(pays) = self.pay_late(&leased).await else {
                return Ok(false);
            };
            paid = pays;
        }
        self.put_to_work(leased, paid);
        Ok(true)
    }

    /// Leaves a lane alone that cannot be leased for a reason of its own: it must not stop the
    /// others.
    fn not_leased(&mut self, lane: &Lane, error: Option<OutboxError>) -> Result<bool, OutboxError> {
        match error {
            None => Ok(false),
            // Another courier is writing the lane's row, or an app has locked it.
            Some(OutboxError::Locked(_)) => {
                self.rests.cools(lane.clone(), COOLING);
                Ok(false)
            }
            Some(error) if error.is_transient() => Err(error),
            Some(error) => {
                let text = error.to_string();
                LaneFailed { lane, error: &text }.emit();
                self.rests.cools(lane.clone(), COOLING);
                Ok(false)
            }
        }
    }

    fn put_to_work(&mut self, leased: LeasedLane, paid: bool) {
        let (context, lane) = (Arc::clone(&self.context), leased.lease.lane.clone());
        let news = self.places.take(lane.clone());
        let task = self
            .tasks
            .spawn(async move { LaneAtWork::new(context, leased, news, paid).run().await });
        self.rests.came_back(&lane);
        self.queue.has_turn(&lane);
        self.lanes.insert(task.id(), lane);
        self.context.notes.set_lanes_at_work(self.places.len());
    }

    /// Pays for the first request of a lane that waits for this reason. Returns whether that took
    /// from a budget. Fails if the budget is empty; then the lane rests until the instant returned.
    fn pay(&mut self, lane: &Lane, waits_for: Option<&str>) -> Result<bool, Instant> {
        let Some(budget) = waits_for.and_then(budget) else {
            return Ok(false);
        };
        let paid = self.context.limiter.pay(budget);
        paid.map(|()| true).inspect_err(|later| {
            self.rests.goes_on(lane, *later);
            let rest = Rest {
                until: *later,
                comes_back: true,
                is_idle: false,
            };
            self.rests.begins(lane.clone(), rest);
        })
    }

    /// Pays likewise for a lane whose wait only the database knew.
    async fn pay_late(&mut self, leased: &LeasedLane) -> Result<bool, Instant> {
        let (lane, reason) = (&leased.lease.lane, leased.held_because.as_deref());
        let paid = self.pay(lane, reason);
        if let Err(later) = paid {
            // Only `run --once` waits for the lane, and only the first time.
            if !self.tells && later <= Instant::now() + BRIEF {
                self.rests.begins_briefly(lane.clone(), later);
            }
            if let Some(reason) = reason.and_then(WaitReason::named) {
                self.context.notes.lane_waits(lane, reason.as_str());
            }
            self.context.gates().back(lane);
            // If the lane cannot be given back now, this courier finds it again as its own.
            self.context.outbox.release(&leased.lease).await.ok();
        }
        paid
    }
}
