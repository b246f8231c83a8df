//! The recorder: everything that the courier writes goes through it, many writes to a transaction.
//!
//! Lanes hand in writes and wait for their answer; the recorder takes all that have gathered while
//! the last transaction ran and commits them together. Where the database can write more than one
//! thing at a time there are several writers, and a lane's writes always go to the same one: while
//! one of them settles, the others' lanes go on, and no two wait for the same rows. A write that fails because the database is
//! away is tried again until it is known to be written or fenced: a commit whose answer was lost is
//! answered by the outbox as done, not done twice.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::backoff::BackoffPolicy;
use super::lifecycle::Lifecycle;
use super::pulse::Pulse;
use crate::contact::Lane;
use crate::outbox::{Change, Lease, Outbox, OutboxError, Recorded, Write};
use crate::telemetry::event::DatabaseWatch;

/// Writes in one transaction. More would hold locks for longer than they save.
const MAX_WRITES: usize = 128;

/// Between tries while the database is away.
const RETRY: BackoffPolicy = BackoffPolicy {
    initial_interval: Duration::from_millis(100),
    max_interval: Duration::from_secs(5),
    multiplier: 2.0,
    jitter: 0.3,
};

/// The write is not known to be written: the courier is ending, or the database refuses it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not recorded: {0}")]
pub(super) struct NotRecorded(Arc<str>);

type Answer = Result<Recorded, NotRecorded>;

type Asked = (Write, oneshot::Sender<Answer>);

/// The lanes' end: a way to each writer.
#[derive(Clone)]
pub(super) struct Recorder(Arc<[mpsc::Sender<Asked>]>);

impl Recorder {
    /// Starts the recorder. It ends when all clones of the handle are gone and all is written.
    pub(super) fn start(
        outbox: &Arc<dyn Outbox>,
        watch: &Arc<DatabaseWatch>,
        pulse: &Arc<Pulse>,
        life: &Lifecycle,
    ) -> (Self, JoinSet<()>) {
        let mut tasks = JoinSet::new();
        let writers = (0..pulse.writers.len()).map(|nth| {
            let (sender, receiver) = mpsc::channel(MAX_WRITES);
            let writer = Writer {
                outbox: Arc::clone(outbox),
                watch: Arc::clone(watch),
                pulse: Arc::clone(pulse),
                nth,
                life: life.clone(),
                receiver,
            };
            tasks.spawn(writer.run());
            sender
        });
        let recorder = Self(writers.collect());
        (recorder, tasks)
    }

    /// The writer that all writes of a lane go to.
    fn writer(&self, lane: &Lane) -> Option<&mpsc::Sender<Asked>> {
        let mut hasher = DefaultHasher::new();
        lane.hash(&mut hasher);
        let writers = u64::try_from(self.0.len()).unwrap_or(1);
        let nth = usize::try_from(hasher.finish().checked_rem(writers)?).ok()?;
        self.0.get(nth)
    }

    /// Hands in a write in the name of a lease and waits until it is committed, or fenced.
    pub(super) async fn record(&self, lease: &Arc<Lease>, change: Change) -> Answer {
        let ended = || NotRecorded("the courier is ending".into());
        let (sender, receiver) = oneshot::channel();
        let write = Write {
            lease: Arc::clone(lease),
            change,
        };
        let writer = self.writer(&lease.lane).ok_or_else(ended)?;
        writer.send((write, sender)).await.map_err(|_| ended())?;
        receiver.await.map_err(|_| ended())?
    }
}

struct Writer {
    outbox: Arc<dyn Outbox>,
    watch: Arc<DatabaseWatch>,
    pulse: Arc<Pulse>,
    /// Which of the writers this is.
    nth: usize,
    life: Lifecycle,
    receiver: mpsc::Receiver<Asked>,
}

impl Writer {
    async fn run(mut self) {
        let mut gathered = Vec::new();
        let pulse = Arc::clone(&self.pulse);
        let beat = &pulse.writers[self.nth];
        while beat
            .turning(self.receiver.recv_many(&mut gathered, MAX_WRITES))
            .await
            > 0
        {
            let (writes, askers): (Vec<Write>, Vec<_>) = gathered.drain(..).unzip();
            let answers = beat.turning(self.commit(&writes)).await;
            for (asker, answer) in askers.into_iter().zip(answers) {
                // Whoever asked may have been dropped at a hard end.
                asker.send(answer).ok();
            }
        }
    }

    /// Commits, and tries again while the database is away. If it refuses the whole, each write is
    /// tried alone, so that one of them cannot stand in the way of the others.
    async fn commit(&self, writes: &[Write]) -> Vec<Answer> {
        match self.persist(writes).await {
            Ok(recorded) => recorded.into_iter().map(Ok).collect(),
            Err(error) if writes.len() == 1 => vec![Err(error)],
            Err(_) => {
                let mut answers = Vec::with_capacity(writes.len());
                for write in writes {
                    let one = self.persist(std::slice::from_ref(write)).await;
                    answers.push(one.map(|r| r.first().copied().unwrap_or(Recorded::Fenced)));
                }
                answers
            }
        }
    }

    async fn persist(&self, writes: &[Write]) -> Result<Vec<Recorded>, NotRecorded> {
        for failures in 1.. {
            let error = match self.outbox.record(writes).await {
                Ok(recorded) => {
                    self.watch.works();
                    return Ok(recorded);
                }
                Err(error) => error,
            };
            self.watch.fails(&error);
            if !error.is_transient() {
                return Err(not_recorded(&error));
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY.delay(failures)) => {}
                () = self.life.killed() => return Err(not_recorded(&error)),
            }
        }
        Err(NotRecorded("given up".into()))
    }
}

fn not_recorded(error: &OutboxError) -> NotRecorded {
    NotRecorded(error.to_string().into())
}
