//! How a lane is leased and put to work.

use std::sync::Arc;

use tokio::time::Instant;

use super::{COOLING, LOCKED, Scout};
use crate::contact::Lane;
use crate::courier::lane::LaneAtWork;
use crate::courier::watch::DatabaseWork;
use crate::outbox::{LeasedLane, OutboxError};
use crate::telemetry::event::LaneFailed;

impl Scout {
    /// Leases the lane and puts it to work. Returns `false` if another courier has it, or if it may
    /// not send now.
    pub(super) async fn start(&mut self, lane: &Lane) -> Result<bool, OutboxError> {
        let waits_for = self.context.notes.waits_for(lane);
        let Ok(mut paid) = self.pay(lane, waits_for) else {
            return Ok(false);
        };
        let leased = match self.lease(lane).await {
            Ok(Some(leased)) => leased,
            not_leased => {
                if let Some(budget) = paid {
                    self.context.limiter.give_back(budget);
                }
                return self.not_leased(lane, not_leased.err());
            }
        };
        if paid.is_none() && waits_for.is_none() {
            let Ok(pays) = self.pay_late(&leased).await else {
                return Ok(false);
            };
            paid = pays;
        }
        self.put_to_work(leased, paid.is_some());
        Ok(true)
    }

    /// Leases the lane, if the gates let it through and no other courier has it.
    async fn lease(&self, lane: &Lane) -> Result<Option<LeasedLane>, OutboxError> {
        if !self.context.gates().enter(lane, Instant::now()) {
            return Ok(None);
        }
        let asked = Instant::now();
        let leased = self.context.outbox.lease(lane, self.instance).await;
        // Trouble of a single lane is reported for that lane.
        let is_general = |error: &OutboxError| error.is_transient();
        if leased.as_ref().err().is_none_or(is_general) {
            self.tell(DatabaseWork::Lease, asked, &leased);
        }
        if !matches!(leased, Ok(Some(_))) {
            // A lane that rests briefly may rest a little longer by the database's clock.
            self.context.gates().back(lane);
        }
        leased
    }

    /// Leaves a lane alone that cannot be leased for a reason of its own: it must not stop the
    /// others.
    fn not_leased(&mut self, lane: &Lane, error: Option<OutboxError>) -> Result<bool, OutboxError> {
        match error {
            None => Ok(false),
            // Another courier is writing the lane's row, or an app has locked it.
            Some(OutboxError::Locked(_)) => {
                self.rests.cools(lane.clone(), LOCKED);
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
}
