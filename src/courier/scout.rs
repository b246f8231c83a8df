//! The scout: finds lanes with work, leases them and puts them to work, a bounded number at a time.
//!
//! Lanes take turns: the scout goes through them in order and goes on where it stopped, and a lane
//! at work gives its place up after a turn when others wait. Its neighbours are the outbox, which
//! knows the lanes, and [`LaneAtWork`].

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use super::context::Context;
use super::lane::{LaneAtWork, LaneEnd};
use super::watch::DatabaseWork;
use crate::contact::Lane;
use crate::outbox::{LaneFound, LaneQuery, OutboxError};
use crate::telemetry::event::LaneFailed;

/// A lane that failed for a reason of its own is left alone for so long.
const COOLING: Duration = Duration::from_mins(1);

/// A lane is left alone for so long if the server that reads is behind the one that writes.
const CATCHING_UP: Duration = Duration::from_secs(2);

/// How often the scout looks around in a poll interval while lanes are at work.
const BUSY: u32 = 4;

pub(super) struct Scout {
    context: Arc<Context>,
    instance: Uuid,
    position: Option<Lane>,
    /// Lanes that were found and not looked at yet. A search costs time for each lane that it
    /// finds, so lanes that were left over for want of a place are used before the next search.
    ahead: VecDeque<LaneFound>,
    searched_at: Option<Instant>,
    at_work: HashSet<Lane>,
    tasks: JoinSet<LaneEnd>,
    lanes: HashMap<Id, Lane>,
    cooling: HashMap<Lane, Instant>,
    /// Whether it reports trouble with the database, because it goes on in spite of that.
    tells: bool,
}

/// The result of one look around.
#[derive(Debug, Default, PartialEq, Eq)]
struct Look {
    /// Lanes that were put to work.
    started: usize,
    /// When the next lane that lingers is ripe.
    ripe_in: Option<Duration>,
}

impl Scout {
    /// A scout that has not looked around yet.
    pub(super) fn new(context: Arc<Context>, instance: Uuid) -> Self {
        Self {
            context,
            instance,
            position: None,
            ahead: VecDeque::new(),
            searched_at: None,
            at_work: HashSet::new(),
            tasks: JoinSet::new(),
            lanes: HashMap::new(),
            cooling: HashMap::new(),
            tells: false,
        }
    }

    /// Looks around until the courier ends, then waits for the lanes at work.
    pub(super) async fn run(mut self) {
        while !self.context.life.is_stopping() {
            let pulse = Arc::clone(&self.context.pulse);
            let look = pulse.scout.turning(self.look_and_report()).await;
            self.rest(look.and_then(|look| look.ripe_in)).await;
        }
        self.drain().await;
    }

    /// Looks around until no lane can be worked any more: everything that is due is settled, or
    /// waits for something that takes long.
    pub(super) async fn run_once(mut self) -> Result<(), OutboxError> {
        // Whether no other courier had a lane before the last look.
        let mut alone = false;
        while !self.context.life.is_stopping() {
            let look = self.look().await?;
            if look.started == 0 && self.tasks.is_empty() {
                if alone {
                    return Ok(());
                }
                // Lanes of another courier are delivered by it, or free when its lease ends. Its
                // lease may have ended since the look, so one more look is needed.
                alone = self.context.outbox.backlog(self.instance).await?.elsewhere == 0;
                if alone {
                    continue;
                }
            } else {
                alone = false;
            }
            self.rest(None).await;
        }
        self.drain().await;
        Ok(())
    }

    /// Rests for a poll interval, or until there is reason to look sooner: a place that others wait
    /// for, a lane that is ripe, or no lane at work at all. Where there is work, more comes soon.
    async fn rest(&mut self, ripe_in: Option<Duration>) {
        let poll = self.context.poll_interval;
        let poll = if self.tasks.is_empty() {
            poll
        } else {
            poll / BUSY
        };
        let context = Arc::clone(&self.context);
        let rest = context
            .life
            .sleep(ripe_in.map_or(poll, |ripe_in| ripe_in.min(poll)));
        tokio::pin!(rest);
        loop {
            tokio::select! {
                () = &mut rest => return,
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
            }
            if self.context.notes.others_wait() || self.tasks.is_empty() {
                return;
            }
        }
    }

    async fn drain(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<(Id, LaneEnd), JoinError>) {
        let (id, end) = match ended {
            Ok((id, end)) => (id, end),
            Err(panicked) => (panicked.id(), LaneEnd::Failed),
        };
        let Some(lane) = self.lanes.remove(&id) else {
            return;
        };
        self.at_work.remove(&lane);
        self.context.notes.set_lanes_at_work(self.at_work.len());
        self.context.gates().back(&lane);
        let rest = match end {
            LaneEnd::Failed => COOLING,
            LaneEnd::Behind => CATCHING_UP,
            LaneEnd::Done | LaneEnd::Lost => return,
        };
        self.cooling.insert(lane, Instant::now() + rest);
    }

    async fn look_and_report(&mut self) -> Option<Look> {
        self.tells = true;
        self.look().await.ok()
    }

