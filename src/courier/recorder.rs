//! The recorder: everything that the courier writes goes through it, many writes to a transaction.
//!
//! Lanes hand in writes and wait for their answers. A lane's writes are written in the order in
//! which they were handed in: a hold and its end could otherwise change places. The recorder takes
//! all writes that have gathered while the last transaction ran and commits them together
//! ([`Store`]). Where the database can write several things at once there are several writers, and
//! a lane's writes always go to the same one. While one writer settles, the others' lanes go on,
//! and no two writers wait for the same rows. A write that fails because the database is away is
//! tried again until it is known to be written or fenced: if only the answer of a commit was lost,
//! the outbox reports the write as done and does not do it twice. Writes of rows that another
//! session keeps locked wait apart ([`LockedWrites`]), and so does a lane that waits for any other
//! lock ([`StuckLanes`]).

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use super::lifecycle::Lifecycle;
use super::locked::LockedWrites;
use super::locks::Locks;
use super::pulse::Pulse;
use super::store::{Answer, Asked, NotRecorded, Store};
use super::stuck::StuckLanes;
use super::watch::DatabaseWatch;
use crate::contact::Lane;
use crate::outbox::{Change, Lease, Outbox, Write};

/// At most this many writes share a transaction. More would hold locks for longer than they save.
const MAX_WRITES: usize = 128;

/// A transaction ends with the write that brings it to this many bytes, so that neither its
/// statements nor the database's answer grow without bound.
const MAX_BYTES: usize = 1_048_576;

/// The lanes' handle to the writers.
#[derive(Clone)]
pub(super) struct Recorder {
    writers: Arc<[mpsc::UnboundedSender<Asked>]>,
    locked_lanes: Arc<AtomicUsize>,
    /// The stuck lanes of each writer.
    stuck_lanes: Arc<[Arc<StuckLanes>]>,
}

impl Recorder {
    /// Starts the recorder. It ends when all clones of the handle are gone and all is written. Which
    /// lanes wait for locks is noted in `locks`.
    pub(super) fn start(
        outbox: &Arc<dyn Outbox>,
        (watch, locks): (&Arc<DatabaseWatch>, &Arc<Locks>),
        pulse: &Arc<Pulse>,
        life: &Lifecycle,
    ) -> (Self, JoinSet<()>) {
        let mut tasks = JoinSet::new();
        let locked_lanes = Arc::new(AtomicUsize::new(0));
        // There are half as many writers as connections, and half as many tries as writers.
        let tries = Arc::new(Semaphore::new((pulse.writers.len() / 2).max(1)));
        let stuck_lanes: Arc<[_]> = (0..pulse.writers.len())
            .map(|_| Arc::new(StuckLanes::new(Arc::clone(&tries), Arc::clone(locks))))
            .collect();
        let store = Store {
            outbox: Arc::clone(outbox),
            watch: Arc::clone(watch),
            life: life.clone(),
        };
        let writers = stuck_lanes.iter().enumerate().map(|(nth, stuck)| {
            // A lane has few writes under way at once, and waits for them.
            let (sender, receiver) = mpsc::unbounded_channel();
            let writer = Writer {
                store: store.clone(),
                locked: LockedWrites::new(Arc::clone(&locked_lanes), Arc::clone(locks)),
                stuck: Arc::clone(stuck),
                pulse: Arc::clone(pulse),
                nth,
                receiver,
            };
            tasks.spawn(writer.run());
            sender
        });
        let recorder = Self {
            writers: writers.collect(),
            locked_lanes,
            stuck_lanes,
        };
        (recorder, tasks)
    }

    /// Returns the number of the writer to which all writes of the lane go.
    fn nth(&self, lane: &Lane) -> Option<usize> {
        let mut hasher = DefaultHasher::new();
        lane.hash(&mut hasher);
        let writers = u64::try_from(self.writers.len()).unwrap_or(1);
        usize::try_from(hasher.finish().checked_rem(writers)?).ok()
    }

    fn writer(&self, lane: &Lane) -> Option<&mpsc::UnboundedSender<Asked>> {
        self.writers.get(self.nth(lane)?)
    }

    /// Whether writes of the lane wait for a lock that is not on a contact's row. Further ones would wait
    /// behind them.
    pub(super) fn is_stuck(&self, lane: &Lane) -> bool {
        let stuck = self.nth(lane).and_then(|nth| self.stuck_lanes.get(nth));
        stuck.is_some_and(|stuck| stuck.has(lane))
    }

    /// Returns how many lanes wait for locks of other sessions.
    pub(super) fn locked_lanes(&self) -> usize {
        let stuck = self.stuck_lanes.iter().map(|stuck| stuck.len());
        self.locked_lanes.load(Ordering::Relaxed) + stuck.sum::<usize>()
    }

