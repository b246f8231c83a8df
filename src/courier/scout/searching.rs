//! How the scout searches: step by step, beside its other work.

use tokio::time::Instant;

use super::{BUSY, Scout};
use crate::contact::Lane;
use crate::courier::step::{Page, Step, page_of};
use crate::courier::watch::DatabaseWork;
use crate::outbox::{LaneQuery, OutboxError};

impl Scout {
    pub(super) fn is_due_to_search(&self) -> bool {
        let is_idle = self.tasks.is_empty() || self.queue.is_used_up();
        let poll = self.context.poll_interval / BUSY;
        self.schedule.is_due(is_idle, poll, Instant::now())
    }

    /// Begins to search for lanes that may start, twice as many as there are places.
    pub(super) fn begin_search(&mut self) {
        self.schedule.begins_to_search(Instant::now());
        self.begin_step();
    }

    /// Waits until the search is over.
    pub(super) async fn end_search(&mut self) -> Result<(), OutboxError> {
        while self.step.is_some() {
            let page = page_of(&mut self.step).await;
            self.take_page(page)?;
        }
        Ok(())
    }

    fn begin_step(&mut self) {
        let (after, limit) = self.search.step(self.context.places() * 2);
        let tuning = self.context.tuning();
        let query = LaneQuery {
            instance: self.instance,
            after,
            limit,
            linger: self.context.linger(),
            batch_size: u32::try_from(tuning.batch_size).unwrap_or(u32::MAX),
            horizon: self.context.poll_interval * 2,
        };
        self.step = Some(Step::begin(&self.context.outbox, query));
    }

    /// The same as [`Self::take_page`]. A search that has failed is not tried again at once.
    pub(super) fn take_page_or_wait(&mut self, page: Page) {
        if self.take_page(page).is_err() {
            let retry_at = Instant::now() + self.context.poll_interval / BUSY;
            self.schedule.has_failed(retry_at);
        }
    }

    /// Notes that holds may end now, of which a step that is under way may tell.
    pub(super) fn overtake_step(&mut self) {
        if let Some(step) = &mut self.step {
            step.is_overtaken = true;
        }
    }

    /// Takes the lanes that a step has found, and begins the next step if there is one.
    fn take_page(&mut self, page: Page) -> Result<(), OutboxError> {
        let Some(step) = self.step.take() else {
            return Ok(());
        };
        self.tell(DatabaseWork::Search, step.asked, &page);
        let mut search = std::mem::take(&mut self.search);
        let may_start = |lane: &Lane| !step.may_have_changed(lane) && self.may_soon_start(lane);
        let found = page.map(|mut page| {
            if step.is_overtaken {
                for found in &mut page.lanes {
                    found.held_because = None;
                }
            }
            search.take(page, may_start)
        });
        if found.is_err() {
            search.fails();
        }
        self.search = search;
        let found = found?;
        let now = Instant::now();
        self.schedule.ripens_in(found.ripe_in, now);
        if found.is_over {
            self.schedule.has_searched(now);
        } else {
            self.begin_step();
        }
        let ripe = self.split_off_held(found.ripe);
        self.found(ripe);
        self.pay_those_who_wait();
        Ok(())
    }
}
