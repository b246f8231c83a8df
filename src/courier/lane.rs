//! A lane at work: everything that one courier does for one leased lane.
//!
//! It reads ahead, composes, hands batches to the dispatcher, acts on each verdict and hands the
//! outcome to the recorder, until the lane is drained, must wait, has had its turn or is lost. Its
//! neighbours are the scout, which starts it, and the dispatcher and recorder, which it drives.
//!
//! It guarantees: a row is in at most one open batch, and a number under way is not sent a second
//! time before its first answer is written.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::Context;
use super::dispatcher::{Dispatched, NotSent};
use super::recorder::NotRecorded;
use super::underway::Underway;
use crate::batch::{Batch, BatchId, NumbersUnderway, compose};
use crate::contact::{Contact, ContactId, OutboxRow};
use crate::outbox::{
    Change, Close, Cursor, Hold, Lease, LeasedLane, OpenBatch, OutboxError, Postpone, Recorded,
};
use crate::platform::verdict::{self, Closing, Outcome, Verdict, Wait};
use crate::settlement::{FailKind, Final, RowOutcome};
use crate::telemetry::event::{
    BatchClosed, BatchPostponed, LaneFailed, LaneRecovered, LeaseLost, RowsRefused, TakenOver,
};

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
    /// Rows of open batches and of writes under way.
    open: HashSet<ContactId>,
    numbers: NumbersUnderway,
    steps: JoinSet<Step>,
    sending: usize,
    failures: u32,
    held_until: Option<Instant>,
    turn_began: Instant,
    batches: u32,
    ended: Option<LaneEnd>,
}

/// Something that was begun and is done.
enum Step {
    Sent(Underway, Dispatched),
    Closed(Batch, Result<Recorded, NotRecorded>, Vec<Underway>),
    Postponed(Underway, Result<Recorded, NotRecorded>),
    Refused(Vec<ContactId>, Result<Recorded, NotRecorded>),
    /// Something about the lane alone was written.
    Noted(Result<Recorded, NotRecorded>),
}

