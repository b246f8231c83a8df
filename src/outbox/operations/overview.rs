//! How the outbox stands at the moment.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::columns::{optional_seconds, seconds, to_total};
use crate::outbox::rows::Columns;
use crate::outbox::span::to_duration;
use crate::outbox::{Pause, Standing};

/// The contacts that wait, the state of the lanes, and the couriers that run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Overview {
    /// The time of this picture: an instant of the database's clock, for people.
    pub at: String,
    pub pending: PendingCounts,
    /// For how long the oldest due contact has been due: since its `not_before`, or otherwise since
    /// it was inserted. (In each lane the smallest id counts as the oldest.) `None`: none is due.
    #[serde(rename = "oldest_pending_seconds", serialize_with = "optional_seconds")]
    pub oldest_pending: Option<Duration>,
    /// All lanes that are known, by state.
    pub lanes: LaneCounts,
    /// Batches that are or may be on their way, or wait to be sent again.
    pub open_batches: u64,
    /// How the newest contacts ended.
    pub newest: NewestEnds,
    /// The couriers that are registered, the one that started first first.
    pub instances: Vec<InstanceReport>,
    /// Living couriers of other databases that share the rates which are kept here.
    pub guests: usize,
    /// What operators have paused, the oldest first.
    pub pauses: Vec<Pause>,
    /// Users that operators have paused and for whom nothing is pending: nothing of theirs is kept
    /// back.
    #[serde(skip)]
    pub idle_users: BTreeSet<String>,
}

/// How many of the newest contacts are looked at.
pub(super) const NEWEST: u64 = 100;

/// How the newest contacts ended: at most the hundred with the greatest ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewestEnds {
    pub succeeded: u64,
    /// Failed, and not because an operator cancelled them.
    pub failed: u64,
    pub cancelled: u64,
}

/// Contacts that are not final, in three parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PendingCounts {
    /// Due, in lanes that nothing holds back.
    pub due: u64,
    /// Not due yet: their `not_before` has not come.
    pub deferred: u64,
    /// Due, in lanes on hold, of users for whom nothing is sent, or while nothing is sent at all.
    pub held: u64,
}

impl PendingCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.due + self.deferred + self.held
    }
}

/// How many lanes are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LaneCounts {
    pub due: u64,
    pub held: u64,
    pub leased: u64,
    pub idle: u64,
    /// Held lanes with a hold or a pause of their own, not only that of their user or of all.
    pub held_alone: u64,
}

/// The state of a lane; if several fit, the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LaneState {
    /// On hold, paused, or behind a gate that every courier has closed, with contacts that are due:
    /// nothing is sent before its next try.
    Held,
    /// In the hands of a courier that lives.
    Leased,
    /// Has contacts that are due, or an open batch that nothing keeps back, and waits for a courier.
    Due,
    /// Has nothing to do.
    #[default]
    Idle,
}

impl LaneState {
    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Leased => "leased",
            Self::Due => "due",
            Self::Idle => "idle",
        }
    }

    fn read(word: Option<&str>) -> Self {
        match word {
            Some("held") => Self::Held,
            Some("leased") => Self::Leased,
            Some("due") => Self::Due,
            _ => Self::Idle,
        }
    }
}

/// A registered courier.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct InstanceReport {
    pub id: String,
    pub host: String,
    pub pid: u64,
    #[serde(rename = "started_seconds_ago", serialize_with = "seconds")]
    pub started_ago: Duration,
    #[serde(rename = "heartbeat_seconds_ago", serialize_with = "seconds")]
    pub heartbeat_ago: Duration,
    /// Whether `heartbeat_ago` is less than its lease: if not, its lanes are free.
    pub alive: bool,
    /// Its report about itself; `None`: nothing that can be read.
    pub standing: Option<Standing>,
}

impl InstanceReport {
    /// Whether it is here for the rates alone.
    pub(in crate::outbox) fn is_guest(&self) -> bool {
        let standing = self.standing.as_ref();
        standing.is_some_and(|standing| standing.is_guest)
    }
}

/// A lane and its waiting contacts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LaneReport {
    pub user_id: String,
    pub task_id: String,
    /// Contacts that are not final, those with a later `not_before` among them.
    pub pending: u64,
    /// How many of them are due.
    pub due: u64,
    /// For how long its oldest due contact has been due.
    #[serde(rename = "oldest_seconds", serialize_with = "optional_seconds")]
    pub oldest: Option<Duration>,
    pub state: LaneState,
    /// The living courier that works it.
    pub owner: Option<Owner>,
}

/// The courier that works a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    pub id: String,
    pub host: String,
    pub pid: u64,
}