    /// Puts as many lanes to work as there are places.
    async fn look(&mut self) -> Result<Look, OutboxError> {
        let now = Instant::now();
        self.cooling.retain(|_, until| *until > now);
        self.context.limiter.tidy();
        let places = self.context.places();
        let mut free = places.saturating_sub(self.at_work.len());
        let mut look = Look::default();
        // Without a good lease nothing could be sent, and lanes would only be leased and lost.
        if free == 0 || !self.context.leases.is_good() {
            self.context.notes.set_others_wait(free == 0);
            return Ok(look);
        }
        if self.ahead.is_empty() || self.is_due_to_search(now) {
            let found = self.find().await;
            self.tell(DatabaseWork::Search, now, &found);
            self.ahead = found?.into();
            self.searched_at = Some(now);
        }
        while free > 0 {
            let Some(LaneFound { lane, ripe_in }) = self.ahead.pop_front() else {
                break;
            };
            // The next search begins behind every lane that was looked at, so that lanes which may
            // not send for now never stand in the way of those behind them.
            self.position = Some(lane.clone());
            if self.at_work.contains(&lane) || self.cooling.contains_key(&lane) {
                continue;
            }
            if !ripe_in.is_zero() {
                look.ripe_in = Some(look.ripe_in.map_or(ripe_in, |least| least.min(ripe_in)));
                continue;
            }
            if self.start(&lane).await? {
                (free, look.started) = (free - 1, look.started + 1);
            }
        }
        let ripe =
            |found: &LaneFound| found.ripe_in.is_zero() && !self.at_work.contains(&found.lane);
        let others_wait = self.ahead.iter().any(ripe);
        self.context.notes.set_others_wait(others_wait);
        Ok(look)
    }

    fn is_due_to_search(&self, now: Instant) -> bool {
        let poll = self.context.poll_interval / BUSY;
        self.searched_at
            .is_none_or(|searched| now.duration_since(searched) >= poll)
    }

    /// Finds lanes that may be worked, from where the last search stopped and once around: those at
    /// work and as many again as there are places.
    async fn find(&self) -> Result<Vec<LaneFound>, OutboxError> {
        let tuning = self.context.tuning();
        let limit = self.context.places() + self.at_work.len() + 1;
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let mut query = LaneQuery {
            instance: self.instance,
            after: self.position.clone(),
            limit,
            linger: tuning.linger,
            batch_size: u32::try_from(tuning.batch_size).unwrap_or(u32::MAX),
        };
        let mut found = self.context.outbox.find_lanes(&query).await?;
        if found.len() < limit as usize && query.after.is_some() {
            query.after = None;
            let seen: HashSet<Lane> = found.iter().map(|found| found.lane.clone()).collect();
            let around = self.context.outbox.find_lanes(&query).await?;
            found.extend(
                around
                    .into_iter()
                    .filter(|found| !seen.contains(&found.lane)),
            );
        }
        Ok(found)
    }

    /// Notes whether the database works, unless an error ends the run and is reported by that.
    fn tell<T>(&self, work: DatabaseWork, asked: Instant, answer: &Result<T, OutboxError>) {
        if self.tells {
            self.context.watch.note(work, asked, answer);
        }
    }

    /// A lane that cannot be leased for a reason of its own must not stop the others.
    fn not_leased(&mut self, lane: &Lane, error: Option<OutboxError>) -> Result<bool, OutboxError> {
        match error {
            None => Ok(false),
            // Another courier is writing it, or an app has locked it.
            Some(OutboxError::Locked(_)) => {
                self.cooling.insert(lane.clone(), Instant::now() + COOLING);
                Ok(false)
            }
            Some(error) if error.is_transient() => Err(error),
            Some(error) => {
                let text = error.to_string();
                LaneFailed { lane, error: &text }.emit();
                self.cooling.insert(lane.clone(), Instant::now() + COOLING);
                Ok(false)
            }
        }
    }

    /// Leases the lane and puts it to work. Returns `false` if another courier has it, or if it may
    /// not send now.
    async fn start(&mut self, lane: &Lane) -> Result<bool, OutboxError> {
        if !self.context.gates().enter(lane, Instant::now()) {
            return Ok(false);
        }
        let asked = Instant::now();
        let leased = self.context.outbox.lease(lane, self.instance).await;
        // Trouble of a single lane is reported as such.
        let is_general = |error: &OutboxError| error.is_transient();
        if leased.as_ref().err().is_none_or(is_general) {
            self.tell(DatabaseWork::Lease, asked, &leased);
        }
        let leased = match leased {
            Ok(Some(leased)) => leased,
            not_leased => {
                self.context.gates().back(lane);
                return self.not_leased(lane, not_leased.err());
            }
        };
        let context = Arc::clone(&self.context);
        let task = self
            .tasks
            .spawn(async move { LaneAtWork::new(context, leased).run().await });
        self.lanes.insert(task.id(), lane.clone());
        self.at_work.insert(lane.clone());
        self.context.notes.set_lanes_at_work(self.at_work.len());
        Ok(true)
    }
}
