//! Batches that the platform puts off, again and again, while it takes others of the lane.

use std::time::Duration;

use tokio::time::Instant;

use super::at_work::LaneAtWork;
use super::firewall::MOST_QUESTIONS;
use crate::contact::Lane;
use crate::courier::gate::asked;
use crate::courier::notes::Notes;
use crate::courier::put_off::{PutOff, Went};
use crate::courier::underway::Underway;
use crate::platform::verdict::{self, Wait};

/// Why a batch is taken apart.
const PUT_OFF: &str = "the platform says \"later\" each time";

impl LaneAtWork {
    /// Takes over when the last batch of the lane passed, from one that was put off.
    pub(super) fn recall_passed(&mut self, underway: &Underway) {
        let put_off = underway.failing.put_off;
        let sent = put_off.and_then(|put_off| put_off.lane_passed);
        self.passed_at = self.passed_at.max(sent);
    }

    /// Tells a batch which other one has passed while it was under way.
    pub(super) fn catch_up(&self, underway: &mut Underway) {
        if let Some(passed) = self.passed {
            tell(underway, passed, &self.context.notes);
        }
    }

    /// Lets a batch that another one should go before leave its search, in which it would be the next one. What the
    /// lane has taught about the rate of all since a batch was put off is taken back when it turns out to be so
    /// alone.
    pub(super) fn notice_put_off(&mut self, underway: &mut Underway, was_alone: bool) {
        if underway.failing.asks_for_another() {
            self.culprits.leave(underway);
        }
        let by_the_rate_since = underway
            .failing
            .put_off
            .and_then(|it| it.by_the_rate_since());
        if underway.failing.is_put_off_alone()
            && !was_alone
            && let Some(since) = by_the_rate_since
        {
            let ours = &self.lease.lane;
            let is_its = |lane: &Lane, sent| lane == ours && since <= sent;
            self.context.limiter.take_back(is_its);
        }
    }

    /// Tells the batches that wait that another one has passed, which was sent then.
    pub(super) fn tell_those_put_off(&mut self, sent: Instant) {
        let went = Went::new(sent, self.passed_at);
        if self.passed_at < Some(sent) {
            (self.passed, self.passed_at) = (Some(went), Some(sent));
        }
        let waiting = self.ready.iter_mut().chain(self.loners.iter_mut());
        for one in waiting {
            tell(one, went, &self.context.notes);
        }
    }

    /// Whether a batch that is put off waits for its own time. If nobody knows whether it is put off alone, its lane
    /// waits, too; and few such batches let all others go before them, or at a real limit most would.
    pub(super) fn is_put_off_apart(&self, underway: &Underway, wait: &Wait) -> bool {
        let in_doubt = |one: &Underway| one.failing.is_put_off_in_doubt();
        let others = || self.loners.iter().filter(|one| in_doubt(one)).count();
        let is_apart = || in_doubt(underway) && others() < MOST_QUESTIONS;
        wait.reason.puts_off() && (underway.failing.is_put_off_alone() || is_apart())
    }

    /// Returns the own wait of a batch that is put off.
    pub(super) fn delay_if_put_off(&self, underway: &Underway, wait: &Wait) -> Option<Duration> {
        let put_off = underway
            .failing
            .put_off
            .filter(|_| wait.reason.puts_off())?;
        let tuning = self.context.tuning();
        let asked = asked(wait).unwrap_or_default();
        let asked = asked.min(tuning.longest_retry_after);
        Some(tuning.backoff.delay(put_off.times()).max(asked))
    }

    /// Returns until when the lane rests before it sends this batch, if it is put off.
    pub(super) fn rest_before(&self, underway: &Underway) -> Option<Instant> {
        let is_single = underway.batch.contacts.len() == 1;
        let now = Instant::now();
        let waited = now.saturating_duration_since(self.passed_at?);
        let rest = underway.failing.put_off?.rest(is_single, waited)?;
        Some(now + rest)
    }

    /// Returns the batch, unless its parts are to be sent instead because it is put off. Its wait is over by then.
    pub(super) fn unless_to_split(&mut self, underway: Underway) -> Option<Underway> {
        let put_off = underway.failing.put_off;
        let without_others = self
            .nobody_can_tell(&underway)
            .then_some(self.trouble.failures);
        let is_to_split = |put_off: PutOff| put_off.is_to_split(without_others);
        if underway.batch.contacts.len() == 1 || !put_off.is_some_and(is_to_split) {
            return Some(underway);
        }
        let closing = verdict::fails_whole(&underway.batch, PUT_OFF);
        self.close(underway, closing, None);
        None
    }

    /// Whether the lane has nothing that could show whether this batch is put off alone: all that waits is put off
    /// itself, and no smaller part is to be tried first.
    fn nobody_can_tell(&self, underway: &Underway) -> bool {
        let rows = |one: &Underway| one.batch.contacts.len();
        let comes_later = |one: &Underway| {
            let is_smaller = (2..rows(underway)).contains(&rows(one));
            one.failing.asks_for_another() && !is_smaller
        };
        let has_room = self.has_room_for_trouble(Some(underway));
        let is_all_read = self.reading.is_drained() || !has_room;
        let is_searching = self.culprits.waiting().next().is_some();
        let is_idle = self.steps.is_empty() && !is_searching;
        is_idle && is_all_read && self.ready.iter().all(comes_later)
    }
}

/// Tells a batch that is put off that another one has passed.
fn tell(underway: &mut Underway, passed: Went, notes: &Notes) {
    if let Some(put_off) = &mut underway.failing.put_off {
        put_off.another_passes(passed);
        notes.renew_failing(underway.id(), underway.failing);
    }
}
