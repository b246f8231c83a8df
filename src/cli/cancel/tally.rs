//! How many contacts a cancellation is about, and what became of them.

use indicatif::HumanCount;
use serde_json::json;

use crate::cli::span::{contacts, count};
use crate::outbox::{Cancelled, PendingLane};

use super::chosen::Found;

/// How many there are.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) pending: u64,
    /// At most so many of them are left: they are on their way, or may have arrived.
    pub(super) on_their_way: u64,
    lanes: u64,
    /// How many of the names named no pending contact.
    unmatched: u64,
}

impl Tally {
    /// Of contacts by name. `lanes`: what is pending in all of their lanes.
    pub(super) fn of_names(found: &Found, lanes: &[PendingLane]) -> Self {
        let of_lane = |lane: &PendingLane| {
            let named = found.pending.get(&lane.lane).map_or(0, Vec::len) as u64;
            lane.on_their_way.min(named)
        };
        Self {
            pending: found.pending.values().map(|ids| ids.len() as u64).sum(),
            on_their_way: lanes.iter().map(of_lane).sum(),
            lanes: found.pending.len() as u64,
            unmatched: found.named - found.matched,
        }
    }

    /// Of a filter.
    pub(super) fn of_lanes(lanes: &[PendingLane]) -> Self {
        Self {
            pending: lanes.iter().map(|lane| lane.contacts).sum(),
            on_their_way: lanes.iter().map(|lane| lane.on_their_way).sum(),
            lanes: lanes.len() as u64,
            unmatched: 0,
        }
    }

    pub(super) fn shown(&self) -> String {
        let mut lines = vec![if self.pending == 0 {
            "nothing to cancel: no pending contact matches\n".to_owned()
        } else {
            let lanes = count(self.lanes, "lane", "lanes");
            format!("{} pending in {lanes}\n", contacts(self.pending))
        }];
        if self.unmatched > 0 {
            let unmatched = HumanCount(self.unmatched);
            lines.push(format!(
                "{unmatched} of the names named no pending contact\n"
            ));
        }
        if self.on_their_way > 0 {
            let going = HumanCount(self.on_their_way);
            lines.push(format!(
                "up to {going} of them may be on the way to the platform, and would be left\n"
            ));
        }
        lines.concat()
    }

    pub(super) fn json(&self, done: &Cancelled, dry_run: bool) -> serde_json::Value {
        json!({
            "pending": self.pending, "cancelled": done.cancelled,
            "left_on_their_way": if dry_run { self.on_their_way } else { done.on_their_way },
            "left_locked": done.locked, "dry_run": dry_run,
        })
    }
}

/// What became of them, in lines.
pub(super) fn done(done: &Cancelled) -> String {
    let left = [
        (
            done.on_their_way,
            "on the way to the platform, perhaps; its answer decides",
        ),
        (done.locked, "locked by another session; run it again"),
    ];
    let left = left.iter().filter(|(left, _)| *left > 0);
    let left = left.map(|(left, why)| format!("{} left: {why}\n", contacts(*left)));
    let cancelled = format!("{} cancelled\n", contacts(done.cancelled));
    std::iter::once(cancelled).chain(left).collect()
}