/// Returns how many couriers share the rates that are kept here. One whose own database keeps its
/// rates is registered twice, and counts once. One that has rates of its own does not count.
pub(in crate::outbox) fn sharers(registered: &[InstanceReport]) -> usize {
    let living = || registered.iter().filter(|courier| courier.alive);
    let guest_of = |guest: &InstanceReport| guest.standing.as_ref()?.guest_of.clone();
    let at_home: BTreeSet<String> = living().filter_map(guest_of).collect();
    let has_own_rates = |courier: &InstanceReport| {
        let standing = courier.standing.as_ref();
        standing.is_some_and(|standing| standing.has_own_rates)
    };
    living()
        .filter(|courier| !at_home.contains(&courier.id) && !has_own_rates(courier))
        .count()
}

pub(in crate::outbox) fn overview(
    totals: &impl Columns,
    registered: Vec<InstanceReport>,
    pauses: Vec<Pause>,
) -> Overview {
    let (guests, instances): (Vec<_>, _) =
        registered.into_iter().partition(InstanceReport::is_guest);
    Overview {
        at: totals.text("seen_at").unwrap_or_default(),
        pending: PendingCounts {
            due: to_total(totals, "due"),
            deferred: to_total(totals, "deferred"),
            held: to_total(totals, "held"),
        },
        oldest_pending: age(totals, "oldest"),
        lanes: LaneCounts {
            due: to_total(totals, "lanes_due"),
            held: to_total(totals, "lanes_held"),
            leased: to_total(totals, "lanes_leased"),
            idle: to_total(totals, "lanes_idle"),
            held_alone: to_total(totals, "lanes_held_alone"),
        },
        open_batches: to_total(totals, "open_batches"),
        newest: NewestEnds {
            succeeded: to_total(totals, "newest_succeeded"),
            failed: to_total(totals, "newest_failed"),
            cancelled: to_total(totals, "newest_cancelled"),
        },
        instances,
        guests: guests.iter().filter(|guest| guest.alive).count(),
        pauses,
        idle_users: BTreeSet::new(),
    }
}

pub(in crate::outbox) fn instance_report(row: &impl Columns) -> InstanceReport {
    let heartbeat_ago = to_duration(row.seconds("heartbeat_ago"));
    let standing = row.text("standing");
    let standing = standing.and_then(|json| serde_json::from_str::<Standing>(&json).ok());
    InstanceReport {
        standing: standing.map(|standing| standing.after(heartbeat_ago)),
        id: row.text("id").unwrap_or_default(),
        host: row.text("host").unwrap_or_default(),
        pid: to_total(row, "pid"),
        started_ago: to_duration(row.seconds("started_ago")),
        heartbeat_ago,
        alive: row.flag("alive").unwrap_or_default(),
    }
}

pub(in crate::outbox) fn lane_report(row: &impl Columns) -> LaneReport {
    LaneReport {
        user_id: row.text("user_id").unwrap_or_default(),
        task_id: row.text("task_id").unwrap_or_default(),
        pending: to_total(row, "pending"),
        due: to_total(row, "due"),
        oldest: age(row, "oldest"),
        state: LaneState::read(row.text("state").as_deref()),
        owner: owner(row),
    }
}

pub(super) fn owner(row: &impl Columns) -> Option<Owner> {
    row.text("owner_id").map(|id| Owner {
        id,
        host: row.text("owner_host").unwrap_or_default(),
        pid: to_total(row, "owner_pid"),
    })
}

fn age(row: &impl Columns, column: &str) -> Option<Duration> {
    row.seconds(column).map(|age| to_duration(Some(age)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn courier(id: &str, alive: bool, guest_of: Option<&str>) -> InstanceReport {
        InstanceReport {
            id: id.into(),
            alive,
            standing: Some(Standing {
                is_guest: guest_of.is_some(),
                guest_of: guest_of.map(str::to_owned),
                ..Standing::default()
            }),
            ..InstanceReport::default()
        }
    }

    #[test]
    fn who_is_at_home_where_its_rates_are_kept_counts_once() {
        let registered = [
            courier("a", true, None),
            courier("guest of a", true, Some("a")),
            courier("b", true, None),
            courier("guest of c", true, Some("c")),
            courier("d", false, None),
            courier("guest of b that was", false, Some("b")),
        ];
        assert_eq!(sharers(&registered), 3);
    }

    #[test]
    fn who_has_rates_of_its_own_shares_none() {
        let mut alone = courier("alone", true, None);
        alone.standing.get_or_insert_default().has_own_rates = true;
        let mut old = courier("of an earlier version", true, None);
        old.standing = None;
        assert_eq!(sharers(&[courier("a", true, None), alone, old]), 2);
    }
}
