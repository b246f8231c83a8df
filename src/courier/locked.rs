//! Lanes whose writes wait for a row that another session has locked.
//!
//! An app may hold a row in a transaction of its own for as long as it likes. What is to be written
//! for the lane of that row waits here, in its order, while the writer goes on with the others; one
//! lane at a time waits at the database for its rows to be free. (SQLite knows no locked rows.)

use std::collections::VecDeque;
use std::future::pending;

use tokio::task::JoinSet;

use super::store::{Asked, Store};
use crate::contact::Lane;
use crate::telemetry::event::{LaneLocked, LaneUnlocked};

/// The lanes of one writer that wait.
pub(super) struct LockedLanes {
    store: Store,
    /// The next one first.
    waiting: VecDeque<Waiting>,
    /// The lane that waits at the database, if there is one.
    at_database: Option<Lane>,
    /// Its task; no more than one.
    tasks: JoinSet<Tried>,
}

/// What is to be written for a lane.
struct Waiting {
    lane: Lane,
    asked: Vec<Asked>,
    /// Whether it is known to be its own rows that are locked.
    is_locked: bool,
}

/// What became of it.
enum Tried {
    Written { lane: Lane, was_locked: bool },
    Locked(Waiting),
}

impl LockedLanes {
    /// None yet.
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            waiting: VecDeque::new(),
            at_database: None,
            tasks: JoinSet::new(),
        }
    }

    /// Whether no lane waits.
    pub(super) fn is_empty(&self) -> bool {
        self.at_database.is_none() && self.waiting.is_empty()
    }

    /// Whether the lane waits; then what is to be written for it has to wait behind.
    pub(super) fn holds(&self, lane: &Lane) -> bool {
        self.at_database.as_ref() == Some(lane)
            || self.waiting.iter().any(|waiting| waiting.lane == *lane)
    }

    /// These have to wait. Whose rows it is that are locked turns out when each lane is tried alone.
    pub(super) fn put(&mut self, asked: impl IntoIterator<Item = Asked>) {
        for one in asked {
            let lane = &one.0.lease.lane;
            match self
                .waiting
                .iter_mut()
                .find(|waiting| waiting.lane == *lane)
            {
                Some(waiting) => waiting.asked.push(one),
                None => self.waiting.push_back(Waiting {
                    lane: lane.clone(),
                    asked: vec![one],
                    is_locked: false,
                }),
            }
        }
        self.try_next();
    }

    /// Waits until the lane at the database is through with it, and lets the next one go there.
    pub(super) async fn turn(&mut self) {
        let Some(tried) = self.tasks.join_next().await else {
            return pending().await;
        };
        self.at_database = None;
        match tried {
            Ok(Tried::Locked(waiting)) => self.put_back(waiting),
            Ok(Tried::Written { lane, was_locked }) => {
                if was_locked {
                    LaneUnlocked { lane: &lane }.emit();
                }
            }
            // Its askers have been told by losing their way of being answered.
            Err(_panicked) => {}
        }
        self.try_next();
    }

    /// Behind the other lanes, but before what has come for the same lane meanwhile.
    fn put_back(&mut self, mut waiting: Waiting) {
        if !waiting.is_locked {
            LaneLocked {
                lane: &waiting.lane,
            }
            .emit();
        }
        waiting.is_locked = true;
        let same = |later: &Waiting| later.lane == waiting.lane;
        if let Some(later) = self.waiting.iter().position(same) {
            waiting.asked.extend(
                self.waiting
                    .remove(later)
                    .into_iter()
                    .flat_map(|later| later.asked),
            );
        }
        self.waiting.push_back(waiting);
    }

    fn try_next(&mut self) {
        if self.at_database.is_some() {
            return;
        }
        let Some(waiting) = self.waiting.pop_front() else {
            return;
        };
        self.at_database = Some(waiting.lane.clone());
        self.tasks.spawn(write(self.store.clone(), waiting));
    }
}

async fn write(store: Store, waiting: Waiting) -> Tried {
    let Waiting {
        lane,
        asked,
        is_locked,
    } = waiting;
    let asked = store.commit(asked).await;
    if asked.is_empty() {
        return Tried::Written {
            lane,
            was_locked: is_locked,
        };
    }
    Tried::Locked(Waiting {
        lane,
        asked,
        is_locked,
    })
}
