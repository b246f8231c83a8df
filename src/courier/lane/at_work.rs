//! One leased lane at work: the loop, and the beginning and end of each step.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::completed::Completed;
use super::culprits::Culprits;
use super::end::LaneEnd;
use super::loners::Loners;
use super::occupied::Occupied;
use super::patience::Patience;
use super::reading::Reading;
use super::sends::Sends;
use super::taking::Taking;
use super::trouble::Trouble;
use super::turn::Turn;
use super::turned_away::TurnedAway;
use super::writing::Writing;
use crate::batch::{Batch, BatchId};
use crate::contact::ContactId;
use crate::courier::context::Context;
use crate::courier::limits::NEAR;
use crate::courier::put_off::Went;
use crate::courier::store::{Answer, NotRecorded};
use crate::courier::underway::Underway;
use crate::courier::watch::DatabaseWork;
use crate::outbox::{Change, Lease, LeasedLane, OutboxError, Recorded};
use crate::telemetry::event::{LaneFailed, LeaseLost};

/// `run --once` waits through a wait up to this long.
pub(in crate::courier) const BRIEF: Duration = Duration::from_secs(5);

/// After this many failures in a row, `run --once` no longer waits.
const PATIENCE: u32 = 12;

/// The longest rest of a lane in which only failing single batches wait: rows that were put off, or came
/// with a small id, may be due by then. It is longer where very many such batches wait.
const LONGEST_IDLE: Duration = Duration::from_secs(1);

/// So much longer for each: such lanes are not leased more often than 50 times a second.
const IDLE_FOR_EACH: Duration = Duration::from_millis(20);

/// At most this many batches are being settled while others are sent.
const SETTLING: usize = 4;

pub(in crate::courier) struct LaneAtWork {
    pub(super) context: Arc<Context>,
    pub(super) lease: Arc<Lease>,
    pub(super) reading: Reading,
    /// Open batches that wait to be sent, or sent again.
    pub(super) ready: VecDeque<Underway>,
    /// Batches that fail by themselves.
    pub(super) loners: Loners,
    pub(super) culprits: Culprits,
    pub(super) taking: Taking,
    pub(super) occupied: Occupied,
    /// Hears of new contacts.
    news: Arc<Notify>,
    pub(super) steps: JoinSet<Completed>,
    pub(super) sends: Sends,
    pub(super) trouble: Trouble,
    /// When the platform last answered a batch of the lane.
    pub(super) answered_at: Option<Instant>,
    pub(super) turned_away: TurnedAway,
    /// The last batch that has passed since the lane was leased.
    pub(super) passed: Option<Went>,
    /// When the last batch of the lane was sent that has passed, if it is known.
    pub(super) passed_at: Option<Instant>,
    /// The lane has no turn or no budget before this instant.
    rests_until: Option<Instant>,
    pub(super) turn: Turn,
    pub(super) writing: Writing,
    pub(super) patience: Patience,
    /// Why the lane begins nothing new, if it does not.
    pub(super) end: Option<LaneEnd>,
}

impl LaneAtWork {
    /// Takes up a lane, with its open batches. `news` is notified of new contacts. `paid`: a budget
    /// has paid for the first request.
    pub(in crate::courier) fn new(
        context: Arc<Context>,
        leased: LeasedLane,
        news: Arc<Notify>,
        paid: bool,
    ) -> Self {
        let now = Instant::now();
        let reason = leased.held_because.as_deref();
        let budget = reason.and_then(|reason| context.budget(&leased.lease.lane, reason));
        let writing = Writing::expected(&leased);
        let mut lane = Self {
            trouble: Trouble::before(leased.lease.failures, budget, paid),
            occupied: Occupied::new(context.memory.clone()),
            patience: Patience::after(leased.waiting_for, now),
            context,
            lease: leased.lease,
            reading: Reading::new(now),
            ready: VecDeque::new(),
            loners: Loners::default(),
            culprits: Culprits::default(),
            taking: Taking::default(),
            news,
            steps: JoinSet::new(),
            sends: Sends::default(),
            answered_at: None,
            turned_away: TurnedAway::default(),
            passed: None,
            passed_at: None,
            rests_until: None,
            turn: Turn::begin(now),
            writing,
            end: None,
        };
        lane.turned_away.passed = lane.context.notes.passed(&lane.lease.lane);
        lane.adopt(leased.open, leased.held_because.as_deref());
        if let Some(obstacle) = leased.obstacle {
            lane.stop(&obstacle.to_string());
        }
        lane
    }