    /// Hands in a write in the name of a lease, at once. The answer comes when the write is
    /// committed, or fenced.
    pub(super) fn record(
        &self,
        lease: &Arc<Lease>,
        change: Change,
    ) -> impl Future<Output = Answer> + Send + use<> {
        let (sender, receiver) = oneshot::channel();
        let write = Write {
            lease: Arc::clone(lease),
            change,
        };
        let handed_in = self
            .writer(&lease.lane)
            .is_some_and(|writer| writer.send((write, sender)).is_ok());
        async move {
            if !handed_in {
                return Err(NotRecorded::ending());
            }
            receiver.await.map_err(|_| NotRecorded::ending())?
        }
    }
}

struct Writer {
    store: Store,
    locked: LockedWrites,
    stuck: Arc<StuckLanes>,
    pulse: Arc<Pulse>,
    /// The number of this writer.
    nth: usize,
    receiver: mpsc::UnboundedReceiver<Asked>,
}

impl Writer {
    async fn run(self) {
        let (store, stuck) = (self.store.clone(), Arc::clone(&self.stuck));
        let write = async {
            self.write().await;
            stuck.close();
        };
        tokio::join!(write, stuck.run(&store));
    }

    async fn write(mut self) {
        let pulse = Arc::clone(&self.pulse);
        let beat = &pulse.writers[self.nth];
        let mut asked = Vec::new();
        let mut open = true;
        while open || !self.locked.is_empty() {
            let gathering = self.receiver.recv_many(&mut asked, MAX_WRITES);
            let wait = async {
                tokio::select! {
                    count = gathering, if open => WokenBy::Gathered(count),
                    () = self.locked.time_to_look() => WokenBy::Look,
                }
            };
            let locked = match beat.turning(wait).await {
                WokenBy::Gathered(count) => {
                    open = count > 0;
                    beat.turning(self.commit(mem::take(&mut asked))).await
                }
                WokenBy::Look => {
                    let free = beat.turning(self.locked.take_free(&self.store)).await;
                    beat.turning(self.commit_free(free)).await
                }
            };
            self.locked.put(locked);
        }
    }

    /// Commits writes, and returns those that settle locked rows. If any row is known to be locked,
    /// it looks for more of them first: waiting for a lock would delay the whole transaction.
    async fn commit(&self, asked: Vec<Asked>) -> Vec<Asked> {
        if !self.locked.are_there() {
            return self.commit_free(asked).await;
        }
        let (mut locked, free) = self.store.apart(asked).await;
        locked.extend(self.commit_free(free).await);
        locked
    }

    /// Commits writes that are not known to wait, in transactions of bounded length. Writes that
    /// wait for another lock than a row's are left to the stuck lanes.
    async fn commit_free(&self, asked: Vec<Asked>) -> Vec<Asked> {
        let mut locked = Vec::new();
        let mut asked = VecDeque::from(asked);
        while !asked.is_empty() {
            let free = self.stuck.put_behind(portion(&mut asked));
            let unwritten = self.store.commit(free).await;
            locked.extend(unwritten.of_locked_rows);
            self.stuck.put(unwritten.stuck);
        }
        locked
    }
}

/// Takes the first writes that make a transaction, at least one.
fn portion(asked: &mut VecDeque<Asked>) -> Vec<Asked> {
    let mut bytes = 0;
    let mut some = Vec::new();
    while bytes < MAX_BYTES
        && let Some(one) = asked.pop_front()
    {
        bytes += one.0.change.bytes();
        some.push(one);
    }
    some
}

/// The reason why a writer goes on.
enum WokenBy {
    /// This many writes have gathered. Zero: there will be no more.
    Gathered(usize),
    /// It is time to look whether locked rows are free.
    Look,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Hold;
    use std::time::Duration;

    #[tokio::test]
    async fn what_a_lane_hands_in_first_is_written_first_whoever_is_polled_first() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let recorder = Recorder {
            writers: [sender].into(),
            locked_lanes: Arc::default(),
            stuck_lanes: [].into(),
        };
        let lease = Arc::new(Lease {
            lane: Lane::new("u", "t").unwrap(),
            token: 1,
            failures: 0,
        });
        let hold = Change::Hold(Hold {
            reason: "not_found",
            message: String::new(),
            delay: Duration::ZERO,
            failures: 1,
            needs_person: true,
        });
        let first = recorder.record(&lease, hold);
        let second = recorder.record(&lease, Change::Recover);
        let writer = async {
            let mut written = Vec::new();
            for _ in 0..2 {
                let (write, asker) = receiver.recv().await.unwrap();
                written.push(matches!(write.change, Change::Hold(_)));
                asker.send(Ok(crate::outbox::Recorded::Done)).unwrap();
            }
            written
        };
        let (second, first, written) = tokio::join!(second, first, writer);
        assert!(second.is_ok() && first.is_ok());
        assert_eq!(written, [true, false]);
    }
}
