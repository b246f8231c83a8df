//! A lane at work: everything that one courier does for one leased lane.
//!
//! It reads ahead, composes, hands batches to the dispatcher, acts on each verdict and hands the
//! outcome to the recorder, until the lane is drained, must wait, has had its turn or is lost. Its
//! neighbours are the scout, which starts it, and the dispatcher and recorder, which it drives.
//!
//! It guarantees: a row is in at most one open batch, and a number under way is not sent a second
//! time before its first answer is written.

mod intake;
mod outcome;
mod pause;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use self::outcome::Closed;
use self::pause::UNWRITABLE;
use super::context::Context;
use super::dispatcher::Dispatched;
use super::isolation::{Isolations, Next};
use super::refusals::Refusals;
use super::store::NotRecorded;
use super::underway::Underway;
use crate::batch::{Batch, BatchId, NumbersUnderway, compose};
use crate::contact::{Contact, ContactId};
use crate::outbox::{Change, Cursor, Lease, LeasedLane, OutboxError, Recorded};
use crate::telemetry::event::{DatabaseWork, LaneFailed, LeaseLost};
use crate::telemetry::traces::Origin;

/// Batches that a lane may send while other lanes wait for their turn.
const TURN: u32 = 20;

/// After so long the lane is read from its start again, for a transaction may commit a smaller id
/// late.
const LONGEST_TURN: Duration = Duration::from_mins(1);

/// A wait up to this long is spent holding the lane; for a longer one it is given back.
const SHORT_WAIT: Duration = Duration::from_secs(5);

/// After so many failures in a row the lane is given back even for a short wait, so that its place
/// is free and `run --once` comes to an end.
const PATIENCE: u32 = 12;

/// Batches whose outcome is being written while others are sent.
const SETTLING: usize = 4;

/// Why work on a lane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneEnd {
    /// Nothing more to do for now, or others' turn.
    Done,
    /// It has another owner, or may have one.
    Lost,
    /// It is read where what was written does not arrive; it has work again when it does.
    Behind,
    /// It cannot be worked; not to be tried again at once.
    Failed,
}

/// One leased lane at work.
pub(super) struct LaneAtWork {
    context: Arc<Context>,
    lease: Arc<Lease>,
    cursor: Cursor,
    /// Whether nothing was due behind the cursor when it was last asked.
    end: bool,
    /// Whether the lane's start was read again since the last batch.
    rewound: bool,
    read_at: Instant,
    /// Rows that were read and wait to be composed, in lane order.
    waiting: VecDeque<Contact>,
    /// Open batches that wait to be sent (again).
    ready: VecDeque<Underway>,
    /// Pieces of batches that were refused, or not accounted for.
    isolations: Isolations<Underway>,
    /// How rows of the batches that are being isolated ended so far, by the first batch.
    refusals: HashMap<BatchId, Refusals>,
    /// Rows that were refused in a row with the same words.
    streak: Refusals,
    /// Rows of open batches and of writes under way.
    open: HashSet<ContactId>,
    /// Rows that were read as pending and are not, by the word of the journal.
    stale: HashSet<ContactId>,
    /// Whether such a row was read once more, or a whole batch of them: what is read is behind what
    /// was written, and nothing more is read for now.
    behind: bool,
    numbers: NumbersUnderway,
    steps: JoinSet<Step>,
    sending: usize,
    failures: u32,
    held_until: Option<Instant>,
    turn_began: Instant,
    batches: u32,
    writing: Writing,
    ended: Option<LaneEnd>,
}

/// Whether the lane's outcomes can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// As far as is known.
    Works,
    /// Nothing may be sent before that is known.
    Doubtful,
    /// No: the lane is stopped.
    Fails,
}

/// Something that was begun and is done.
enum Step {
    Sent(Underway, Dispatched),
    Closed(Closed, Result<Recorded, NotRecorded>),
    Postponed(Underway, Result<Recorded, NotRecorded>),
    Refused(Vec<ContactId>, Result<Recorded, NotRecorded>),
    /// Something about the lane alone was written.
    Noted(Result<Recorded, NotRecorded>),
    /// The lane was put on hold, for something else cannot be written.
    Stopped(Result<Recorded, NotRecorded>),
}