    /// Works the lane and gives it back.
    pub(in crate::courier) async fn run(mut self) -> LaneEnd {
        let worked = self.work().await;
        // A lane that found nothing to send has rested before, and rests again.
        if matches!(self.end, Some(LaneEnd::Idles { .. }))
            && let Some(unused) = self.trouble.unused()
        {
            self.context.limiter.give_back(unused);
        }
        let failed = worked.and(match self.end {
            Some(LaneEnd::Lost) => Ok(()),
            _ => self.release().await,
        });
        if let Err(error) = failed
            && !error.is_transient()
        {
            LaneFailed {
                lane: &self.lease.lane,
                error: &error.to_string(),
            }
            .emit();
            return LaneEnd::Failed;
        }
        self.end.unwrap_or(if self.reading.is_behind {
            LaneEnd::Behind
        } else {
            LaneEnd::Done
        })
    }

    async fn release(&self) -> Result<(), OutboxError> {
        let asked = Instant::now();
        let released = self.context.outbox.release(&self.lease).await;
        let watch = &self.context.watch;
        watch.note(DatabaseWork::Lease, asked, &released);
        released
    }

    async fn work(&mut self) -> Result<(), OutboxError> {
        loop {
            let begun = if self.writing == Writing::Doubtful {
                self.try_settling().await
            } else {
                self.fill().await
            };
            if let Err(error) = begun {
                self.end.get_or_insert(LaneEnd::Done);
                self.sends.drop_admitted();
                while self.step().await {
                    self.sends.drop_admitted();
                }
                return Err(error);
            }
            self.let_others_probe();
            if !self.step().await && !self.go_on().await {
                return Ok(());
            }
        }
    }

    /// Waits for the first of these: a begun step ends, new contacts come, a rest ends. Returns
    /// `false` if no step is under way.
    async fn step(&mut self) -> bool {
        let rest = self.rests_until.filter(|_| !self.steps.is_empty());
        let waits = !self.reading.waiting.is_empty() && !self.steps.is_empty();
        let lingers = waits && self.may_begin();
        tokio::select! {
            step = self.steps.join_next() => match step {
                None => return false,
                Some(Ok(step)) => self.finish(step),
                // A step that panicked has left its batch in the journal; the next owner finds the
                // batch.
                Some(Err(_)) => self.end = Some(LaneEnd::Failed),
            },
            () = self.news.notified(), if !self.steps.is_empty() => {
                // A batch that waits for its turn takes in new contacts when the turn comes.
                if !self.sends.is_any_queued() || !self.context.permits.are_short() {
                    self.reading.goes_on();
                }
            }
            () = sleep(NEAR), if lingers => {}
            () = sleep_until(rest.unwrap_or_else(Instant::now)), if rest.is_some() => {
                self.rests_until = None;
            }
        }
        true
    }

    /// Goes on when nothing is under way and nothing could be begun: waits, or reads the lane from
    /// its start again. Returns whether there may be more to do.
    async fn go_on(&mut self) -> bool {
        if self.end.is_some() || self.has_to_stop() || self.is_paused() {
            return false;
        }
        let held = self.trouble.take_hold();
        let Some(until) = held.max(self.rests_until.take()) else {
            return self.reading.rewind() || self.wait_for_loners().await;
        };
        let wait = until.saturating_duration_since(Instant::now());
        // Where all have to wait, the queue knows whose turn it is to find out.
        let is_far = wait > NEAR || self.context.gates().say_not_now();
        if is_far || self.trouble.failures > PATIENCE {
            let is_brief = held.is_none() || wait <= BRIEF && self.trouble.failures <= PATIENCE;
            self.end = Some(LaneEnd::Rests { until, is_brief });
            return false;
        }
        self.context.life.sleep(wait).await;
        self.context.gates().enter(&self.lease.lane, Instant::now())
    }

