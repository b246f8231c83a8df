//! The store: one transaction of many writes, handed in until it is known what became of it.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::backoff::BackoffPolicy;
use super::lifecycle::Lifecycle;
use crate::outbox::{Outbox, OutboxError, Recorded, Write};
use crate::telemetry::event::DatabaseWatch;

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

impl NotRecorded {
    /// There is nobody any more who would write it.
    pub(super) fn ending() -> Self {
        Self("the courier is ending".into())
    }
}

impl From<&OutboxError> for NotRecorded {
    fn from(error: &OutboxError) -> Self {
        Self(error.to_string().into())
    }
}

/// What became of a write.
pub(super) type Answer = Result<Recorded, NotRecorded>;

/// A write, and who wants to know what becomes of it.
pub(super) type Asked = (Write, oneshot::Sender<Answer>);

/// Where writes go.
#[derive(Clone)]
pub(super) struct Store {
    /// The database.
    pub(super) outbox: Arc<dyn Outbox>,
    /// Tells of its trouble, once.
    pub(super) watch: Arc<DatabaseWatch>,
    /// Whether to go on trying.
    pub(super) life: Lifecycle,
}

impl Store {
    /// Commits them, and tells everybody who asked. Tries again while the database is away; if it
    /// refuses the whole, each write is tried alone, so that one of them cannot stand in the way of
    /// the others. Gives back what is not written, for another session has locked a row.
    pub(super) async fn commit(&self, asked: Vec<Asked>) -> Vec<Asked> {
        let (writes, askers): (Vec<Write>, Vec<_>) = asked.into_iter().unzip();
        let answers = self.persist_all(&writes).await;
        let mut locked = Vec::new();
        for ((write, asker), answer) in writes.into_iter().zip(askers).zip(answers) {
            match answer {
                // Whoever asked may have been dropped at a hard end.
                Some(answer) => drop(asker.send(answer)),
                None => locked.push((write, asker)),
            }
        }
        locked
    }

    /// An answer for each write; `None`: it has to wait for a locked row.
    async fn persist_all(&self, writes: &[Write]) -> Vec<Option<Answer>> {
        match self.persist(writes).await {
            None => writes.iter().map(|_| None).collect(),
            Some(Ok(recorded)) => recorded.into_iter().map(|done| Some(Ok(done))).collect(),
            Some(Err(error)) if writes.len() == 1 => vec![Some(Err(error))],
            Some(Err(_)) => {
                let mut answers = Vec::with_capacity(writes.len());
                for write in writes {
                    let one = self.persist(slice::from_ref(write)).await;
                    let first = |one: Vec<Recorded>| one.first().copied();
                    answers.push(one.map(|one| Ok(first(one?).unwrap_or(Recorded::Fenced))));
                }
                answers
            }
        }
    }

    /// `None`: another session has locked a row.
    async fn persist(&self, writes: &[Write]) -> Option<Result<Vec<Recorded>, NotRecorded>> {
        let mut failures = 0;
        loop {
            let error = match self.outbox.record(writes).await {
                Ok(recorded) => {
                    self.watch.works();
                    return Some(Ok(recorded));
                }
                Err(OutboxError::Locked(_)) => return None,
                Err(error) => error,
            };
            self.watch.fails(&error);
            if !error.is_transient() {
                return Some(Err((&error).into()));
            }
            failures += 1;
            tokio::select! {
                () = tokio::time::sleep(RETRY.delay(failures)) => {}
                () = self.life.killed() => return Some(Err((&error).into())),
            }
        }
    }
}