impl LaneAtWork {
    /// Takes up a lane with what was left open in it.
    pub(super) fn new(context: Arc<Context>, leased: LeasedLane) -> Self {
        let now = Instant::now();
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
            open: HashSet::new(),
            numbers: NumbersUnderway::default(),
            steps: JoinSet::new(),
            sending: 0,
            held_until: None,
            turn_began: now,
            batches: 0,
            ended: None,
        };
        lane.adopt(leased.open);
        lane
    }

    /// Works the lane and gives it back.
    pub(super) async fn run(mut self) -> LaneEnd {
        let worked = self.work().await;
        let failed = worked.and(match self.ended {
            Some(LaneEnd::Lost) => Ok(()),
            _ => self.context.outbox.release(&self.lease).await,
        });
        if let Err(error) = failed {
            self.context.watch.fails(&error);
            if !error.is_transient() {
                LaneFailed {
                    lane: &self.lease.lane,
                    error: &error.to_string(),
                }
                .emit();
                return LaneEnd::Failed;
            }
        }
        self.ended.unwrap_or(LaneEnd::Done)
    }

    async fn work(&mut self) -> Result<(), OutboxError> {
        loop {
            if let Err(error) = self.fill().await {
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
            self.context.life.sleep(wait).await;
            return self.context.gates().enter(&self.lease.lane, Instant::now());
        }
        if self.rewound {
            return false;
        }
        (self.cursor, self.end, self.rewound) = (Cursor::default(), false, true);
        true
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
        self.ended.is_none()
            && self.held_until.is_none()
            && self.sending < self.context.options.max_in_flight_per_lane
            && self.steps.len() < self.context.options.max_in_flight_per_lane + SETTLING
            && !self.context.life.is_stopping()
            && self
                .context
                .gates()
                .admits(&self.lease.lane, Instant::now())
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
        if self.turn_is_over() {
            return Ok(None);
        }
        self.read_ahead().await?;
        if self.lingers() {
            return Ok(None);
        }
        let size = self.context.options.batch_size;
        let Some(composed) = compose(&mut self.waiting, &self.numbers, size) else {
            return Ok(None);
        };
        self.numbers.insert(&composed.contacts);
        let batch = Batch::new(BatchId::generate(), self.lease.lane.clone(), composed);
        Ok(Some(Underway::new(batch, Instant::now())))
    }

    /// Whether there are fewer rows than fill a batch, and the oldest is still young enough to wait
    /// for more. Not for the first batch: that it was due is why the scout leased the lane.
    fn lingers(&self) -> bool {
        let options = &self.context.options;
        self.batches > 0
            && self.waiting.len() < options.batch_size
            && self
                .waiting
                .front()
                .is_some_and(|oldest| oldest.due_for + self.read_at.elapsed() < options.linger)
    }

    async fn read_ahead(&mut self) -> Result<(), OutboxError> {
        let context = Arc::clone(&self.context);
        let limit = context.options.page_size();
        while !self.end && self.waiting.len() < context.options.batch_size {
            let page = context
                .outbox
                .read_page(&self.lease.lane, &self.cursor, limit)
                .await?;
            context.watch.works();
            (self.cursor, self.end, self.read_at) = (page.next, page.end, Instant::now());
            self.take_in(page.rows);
        }
        Ok(())
    }

    /// Rows that keep the rules wait to be composed; the others are refused.
    fn take_in(&mut self, rows: Vec<OutboxRow>) {
        let mut refused = Vec::new();
        for row in rows {
            let contact = ContactId(row.id);
            if !self.open.insert(contact) {
                continue;
            }
            match Contact::check(row, &self.context.options.request) {
                Ok(contact) => self.waiting.push_back(contact),
                Err(violation) => {
                    let end = Final::Failed {
                        kind: FailKind::Invalid,
                        cause: violation.0,
                    };
                    refused.push(RowOutcome { contact, end });
                }
            }
        }
        self.refuse(refused);
    }

    fn refuse(&mut self, rows: Vec<RowOutcome>) {
        let Some(RowOutcome {
            end: Final::Failed { cause, .. },
            ..
        }) = rows.first()
        else {
            return;
        };
        let contacts = rows.len();
        RowsRefused {
            lane: &self.lease.lane,
            contacts,
            first_cause: cause,
        }
        .emit();
        let ids = rows.iter().map(|row| row.contact).collect();
        self.record(Change::Refuse(rows), |recorded| {
            Step::Refused(ids, recorded)
        });
    }

    /// Takes up what an earlier owner left open.
    fn adopt(&mut self, open: Vec<OpenBatch>) {
        if open.is_empty() {
            return;
        }
        // A lane that we gave back ourselves while it waited is no news.
        if !self.context.is_waiting(&self.lease.lane) {
            TakenOver {
                lane: &self.lease.lane,
                batches: open.len(),
                maybe_delivered: open.iter().filter(|batch| batch.maybe_delivered).count(),
            }
            .emit();
        }
        for batch in open {
            self.open
                .extend(batch.rows.iter().map(|row| ContactId(row.id)));
            let (underway, changed) = Underway::adopted(&self.lease.lane, batch, Instant::now());
            self.refuse(changed);
            self.numbers.insert(&underway.batch.contacts);
            let batch = &underway.batch;
            if batch.contacts.is_empty() {
                self.close(underway, vanished());
            } else if batch.maybe_delivered && !batch.options.resend_is_safe() {
                let closing = verdict::unconfirmed(batch, "its courier stopped while it was sent");
                self.close(underway, closing);
            } else {
                self.ready.push_back(underway);
            }
        }
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
            Step::Closed(batch, recorded, children) => {
                if self.is_done(recorded, Some(batch.id)) {
                    self.let_go(&batch, &children);
                    self.ready.extend(children);
                }
            }
            Step::Postponed(underway, recorded) => {
                if self.is_done(recorded, Some(underway.id())) {
                    self.ready.push_back(underway);
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
        }
    }

    fn sent(&mut self, underway: Underway, dispatched: Dispatched) {
        self.sending -= 1;
        match dispatched {
            Dispatched::Answered(Verdict::Close(closing)) => {
                match &closing.because {
                    Some(wait) => self.wait_without_batch(wait),
                    None => self.recover(),
                }
                self.close(underway, closing);
            }
            Dispatched::Answered(Verdict::Wait(wait)) => self.wait(underway, wait),
            Dispatched::NotSent(NotSent::Stopping) => {}
            Dispatched::NotSent(NotSent::LeaseLost) => self.lost(Some(underway.id())),
            Dispatched::NotSent(NotSent::NotRecorded(error)) => self.failed(&error),
        }
    }

    /// The batch has its end: write it, and put what is left of it into smaller batches.
    fn close(&mut self, underway: Underway, closing: Closing) {
        let Underway { batch, begun, .. } = underway;
        let now = Instant::now();
        let children: Vec<Underway> = batch
            .split(
                &closing.unsettled,
                closing.maybe_delivered,
                BatchId::generate,
            )
            .into_iter()
            .map(|child| Underway::child(child, now))
            .collect();
        let change = Change::Close(Close {
            batch: batch.id,
            attempts: batch.attempts,
            outcome: closing.outcome.as_str(),
            answer: closing.answer.clone(),
            rows: closing.settled.clone(),
            children: children.iter().map(Underway::entry).collect(),
        });
        self.record(change, move |recorded| {
            if matches!(recorded, Ok(Recorded::Done)) {
                BatchClosed {
                    batch: &batch,
                    closing: &closing,
                    took: begun.elapsed(),
                }
                .emit();
            }
            Step::Closed(batch, recorded, children)
        });
    }

    /// The batch goes again later, and the lane waits with it.
    fn wait(&mut self, mut underway: Underway, wait: Wait) {
        underway.batch.maybe_delivered |= wait.maybe_delivered;
        if !wait.reason.counts_as_attempt() {
            underway.batch.attempts -= 1;
        }
        if self.gives_up(&mut underway, &wait) {
            let closing = verdict::give_up(&underway.batch, &wait.message);
            return self.close(underway, closing);
        }
        let delay = self.hold(&wait);
        let (batch, lane) = (&underway.batch, &self.lease.lane);
        let news = self.context.note_waiting(lane, wait.reason.as_str());
        BatchPostponed {
            batch,
            wait: &wait,
            delay,
            news,
        }
        .emit();
        let change = Change::Postpone(Postpone {
            batch: batch.id,
            attempts: batch.attempts,
            maybe_delivered: batch.maybe_delivered,
            failing: wait.reason.runs_out(),
            hold: Hold {
                reason: wait.reason.as_str(),
                message: wait.message,
                delay,
                failures: self.failures,
            },
        });
        self.record(change, |recorded| Step::Postponed(underway, recorded));
    }

    /// The lane waits, though the batch that showed why goes no more.
    fn wait_without_batch(&mut self, wait: &Wait) {
        let delay = self.hold(wait);
        let reason = wait.reason.as_str();
        self.context.note_waiting(&self.lease.lane, reason);
        let message = wait.message.clone();
        let failures = self.failures;
        let hold = Hold {
            reason,
            message,
            delay,
            failures,
        };
        self.record(Change::Hold(hold), Step::Noted);
    }

    /// Whether the batch has been failing for longer than we try.
    fn gives_up(&self, underway: &mut Underway, wait: &Wait) -> bool {
        if !wait.reason.runs_out() {
            underway.failing_since = None;
            return false;
        }
        let since = *underway.failing_since.get_or_insert_with(Instant::now);
        let limit = self.context.options.give_up_after;
        !limit.is_zero() && since.elapsed() >= limit
    }

    /// Holds the lane. Sends that were under way together are one failure.
    fn hold(&mut self, wait: &Wait) -> Duration {
        let now = Instant::now();
        let policy = self.context.options.backoff;
        let gate = self
            .context
            .gates()
            .close(&self.lease.lane, wait, |n| policy.delay(n), now);
        let until = match (self.held_until, gate) {
            (Some(until), None) => until,
            (held, gate) => {
                self.failures += u32::from(held.is_none());
                now + gate.unwrap_or_else(|| policy.delay(self.failures))
            }
        };
        self.held_until = Some(until);
        until.saturating_duration_since(now)
    }

    /// The platform has answered: what stood in the lane's way is gone.
    fn recover(&mut self) {
        self.context.gates().open(&self.lease.lane);
        if self.failures == 0 {
            return;
        }
        self.failures = 0;
        if self.context.note_going(&self.lease.lane) {
            LaneRecovered {
                lane: &self.lease.lane,
            }
            .emit();
        }
        self.record(Change::Recover, Step::Noted);
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
            Ok(Recorded::Fenced) => self.lost(batch),
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
        if self.ended.is_none() {
            LaneFailed {
                lane: &self.lease.lane,
                error: &error.to_string(),
            }
            .emit();
            self.ended = Some(LaneEnd::Failed);
        }
    }

    /// The rows of a closed batch are free, except those that went into its children.
    fn let_go(&mut self, batch: &Batch, children: &[Underway]) {
        self.numbers.remove(&batch.contacts);
        for contact in &batch.contacts {
            self.open.remove(&contact.id);
        }
        for child in children {
            self.numbers.insert(&child.batch.contacts);
            self.open
                .extend(child.batch.contacts.iter().map(|contact| contact.id));
        }
    }
}

/// The end of a batch that has no rows any more.
fn vanished() -> Closing {
    Closing {
        outcome: Outcome::Vanished,
        answer: "all of its rows were deleted or settled by others".into(),
        settled: Vec::new(),
        unsettled: Vec::new(),
        maybe_delivered: false,
        because: None,
    }
}