    /// Waits for a batch that fails by itself if its time comes soon. Otherwise the lane rests
    /// until that time, or until other rows come.
    async fn wait_for_loners(&mut self) -> bool {
        let now = Instant::now();
        // Rows that are left for the next turn do not wait for this batch, unless it has their number.
        let mut waiting = self.reading.waiting.iter();
        if waiting.any(|contact| !self.occupied.numbers.contains(contact)) {
            return false;
        }
        let Some((until, failed_sends)) = self.loners.first() else {
            return false;
        };
        // Behind a gate, the lane could only look again and again.
        if !self.gates_admit() {
            return false;
        }
        let wait = until.saturating_duration_since(now);
        if wait > NEAR {
            let is_brief = wait <= BRIEF && failed_sends <= PATIENCE;
            let until = until.min(now + longest_idle(self.context.notes.count_apart()));
            self.end = Some(LaneEnd::Idles { until, is_brief });
            return false;
        }
        tokio::select! {
            () = self.context.life.sleep(wait) => {}
            // New contacts do not wait for this batch either.
            () = self.news.notified() => self.reading.goes_on(),
        }
        true
    }

    /// Lets another lane probe if this one has nothing to send.
    fn let_others_probe(&self) {
        if self.sends.under_way() == 0 {
            self.context.gates().back(&self.lease.lane);
        }
    }

    /// Tests whether the rows that the lane would send could be settled. If the database refused or
    /// ignored their update, they would stay pending and be sent again and again.
    async fn try_settling(&mut self) -> Result<(), OutboxError> {
        if self.end.is_some() {
            return Ok(());
        }
        self.read_ahead().await?;
        let open = self.ready.iter().chain(self.loners.iter());
        let open: Vec<&Batch> = open.map(|underway| &underway.batch).collect();
        let batches: Vec<BatchId> = open.iter().map(|batch| batch.id).collect();
        let contacts = open
            .iter()
            .flat_map(|batch| &batch.contacts)
            .chain(&self.reading.waiting);
        let contacts: Vec<ContactId> = contacts.map(|contact| contact.id).collect();
        let outbox = &self.context.outbox;
        match outbox.try_settling(&self.lease, &contacts, &batches).await {
            Ok(Recorded::Done) => {
                self.writing = Writing::Works;
                self.context.bulletin.locks().free(&self.lease.lane);
                self.fill().await?;
            }
            Ok(Recorded::Fenced | Recorded::Stale(_)) => self.lost(None),
            // An app has locked the rows; this is no trouble.
            Err(OutboxError::Locked(_)) => {
                self.end = Some(LaneEnd::Locked);
                self.tell_lock(&contacts).await;
            }
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => self.stop(&error.to_string()),
        }
        Ok(())
    }

    /// Tells people that the lane is put back because a lock keeps these contacts from being settled.
    async fn tell_lock(&self, contacts: &[ContactId]) {
        // Whether a row of them is locked, or something else, is only for people.
        let locked = self.context.outbox.locked(contacts).await;
        let locked = locked.unwrap_or_default().into_iter().min();
        let locks = self.context.bulletin.locks();
        locks.keep_back(&self.lease.lane, locked, contacts.len());
    }

    /// Begins as many sends as the lane may have under way.
    async fn fill(&mut self) -> Result<(), OutboxError> {
        self.give_up_rest().await?;
        self.send_admitted().await;
        while self.may_begin() {
            if let Err(later) = self.context.limiter.is_near(&self.lease.lane) {
                self.rests_until = Some(later);
                return Ok(());
            }
            let Some(underway) = self.next().await? else {
                return Ok(());
            };
            let Some(mut underway) = self.unless_to_split(underway) else {
                continue;
            };
            if let Some(later) = self.rest_before(&underway) {
                self.rests_until = Some(later);
                self.again(underway);
                return Ok(());
            }
            match self.pay(&underway) {
                Ok(turn) => self.begin(underway, turn),
                // The other batches need no budget.
                Err(later)
                    if underway.is_loner || underway.is_retry && self.trouble.failures == 0 =>
                {
                    underway.is_loner = true;
                    self.loners.put(underway, later, &self.context.notes);
                }
                Err(later) => {
                    self.rests_until = Some(later);
                    self.again(underway);
                }
            }
        }
        Ok(())
    }

    fn may_begin(&self) -> bool {
        // A lane without answers may hang, so it risks only one request at a time.
        let at_once = if self.context.permits.is_well(&self.lease.lane) {
            self.context.tuning().max_in_flight_per_lane
        } else {
            1
        };
        self.end.is_none()
            && !self.trouble.is_held()
            && self.rests_until.is_none()
            && self.sends.under_way() < at_once
            && self.steps.len() < at_once + SETTLING
            && !self.context.life.is_stopping()
            && !self.is_paused()
            && self.gates_admit()
            && !self.context.recorder.is_stuck(&self.lease.lane)
    }

