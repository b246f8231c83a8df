//! The store: writes many changes in one transaction, and tries until the result is known.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::backoff::BackoffPolicy;
use super::lifecycle::Lifecycle;
use super::watch::{DatabaseWatch, DatabaseWork};
use crate::contact::ContactId;
use crate::outbox::{Outbox, OutboxError, Recorded, Write};

/// The time between tries while the database is away.
const RETRY: BackoffPolicy = BackoffPolicy {
    initial_interval: Duration::from_millis(100),
    max_interval: Duration::from_secs(5),
    multiplier: 2.0,
    jitter: 0.3,
};

/// The write is not known to be done.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum NotRecorded {
    /// The courier is ending.
    #[error("not recorded: {0}")]
    Ending(Arc<str>),
    /// The database refuses the write, now and later. Holds its words.
    #[error("{0}")]
    Refused(Arc<str>),
}

impl NotRecorded {
    /// Returns the error of a write that comes after the writers have ended.
    pub(super) fn ending() -> Self {
        Self::Ending("the courier is ending".into())
    }
}

impl From<&OutboxError> for NotRecorded {
    fn from(error: &OutboxError) -> Self {
        let words = error.to_string().into();
        if error.is_transient() {
            Self::Ending(words)
        } else {
            Self::Refused(words)
        }
    }
}

/// The result of a write.
pub(super) type Answer = Result<Recorded, NotRecorded>;

/// A write, with the channel for its answer.
pub(super) type Asked = (Write, oneshot::Sender<Answer>);

#[derive(Clone)]
pub(super) struct Store {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) watch: Arc<DatabaseWatch>,
    pub(super) life: Lifecycle,
}

/// The result of a transaction.
enum Attempt {
    Done(Vec<Recorded>),
    /// The transaction has waited in vain for another session's lock.
    Locked(OutboxError),
    /// The transaction will never be committed, or the courier is ending.
    Failed(NotRecorded),
}

/// Writes that wait for another session.
#[derive(Default)]
pub(super) struct Unwritten {
    /// Writes that settle rows which the other session keeps locked.
    pub(super) of_locked_rows: Vec<Asked>,
    /// Writes that may wait for any other lock.
    pub(super) stuck: Vec<Asked>,
    /// The database's error about that lock.
    pub(super) lock: Option<OutboxError>,
}

impl Unwritten {
    /// Whether a write of the same lane is stuck.
    fn is_stuck(&self, (write, _): &Asked) -> bool {
        let lane = &write.lease.lane;
        self.stuck
            .iter()
            .any(|(other, _)| other.lease.lane == *lane)
    }

    /// Adds the writes that wait in `other`.
    pub(super) fn extend(&mut self, other: Self) {
        self.of_locked_rows.extend(other.of_locked_rows);
        self.stuck.extend(other.stuck);
        self.lock = other.lock.or(self.lock.take());
    }
}

impl Store {
    /// Commits the writes and answers everybody who asked. Tries again while the database is away.
    /// If the database refuses the whole, each write is tried alone, so that no write stands in the
    /// way of the others. Returns the writes that wait because another session keeps something
    /// locked.
    pub(super) async fn commit(&self, mut asked: Vec<Asked>) -> Unwritten {
        let mut unwritten = Unwritten::default();
        while !asked.is_empty() {
            let (writes, askers): (Vec<Write>, Vec<_>) = asked.into_iter().unzip();
            let attempt = self.attempt(&writes).await;
            asked = match attempt {
                Attempt::Done(recorded) => {
                    for (asker, recorded) in askers.into_iter().zip(recorded) {
                        // The lane may have been dropped at a hard end.
                        asker.send(Ok(recorded)).ok();
                    }
                    Vec::new()
                }
                Attempt::Failed(error) if askers.len() == 1 || self.life.is_killed() => {
                    for asker in askers {
                        asker.send(Err(error.clone())).ok();
                    }
                    Vec::new()
                }
                Attempt::Failed(_) => {
                    let (waits, free) = self.apart(writes.into_iter().zip(askers)).await;
                    unwritten.of_locked_rows.extend(waits);
                    for one in free {
                        // This write waits behind an earlier one of its lane.
                        if unwritten.is_stuck(&one) {
                            unwritten.stuck.push(one);
                        } else {
                            unwritten.extend(Box::pin(self.commit(vec![one])).await);
                        }
                    }
                    Vec::new()
                }
                Attempt::Locked(error) => {
                    let (waits, free) = self.apart(writes.into_iter().zip(askers)).await;
                    if waits.is_empty() {
                        unwritten.stuck.extend(free);
                        unwritten.lock = Some(error);
                        return unwritten;
                    }
                    unwritten.of_locked_rows.extend(waits);
                    free
                }
            };
        }
        unwritten
    }

    /// Divides the writes into those that settle a row which another session keeps locked, and the
    /// others. If the locked rows cannot be found out, all writes are among the others.
    pub(super) async fn apart(
        &self,
        asked: impl IntoIterator<Item = Asked>,
    ) -> (Vec<Asked>, Vec<Asked>) {
        let asked: Vec<Asked> = asked.into_iter().collect();
        match self.locked(&asked).await {
            Some(locked) => apart(asked, &locked),
            None => (Vec::new(), asked),
        }
    }

    /// Returns the contacts that the writes settle and whose rows another session keeps locked, or
    /// `None` if that cannot be found out.
    pub(super) async fn locked(&self, asked: &[Asked]) -> Option<HashSet<ContactId>> {
        let contacts = asked.iter().flat_map(|(write, _)| write.change.settles());
        let contacts: Vec<ContactId> = contacts.collect();
        if contacts.is_empty() {
            return Some(HashSet::new());
        }
        let asked = Instant::now();
        let locked = self.outbox.locked(&contacts).await;
        self.watch.note(DatabaseWork::Read, asked, &locked);
        let locked: HashSet<ContactId> = locked.ok()?.into_iter().collect();
        if !locked.is_empty() {
            // The write has waited for these rows, and that is no trouble.
            self.watch.works(DatabaseWork::Write, asked);
        }
        Some(locked)
    }

    async fn attempt(&self, writes: &[Write]) -> Attempt {
        let mut failures = 0;
        loop {
            let asked = Instant::now();
            let error = match self.outbox.record(writes).await {
                Ok(recorded) => {
                    self.watch.works(DatabaseWork::Write, asked);
                    if writes
                        .iter()
                        .any(|write| write.change.settles().next().is_some())
                    {
                        self.watch.settles(asked);
                    }
                    return Attempt::Done(recorded);
                }
                Err(error @ OutboxError::Locked(_)) if !self.life.is_killed() => {
                    return Attempt::Locked(error);
                }
                // The database is there and refuses: the trouble is the lane's, not the database's.
                Err(error) if !error.is_transient() => return Attempt::Failed((&error).into()),
                Err(error) => error,
            };
            self.watch.fails(DatabaseWork::Write, asked, &error);
            if self.life.is_killed() {
                return Attempt::Failed((&error).into());
            }
            failures += 1;
            self.life.sleep_hard(RETRY.delay(failures)).await;
        }
    }
}

/// Divides the writes into those that settle one of these contacts, and the others.
pub(super) fn apart(asked: Vec<Asked>, locked: &HashSet<ContactId>) -> (Vec<Asked>, Vec<Asked>) {
    let waits = |(write, _): &Asked| write.change.settles().any(|id| locked.contains(&id));
    asked.into_iter().partition(waits)
}
