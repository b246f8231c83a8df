//! Batches that are turned away: by a firewall, a proxy or a portal before the platform, or by the platform,
//! which does not find or allow something.
//!
//! It may be about everybody, about the user or the task, or about what one row holds. Only other
//! batches of the same lane can tell: if one that is sent after a batch was turned away passes, and
//! the batch is turned away again, it is about this batch.

use std::time::Duration;

use tokio::time::Instant;

use super::at_work::LaneAtWork;
use super::hold::{SENDS_TO_SPLIT, SENDS_WITHOUT_OTHERS};
use crate::courier::underway::Underway;
use crate::platform::verdict::Wait;

/// At most so many batches of a lane wait apart of which nobody knows whether the others would be
/// turned away, too. So a lane that is turned away as a whole sends few requests.
pub(super) const MOST_QUESTIONS: usize = 3;

impl LaneAtWork {
    /// Notes that the task took a row of a request that was sent then.
    pub(super) fn passes(&mut self, sent: Instant) {
        self.turned_away.expired = 0;
        if self.turned_away.last.is_none() {
            return;
        }
        let before = self.turned_away.passed;
        let passed = before.map_or(sent, |before| before.max(sent));
        self.turned_away.passed = Some(passed);
        self.context.notes.set_passed(&self.lease.lane, passed);
    }

    /// Notes a batch that has failed, if it was turned away.
    pub(super) fn notice_turned_away(&mut self, underway: &mut Underway) {
        if underway.failing.away.is_some() {
            self.turned_away.last = self.turned_away.last.max(underway.failing.turned_away_at());
            underway.failing.is_suspected |= self.culprits.has_accepted(underway);
        }
    }

    /// Whether a batch that was turned away has to be taken apart, or given up if it is a single row.
    /// Of what the platform does not find, nothing may be there: without others, it is cut only once.
    pub(super) fn is_turned_away_to_blame(&self, underway: &Underway, wait: &Wait) -> bool {
        let (failing, is_alone) = (&underway.failing, underway.failing.is_turned_away_alone());
        if underway.batch.contacts.len() == 1 {
            return failing.is_long(Instant::now()) && self.is_no_other_open(underway);
        }
        let may_be_cut = wait.reason.is_before_the_platform()
            || self.turned_away.passed.is_some()
            || underway.search.is_none();
        is_alone
            || failing.is_suspected && failing.sends >= SENDS_TO_SPLIT
            || failing.sends >= SENDS_WITHOUT_OTHERS && may_be_cut
    }

    /// Whether a batch that was turned away waits apart from its lane. If there are no others that could
    /// show why, the lane waits, so that people see it.
    pub(super) fn is_turned_away_apart(&self, underway: &Underway) -> bool {
        let failing = &underway.failing;
        let is_tried = failing.is_suspected && !self.has_no_others();
        failing.is_turned_away_alone() || is_tried && self.open_questions() < MOST_QUESTIONS
    }

    /// Returns the wait of a batch that waits apart. No person is faster who has to let it through; but if
    /// it is about what it holds, this can be found out at once.
    pub(super) fn delay_alone(&self, underway: &Underway, wait: &Wait) -> Duration {
        let (failing, backoff) = (&underway.failing, self.context.tuning().backoff);
        let is_about_it = failing.is_suspected || failing.is_turned_away_alone();
        if wait.reason.waits_for_a_person() && !is_about_it {
            backoff.delay_for_a_person(failing.sends)
        } else {
            backoff.delay(failing.sends)
        }
    }

    /// Whether no other batch of the lane was turned away of which nobody knows why, not even one that is
    /// under way.
    fn is_no_other_open(&self, underway: &Underway) -> bool {
        let (lane, passed) = (&self.lease.lane, self.turned_away.passed);
        let notes = &self.context.notes;
        notes.all_of_lane(lane, |batch, failing| {
            batch == underway.id() || !failing.is_open_question(passed)
        })
    }

    /// Returns how many of the lane's waiting batches were turned away, and nobody knows why.
    fn open_questions(&self) -> usize {
        let waiting = self.ready.iter().chain(self.loners.iter());
        let waiting = waiting.chain(self.culprits.waiting());
        let passed = self.turned_away.passed;
        let open = waiting.filter(|one| one.failing.is_open_question(passed));
        open.count()
    }
}