    fn is_paused(&self) -> bool {
        self.context.pauses.is_paused(&self.lease.lane)
    }

    /// Whether no gate is in the way. A lane that goes ahead as a probe sends one request at a
    /// time.
    fn gates_admit(&self) -> bool {
        let (mut gates, lane, now) = (self.context.gates(), &self.lease.lane, Instant::now());
        if self.sends.under_way() == 0 {
            return gates.enter(lane, now);
        }
        gates.admits(lane, now) && !gates.probes(lane) && !gates.is_shut(lane, now)
    }

    /// Whether the lane must begin nothing new, because it is the turn of others or the courier
    /// stops.
    pub(super) fn has_to_stop(&self) -> bool {
        self.context.life.is_stopping() || self.turn_is_over()
    }

    pub(super) fn turn_is_over(&self) -> bool {
        self.turn.is_over(self.context.notes.others_wait())
    }

    fn finish(&mut self, step: Completed) {
        match step {
            Completed::Admitted(underway, admitted) => self.sends.admit(underway, admitted),
            Completed::Sent(underway, dispatched) => self.sent(underway, dispatched),
            Completed::Closed(closed, recorded) => {
                if self.end_unless_done(recorded, Some(closed.batch.id)) {
                    self.closed(closed);
                }
            }
            Completed::Postponed(underway, recorded) => {
                if self.end_unless_done(recorded, Some(underway.id())) {
                    self.again(underway);
                }
            }
            Completed::Refused(contacts, recorded) => {
                self.reading.has_refused(contacts.len());
                if self.end_unless_done(recorded, None) {
                    for contact in contacts {
                        self.occupied.let_go(contact);
                    }
                }
            }
            Completed::Noted(recorded) => {
                self.end_unless_done(recorded, None);
            }
            Completed::Stopped(recorded) => self.stopped(recorded),
        }
    }

    pub(super) fn record(
        &mut self,
        change: Change,
        step: impl FnOnce(Answer) -> Completed + Send + 'static,
    ) {
        // The change is handed in here, not in the step: the steps begin in any order.
        let recorded = self.context.recorder.record(&self.lease, change);
        self.steps.spawn(async move { step(recorded.await) });
    }

    /// Ends the lane unless the write is done. Returns whether it is.
    fn end_unless_done(&mut self, recorded: Answer, batch: Option<BatchId>) -> bool {
        match recorded {
            Ok(Recorded::Done) => return true,
            // A batch can be stale only before it is sent.
            Ok(Recorded::Fenced | Recorded::Stale(_)) => self.lost(batch),
            Err(error) => self.failed(&error),
        }
        false
    }

    pub(super) fn lost(&mut self, batch: Option<BatchId>) {
        if self.end != Some(LaneEnd::Lost) {
            LeaseLost {
                lane: &self.lease.lane,
                batch,
            }
            .emit();
        }
        self.end = Some(LaneEnd::Lost);
    }

    pub(super) fn failed(&mut self, error: &NotRecorded) {
        match error {
            NotRecorded::Refused(words) => self.stop(words),
            NotRecorded::Ending(_) if self.end.is_none() => self.fail(error),
            NotRecorded::Ending(_) => {}
        }
    }

    pub(super) fn fail(&mut self, error: &NotRecorded) {
        LaneFailed {
            lane: &self.lease.lane,
            error: &error.to_string(),
        }
        .emit();
        self.end = Some(LaneEnd::Failed);
    }
}

/// Returns the longest rest of a lane in which only failing single batches wait, with so many of them in
/// all lanes.
fn longest_idle(loners: usize) -> Duration {
    let loners = u32::try_from(loners).unwrap_or(u32::MAX);
    LONGEST_IDLE.max(IDLE_FOR_EACH * loners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_that_only_wait_for_single_batches_are_leased_a_bounded_number_of_times_a_second() {
        for (loners, seconds) in [(1, 1), (50, 1), (1_000, 20), (10_000, 200)] {
            assert_eq!(longest_idle(loners).as_secs(), seconds);
        }
    }
}
