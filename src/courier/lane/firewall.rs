//! Batches that somebody before the platform turns away: a firewall, a proxy, a portal.
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
const MOST_QUESTIONS: usize = 3;

impl LaneAtWork {
    /// Notes that the task took a row of a request that was sent then.
    pub(super) fn passes(&mut self, sent: Instant) {
        self.turned_away.expired = 0;
        if !self.turned_away.is_any {
            return;
        }
        let passed = self.turned_away.passed.max(Some(sent));
        self.turned_away.passed = passed;
        self.context
            .notes
            .set_passed(&self.lease.lane, passed.unwrap_or(sent));
        // A batch that has been waiting with its lane may be known now to fail by itself.
        for underway in std::mem::take(&mut self.ready) {
            self.again_behind(underway);
        }
    }

    /// Puts a batch back at the end, or apart if it is turned away alone.
    fn again_behind(&mut self, mut underway: Underway) {
        self.recognise_alone(&mut underway);
        if underway.is_loner {
            self.again(underway);
        } else {
            self.ready.push_back(underway);
        }
    }

    /// Notes a batch that has failed, if it was turned away.
    pub(super) fn notice_turned_away(&mut self, underway: &mut Underway) {
        self.turned_away.is_any |= underway.failing.away.is_some();
        underway.failing.note_passed(self.turned_away.passed);
    }

    /// Sets a batch apart that is turned away alone, as another one has shown. The lane need not wait for
    /// it any more.
    pub(super) fn recognise_alone(&mut self, underway: &mut Underway) {
        underway.failing.note_passed(self.turned_away.passed);
        if underway.failing.is_turned_away_alone() && !underway.is_loner {
            underway.is_loner = true;
            let delay = self.context.tuning().backoff.delay(underway.failing.sends);
            underway.note(Some(Instant::now() + delay), &self.context.notes);
            self.trouble.take_hold();
        }
    }

    /// Whether a batch that was turned away has to be taken apart, or given up if it is a single row.
    pub(super) fn is_turned_away_to_blame(&self, underway: &Underway) -> bool {
        let (failing, is_alone) = (&underway.failing, underway.failing.is_turned_away_alone());
        if underway.batch.contacts.len() == 1 {
            return failing.is_long() && is_alone && self.open_questions() == 0;
        }
        let is_tried = failing.is_suspected && failing.sends >= SENDS_TO_SPLIT
            || failing.sends >= SENDS_WITHOUT_OTHERS;
        // While all parts of a batch are turned away, smaller parts tell nothing new.
        is_alone || is_tried && !self.culprits.is_hopeless(underway)
    }

    /// Whether a batch that was turned away waits apart from its lane.
    pub(super) fn is_turned_away_apart(&self, underway: &Underway) -> bool {
        let failing = &underway.failing;
        failing.is_turned_away_alone()
            || (failing.is_suspected || self.has_no_others())
                && self.open_questions() < MOST_QUESTIONS
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

    /// Returns how many of the lane's waiting batches were turned away, and nobody knows why.
    fn open_questions(&self) -> usize {
        let waiting = self.ready.iter().chain(self.loners.iter());
        let waiting = waiting.chain(self.culprits.waiting());
        let passed = self.turned_away.passed;
        let open = waiting.filter(|one| one.failing.is_open_question(passed));
        open.count()
    }
}
