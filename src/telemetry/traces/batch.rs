//! The trace of a batch: its way so far, carried along with it.

use std::sync::Arc;

use tokio::time::Instant;

use super::queue::Queue;
use super::way::{HeldBy, Kind, Origin, Sent, Step, Waited, Way};
use crate::batch::Batch;
use crate::platform::verdict::{Closing, Outcome, Reply, Verdict};
use crate::settlement::{Final, RowOutcome};

/// The way of a batch; empty for a batch that is not traced.
///
/// However the batch is dropped, its way is handed over as far as it went.
#[derive(Debug, Default)]
pub struct BatchTrace(Option<Box<Recording>>);

#[derive(Debug)]
struct Recording {
    way: Way,
    /// The step that has not ended.
    step: Step,
    /// Why the batch is refused or held up for now, in words.
    refused: Option<String>,
    queue: Arc<Queue>,
}

impl BatchTrace {
    /// Begins the way of a batch that is ready to be sent.
    pub(super) fn begin(
        queue: Arc<Queue>,
        batch: &Batch,
        origin: Origin,
        read_at: Instant,
    ) -> Self {
        let now = Instant::now();
        let composed = origin == Origin::Composed;
        let mut way = Way::new(batch, origin, if composed { read_at } else { now });
        if composed {
            way.steps.push(Step {
                ended: now,
                ..Step::new(Kind::Compose, read_at)
            });
        }
        Self(Some(Box::new(Recording {
            way,
            step: Step::new(Kind::Wait(Waited::default()), now),
            refused: None,
            queue,
        })))
    }

    /// Waits for `until`, and adds the time to the holds of the batch.
    pub async fn held<T>(&mut self, hold: HeldBy, until: impl Future<Output = T>) -> T {
        let Some(recording) = &mut self.0 else {
            return until.await;
        };
        let began = Instant::now();
        let done = until.await;
        if let Kind::Wait(waited) = &mut recording.step.kind {
            waited.held[hold as usize] += began.elapsed();
        }
        done
    }

    /// Notes that the batch is sent.
    pub fn sends(&mut self, attempt: u32) {
        self.goes_on(Kind::Send(Sent {
            attempt,
            http: None,
            outcome: None,
        }));
    }

    /// Notes the answer, or that none will come.
    pub fn answered(&mut self, reply: &Reply, verdict: &Verdict) {
        let Some(recording) = &mut self.0 else { return };
        let words = match verdict {
            Verdict::Wait(wait) => Some(&wait.message),
            Verdict::Close(closing) => fails(closing.outcome).then_some(&closing.answer),
        };
        recording.refused = words.cloned();
        recording.step.error.clone_from(&recording.refused);
        if let Kind::Send(sent) = &mut recording.step.kind {
            sent.outcome = Some(verdict.outcome());
            sent.http = match reply {
                Reply::Answer(answer) => Some(answer.http),
                _ => None,
            };
        }
    }

    /// Notes that the batch waits to be sent (again), after a failure or in front of a gate.
    pub fn waits(&mut self, because: &'static str) {
        let Some(recording) = &mut self.0 else { return };
        match &mut recording.step.kind {
            Kind::Wait(waited) => waited.because = Some(because),
            _ => self.goes_on(Kind::Wait(Waited {
                because: Some(because),
                ..Waited::default()
            })),
        }
    }

    /// Notes that the end of the batch is being written.
    pub fn settles(&mut self) {
        self.goes_on(Kind::Settle);
    }

    /// Notes that the end of the batch is written.
    pub fn closed(mut self, batch: &Batch, closing: &Closing) {
        let Some(recording) = &mut self.0 else { return };
        let way = &mut recording.way;
        way.attempts = batch.attempts;
        way.outcome = closing.outcome.as_str();
        let failed = |row: &&RowOutcome| matches!(row.end, Final::Failed { .. });
        way.failed = closing.settled.iter().filter(failed).count();
        recording.refused = fails(closing.outcome).then(|| closing.answer.clone());
    }

    /// Notes that another owner goes on with the batch.
    pub fn lost(mut self) {
        if let Some(recording) = &mut self.0 {
            let why =
                "left to the lane's next owner: the lease is lost, or its end cannot be written";
            recording.step.error = Some(why.into());
            recording.refused = Some(why.into());
        }
    }

    fn goes_on(&mut self, kind: Kind) {
        if let Some(recording) = &mut self.0 {
            let now = Instant::now();
            let mut step = std::mem::replace(&mut recording.step, Step::new(kind, now));
            step.ended = now;
            recording.way.steps.push(step);
        }
    }
}

impl Drop for BatchTrace {
    fn drop(&mut self) {
        let Some(recording) = self.0.take() else {
            return;
        };
        let Recording {
            mut way,
            mut step,
            refused,
            queue,
        } = *recording;
        let now = Instant::now();
        step.ended = now;
        way.steps.push(step);
        way.ended = now;
        way.error = refused;
        queue.offer(way);
    }
}

/// Whether this outcome is shown as a failure.
fn fails(outcome: Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::Imported | Outcome::Vanished | Outcome::TakenApart
    )
}