impl LaneAtWork {
    /// Takes up a lane with what was left open in it.
    pub(super) fn new(context: Arc<Context>, leased: LeasedLane) -> Self {
        let now = Instant::now();
        let writing = Writing::expected(&leased);
        let mut lane = Self {
            failures: leased.lease.failures,
            context,
            lease: leased.lease,
            cursor: Cursor::default(),
            end: false,
            rewound: true,
            read_at: now,
            waiting: VecDeque::new(),
            ready: VecDeque::new(),
            isolations: Isolations::default(),
            refusals: HashMap::new(),
            streak: Refusals::default(),
            open: HashSet::new(),
            stale: HashSet::new(),
            behind: false,
            numbers: NumbersUnderway::default(),
            steps: JoinSet::new(),
            sending: 0,
            held_until: None,
            turn_began: now,
            batches: 0,
            writing,
            ended: None,
        };
        lane.adopt(leased.open);
        if let Some(obstacle) = leased.obstacle {
            lane.stop(&obstacle.to_string());
        }
        lane
    }

    /// Works the lane and gives it back.
    pub(super) async fn run(mut self) -> LaneEnd {
        let worked = self.work().await;
        let failed = worked.and(match self.ended {
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
        self.ended.unwrap_or(if self.behind {
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
                self.ended.get_or_insert(LaneEnd::Done);
                while self.step().await {}
                return Err(error);
            }
            if !self.step().await && !self.go_on().await {
                return Ok(());
            }
        }
    }

    /// Waits for one of the things that were begun. `false`: there is none.
    async fn step(&mut self) -> bool {
        match self.steps.join_next().await {
            None => return false,
            Some(Ok(step)) => self.finish(step),
            // A step that panicked has left its batch in the journal; the next owner finds it.
            Some(Err(_)) => self.ended = Some(LaneEnd::Failed),
        }
        true
    }

    /// Nothing is under way and nothing could be begun: whether there may be more to do.
    async fn go_on(&mut self) -> bool {
        if self.ended.is_some() || self.context.life.is_stopping() || self.turn_is_over() {
            return false;
        }
        if let Some(until) = self.held_until.take() {
            let wait = until.saturating_duration_since(Instant::now());
            if wait > SHORT_WAIT || self.failures > PATIENCE {
                return false;
            }
            self.context.sleep(wait).await;
            return self.context.gates().enter(&self.lease.lane, Instant::now());
        }
        if self.rewound {
            return false;
        }
        (self.cursor, self.end, self.rewound) = (Cursor::default(), false, true);
        true
    }

    /// Tries whether what the lane would send could be settled. An update that the database does not
    /// carry out, or refuses, would leave the rows pending, and they would be sent again and again.
    async fn try_settling(&mut self) -> Result<(), OutboxError> {
        if self.ended.is_some() {
            return Ok(());
        }
        self.read_ahead().await?;
        let open = self.ready.iter().map(|underway| &underway.batch);
        let batches: Vec<BatchId> = open.clone().map(|batch| batch.id).collect();
        let contacts = open.flat_map(|batch| &batch.contacts).chain(&self.waiting);
        let contacts: Vec<ContactId> = contacts.map(|contact| contact.id).collect();
        let outbox = &self.context.outbox;
        match outbox.try_settling(&self.lease, &contacts, &batches).await {
            Ok(Recorded::Done) => {
                self.writing = Writing::Works;
                self.fill().await?;
            }
            Ok(Recorded::Fenced | Recorded::Stale(_)) => self.lost(None),
            // An app has its hands on them. Cooling is right, and no trouble.
            Err(OutboxError::Locked(_)) => self.ended = Some(LaneEnd::Failed),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => self.stop(&error.to_string()),
        }
        Ok(())
    }

    /// Begins as many sends as the lane may have under way.
    async fn fill(&mut self) -> Result<(), OutboxError> {
        while self.may_begin() {
            let Some(underway) = self.next().await? else {
                return Ok(());
            };
            self.begin(underway);
        }
        Ok(())
    }

    fn may_begin(&self) -> bool {
        let at_once = self.context.tuning().max_in_flight_per_lane;
        self.ended.is_none()
            && self.held_until.is_none()
            && self.sending < at_once
            && self.steps.len() < at_once + SETTLING
            && !self.context.life.is_stopping()
            && self.gates_admit()
    }

    /// Whether no gate is in the way. Who goes ahead as a probe sends one request at a time.
    fn gates_admit(&self) -> bool {
        let (gates, lane) = (self.context.gates(), &self.lease.lane);
        gates.admits(lane, Instant::now()) && (self.sending == 0 || !gates.probes(lane))
    }

    fn turn_is_over(&self) -> bool {
        self.turn_began.elapsed() > LONGEST_TURN
            || self.batches >= TURN && self.context.others_wait()
    }

    /// The next batch: one that waits to be sent again, or a new one.
    async fn next(&mut self) -> Result<Option<Underway>, OutboxError> {
        if let Some(underway) = self.ready.pop_front() {
            return Ok(Some(underway));
        }
        while let Some(next) = self.isolations.next() {
            match next {
                Next::Send(piece) => return Ok(Some(piece)),
                Next::Cut(piece, cut) => self.take_apart(piece, cut),
            }
        }
        if self.behind || self.turn_is_over() || self.isolations.looks_hopeless() {
            return Ok(None);
        }
        self.read_ahead().await?;
        if self.ended.is_some() || self.lingers() {
            return Ok(None);
        }
        let size = self.context.tuning().batch_size;
        let Some(composed) = compose(&mut self.waiting, &self.numbers, size) else {
            return Ok(None);
        };
        self.numbers.insert(&composed.contacts);
        let batch = Batch::new(BatchId::generate(), self.lease.lane.clone(), composed);
        let underway = Underway::new(batch, self.read_at, Instant::now());
        Ok(Some(
            underway.traced(&self.context.traces, Origin::Composed),
        ))
    }

    /// Whether there are fewer rows than fill a batch, and the oldest is still young enough to wait
    /// for more. Not for the first batch: that it was due is why the scout leased the lane.
    fn lingers(&self) -> bool {
        let tuning = self.context.tuning();
        self.batches > 0
            && self.waiting.len() < tuning.batch_size
            && self
                .waiting
                .front()
                .is_some_and(|oldest| oldest.due_for + self.read_at.elapsed() < tuning.linger)
    }

    fn begin(&mut self, mut underway: Underway) {
        self.sending += 1;
        self.batches += 1;
        self.rewound = false;
        let (context, lease) = (Arc::clone(&self.context), Arc::clone(&self.lease));
        self.steps.spawn(async move {
            let dispatched = context.dispatcher.send(&lease, &mut underway).await;
            Step::Sent(underway, dispatched)
        });
    }

    fn finish(&mut self, step: Step) {
        match step {
            Step::Sent(underway, dispatched) => self.sent(underway, dispatched),
            Step::Closed(closed, recorded) => {
                if self.is_done(recorded, Some(closed.batch.id)) {
                    self.closed(closed);
                }
            }
            Step::Postponed(underway, recorded) => {
                if self.is_done(recorded, Some(underway.id())) {
                    self.again(underway);
                }
            }
            Step::Refused(contacts, recorded) => {
                if self.is_done(recorded, None) {
                    for contact in contacts {
                        self.open.remove(&contact);
                    }
                }
            }
            Step::Noted(recorded) => {
                self.is_done(recorded, None);
            }
            Step::Stopped(recorded) => self.stopped(recorded),
        }
    }

    fn record(
        &mut self,
        change: Change,
        step: impl FnOnce(Result<Recorded, NotRecorded>) -> Step + Send + 'static,
    ) {
        let (context, lease) = (Arc::clone(&self.context), Arc::clone(&self.lease));
        self.steps
            .spawn(async move { step(context.dispatcher.recorder.record(&lease, change).await) });
    }

    fn is_done(&mut self, recorded: Result<Recorded, NotRecorded>, batch: Option<BatchId>) -> bool {
        match recorded {
            Ok(Recorded::Done) => return true,
            // Only what is about to be sent can be stale.
            Ok(Recorded::Fenced | Recorded::Stale(_)) => self.lost(batch),
            Err(error) => self.failed(&error),
        }
        false
    }

    fn lost(&mut self, batch: Option<BatchId>) {
        if self.ended != Some(LaneEnd::Lost) {
            LeaseLost {
                lane: &self.lease.lane,
                batch,
            }
            .emit();
        }
        self.ended = Some(LaneEnd::Lost);
    }

    fn failed(&mut self, error: &NotRecorded) {
        match error {
            NotRecorded::Refused(words) => self.stop(words),
            NotRecorded::Ending(_) if self.ended.is_none() => self.fail(error),
            NotRecorded::Ending(_) => {}
        }
    }

    fn fail(&mut self, error: &NotRecorded) {
        LaneFailed {
            lane: &self.lease.lane,
            error: &error.to_string(),
        }
        .emit();
        self.ended = Some(LaneEnd::Failed);
    }
}

impl Writing {
    /// It is in doubt if it did not work before, or if a batch was under way when its owner stopped,
    /// which that may have been the reason of.
    fn expected(leased: &LeasedLane) -> Self {
        let is_doubtful = match &leased.held_because {
            Some(reason) => reason == UNWRITABLE,
            None => leased.open.iter().any(|batch| batch.maybe_delivered),
        };
        if is_doubtful {
            Self::Doubtful
        } else {
            Self::Works
        }
    }
}
