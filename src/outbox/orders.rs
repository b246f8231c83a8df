//! What operators order the couriers: whom to pause, and whom to try at once.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::rows::Columns;
use super::span::to_duration;
use super::{ClosedGate, HeldLane};
use crate::contact::{Lane, Violation};

/// The lanes that an order is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OrderScope {
    /// All lanes.
    All,
    /// All lanes of a user.
    User(String),
    /// A single lane.
    Lane(Lane),
}

impl OrderScope {
    /// All lanes of a user, if a user may have this id.
    pub fn user(user_id: &str) -> Result<Self, Violation> {
        Lane::check_user(user_id)?;
        Ok(Self::User(user_id.to_owned()))
    }

    /// Whether it is about this lane, too.
    pub fn covers(&self, lane: &Lane) -> bool {
        match self {
            Self::All => true,
            Self::User(user) => user == lane.user_id(),
            Self::Lane(one) => one == lane,
        }
    }

    /// The columns `user_id` and `task_id`: what is empty means any.
    pub(super) fn columns(&self) -> (&str, &str) {
        match self {
            Self::All => ("", ""),
            Self::User(user) => (user, ""),
            Self::Lane(lane) => (lane.user_id(), lane.task_id()),
        }
    }

    fn read(row: &impl Columns) -> Option<Self> {
        let (user, task) = (row.text("user_id")?, row.text("task_id")?);
        match (user.is_empty(), task.is_empty()) {
            (true, _) => Some(Self::All),
            (false, true) => Some(Self::User(user)),
            (false, false) => Lane::new(&user, &task).ok().map(Self::Lane),
        }
    }
}

impl fmt::Display for OrderScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all lanes"),
            Self::User(user) => write!(f, "user {user}"),
            Self::Lane(lane) => write!(f, "lane {lane}"),
        }
    }
}

impl Serialize for OrderScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The reason of a pause, where holds and gates have theirs.
pub const PAUSED: &str = "paused";

/// A pause that is in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pause {
    /// The lanes that are paused.
    pub scope: OrderScope,
    /// Who ordered it, and why.
    pub reason: String,
    /// For how long.
    pub paused_seconds: f64,
    /// When it ends by itself; `None`: when somebody resumes.
    pub ends_in_seconds: Option<f64>,
}

impl Pause {
    pub(super) fn read(row: &impl Columns) -> Option<Self> {
        Some(Self {
            scope: OrderScope::read(row)?,
            reason: row.text("reason").unwrap_or_default(),
            paused_seconds: row.seconds("paused_for").unwrap_or_default().max(0.0),
            ends_in_seconds: row.seconds("ends_in"),
        })
    }

    /// The pause as a gate that an operator has closed. No time until the next
    /// try: when somebody resumes.
    pub(super) fn gate(&self) -> ClosedGate {
        let user = match &self.scope {
            OrderScope::All => None,
            OrderScope::User(user) => Some(user.clone()),
            OrderScope::Lane(lane) => Some(lane.user_id().to_owned()),
        };
        ClosedGate {
            user_id: user,
            reason: PAUSED.into(),
            message: self.reason.clone(),
            closed_seconds: self.paused_seconds,
            next_try_in_seconds: self.ends_in_seconds.unwrap_or_default(),
            until_resumed: self.ends_in_seconds.is_none(),
        }
    }

    /// The lane that is paused, if it is a single one; `pending`: how many contacts wait in it.
    pub(super) fn lane(&self, pending: u64) -> Option<HeldLane> {
        let OrderScope::Lane(lane) = &self.scope else {
            return None;
        };
        Some(HeldLane {
            user_id: lane.user_id().to_owned(),
            task_id: lane.task_id().to_owned(),
            reason: PAUSED.into(),
            message: self.reason.clone(),
            held_for: to_duration(Some(self.paused_seconds)),
            next_try_in: to_duration(self.ends_in_seconds),
            until_resumed: self.ends_in_seconds.is_none(),
            failures: 0,
            pending,
        })
    }
}

/// All orders that a courier has to know of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Orders {
    /// The pauses that are in force.
    pub pauses: Vec<Pause>,
    /// What was resumed in the last minutes, by the id of the order.
    pub resumes: Vec<(String, OrderScope)>,
}

impl Orders {
    pub(super) fn read<C: Columns>(rows: &[C]) -> Self {
        let mut orders = Self::default();
        for row in rows {
            match row.text("resume_id") {
                Some(id) => orders
                    .resumes
                    .extend(OrderScope::read(row).map(|scope| (id, scope))),
                None => orders.pauses.extend(Pause::read(row)),
            }
        }
        orders
    }
}

/// The lanes that are paused, for many questions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PausedLanes {
    all: bool,
    users: HashSet<String>,
    lanes: HashSet<Lane>,
}

impl PausedLanes {
    /// Those of the pauses.
    pub fn of(pauses: &[Pause]) -> Self {
        let mut lanes = Self::default();
        for pause in pauses {
            match &pause.scope {
                OrderScope::All => lanes.all = true,
                OrderScope::User(user) => {
                    lanes.users.insert(user.clone());
                }
                OrderScope::Lane(lane) => {
                    lanes.lanes.insert(lane.clone());
                }
            }
        }
        lanes
    }

    /// Whether this lane is paused.
    pub fn has(&self, lane: &Lane) -> bool {
        self.all || self.users.contains(lane.user_id()) || self.lanes.contains(lane)
    }
}

/// What a resume has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// Pauses.
    pub pauses: u64,
    /// Holds of lanes.
    pub holds: u64,
}

/// How long a pause lasts.
pub(super) fn ends_in(last: Option<Duration>) -> Option<f64> {
    last.map(super::span::to_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(scope: OrderScope) -> Pause {
        Pause {
            scope,
            reason: "by anna".into(),
            paused_seconds: 5.0,
            ends_in_seconds: None,
        }
    }

    #[test]
    fn a_pause_covers_its_lane_its_user_or_all() {
        let lane = |user, task| Lane::new(user, task).unwrap();
        let scopes = [
            OrderScope::Lane(lane("u", "t")),
            OrderScope::User("u".into()),
            OrderScope::All,
        ];
        let covered = [lane("u", "t"), lane("u", "x"), lane("v", "t")];
        for (scope, most) in scopes.into_iter().zip([1, 2, 3]) {
            let paused = PausedLanes::of(&[pause(scope.clone())]);
            for (nth, lane) in covered.iter().enumerate() {
                assert_eq!(scope.covers(lane), nth < most, "{scope} {lane}");
                assert_eq!(paused.has(lane), nth < most, "{scope} {lane}");
            }
        }
        assert!(!PausedLanes::of(&[]).has(&covered[0]));
    }
}
