//! A courier's report about itself with each heartbeat: for people, and for the couriers that start
//! after it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::contact::ContactId;

/// Facts about one courier that its database does not show: whose requests it keeps back for now,
/// beyond single lanes, and how fast it sends. All times are as of the heartbeat that brought it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// The closed gates: the one for everybody first, then the oldest of users' gates, up to a
    /// bound.
    pub gates: Vec<ClosedGate>,
    /// How many more closed gates there are.
    pub more_gates: usize,
    /// The lanes with writes that wait for locks of other sessions, the longest waiting first, up to a
    /// bound.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locked: Vec<LockedLane>,
    /// How many more such lanes there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_locked: usize,
    /// `rate_limit.requests_per_second`.
    pub requests_per_second: f64,
    /// `rate_limit.per_user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_user: Option<f64>,
    /// `rate_limit.per_lane`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_lane: Option<f64>,
    /// `delivery.batch_size`; `None`: the report of an earlier version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Which part of `requests_per_second` is allowed, 0 to 1.
    pub rate_level: f64,
    /// Contacts that became final per second, over the last minute or so. Zero: none, or the courier
    /// has worked for a few seconds only, so that nobody can tell.
    pub contacts_per_second: f64,
    /// Whether its contacts are in another database: here it is a guest that shares the rates
    /// (`rate_limit.database_url`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_guest: bool,
    /// Whether it goes by rates of its own (`rate_limit.scope = "instance"`), which it shares with
    /// nobody.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_own_rates: bool,
    /// What it does by itself that only one courier on a database should do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chores: Vec<Chore>,
    /// The id by which such a guest is registered in the database of its contacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_of: Option<String>,
}

/// Work that only one courier on a database should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chore {
    /// It deletes what ended long ago (`retention.older_than`).
    Prune,
    /// It takes out the personal data of contacts that ended long ago (`retention.redact_after`).
    Redact,
    /// What a later version does.
    #[serde(other)]
    Other,
}

/// A gate that is closed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClosedGate {
    /// The user whose requests it keeps back; `None`: everybody's.
    pub user_id: Option<String>,
    /// One word for programs: `unauthorized`, `forbidden`, `unreachable` …
    pub reason: String,
    /// The platform's words, or ours.
    pub message: String,
    /// How long it has been closed.
    pub closed_seconds: f64,
    /// How long until a request tries whether the gate may open; zero: as soon as there is one.
    pub next_try_in_seconds: f64,
    /// Whether it is a pause that has no end of its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub until_resumed: bool,
}

/// A lane with contacts whose outcome cannot be written, because another session keeps something
/// locked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LockedLane {
    /// The lane's user.
    pub user_id: String,
    /// The lane's task.
    pub task_id: String,
    /// One of the contacts whose rows are locked, if that is known.
    pub contact_id: Option<ContactId>,
    /// How many contacts wait: those of the same batch wait, too.
    pub contacts: u64,
    /// For how long they have waited, as far as the courier knows.
    pub waited_seconds: f64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Standing {
    /// Returns the same report some time later.
    pub(super) fn after(mut self, time: Duration) -> Self {
        for gate in &mut self.gates {
            gate.closed_seconds += time.as_secs_f64();
            gate.next_try_in_seconds = (gate.next_try_in_seconds - time.as_secs_f64()).max(0.0);
        }
        for lane in &mut self.locked {
            lane.waited_seconds += time.as_secs_f64();
        }
        self
    }

    /// Returns how a lane waits for a lock of another session, if it does.
    pub fn lock_of(&self, user_id: &str, task_id: &str) -> Option<&LockedLane> {
        let mut lanes = self.locked.iter();
        lanes.find(|lane| lane.user_id == user_id && lane.task_id == task_id)
    }

    /// Returns the gate that keeps everybody's requests back.
    pub fn gate_for_all(&self) -> Option<&ClosedGate> {
        self.gates.iter().find(|gate| gate.user_id.is_none())
    }

    /// Returns the gate that keeps back the requests of a user. Of that for everybody and that of the
    /// user it is the one that is tried last, because a request has to pass both.
    pub fn gate_for(&self, user_id: &str) -> Option<&ClosedGate> {
        let is_in_the_way = |gate: &&ClosedGate| {
            gate.user_id
                .as_deref()
                .is_none_or(|theirs| theirs == user_id)
        };
        let gates = self.gates.iter().filter(is_in_the_way);
        // Of two that are tried at once, that for everybody says more.
        gates.max_by(|a, b| {
            let later = a.next_try_in_seconds.total_cmp(&b.next_try_in_seconds);
            later.then(a.user_id.is_none().cmp(&b.user_id.is_none()))
        })
    }
}

/// The learned rate that the platform allows, in requests per second. A courier that starts goes on
/// from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LearnedRate {
    /// The rate at which the platform said "too many".
    pub hurt: f64,
    /// The rate that was used after that.
    pub low: f64,
    /// How long the rate stays below the one that hurt.
    pub stays_seconds: f64,
    /// How long ago that was.
    pub seconds_ago: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(user: Option<&str>, next: f64) -> ClosedGate {
        ClosedGate {
            user_id: user.map(str::to_owned),
            reason: "unauthorized".into(),
            closed_seconds: 5.0,
            next_try_in_seconds: next,
            ..ClosedGate::default()
        }
    }

    #[test]
    fn what_was_said_some_time_ago_is_told_as_of_now() {
        let standing = Standing {
            gates: vec![gate(None, 30.0), gate(Some("u"), 2.0)],
            locked: vec![LockedLane {
                waited_seconds: 3.0,
                ..LockedLane::default()
            }],
            ..Standing::default()
        };
        let later = standing.after(Duration::from_secs(10));
        assert!((later.locked[0].waited_seconds - 13.0).abs() < 0.01);
        let mut expected = vec![gate(None, 20.0), gate(Some("u"), 0.0)];
        for gate in &mut expected {
            gate.closed_seconds = 15.0;
        }
        assert_eq!(later.gates, expected);
    }

    #[test]
    fn a_user_is_kept_back_by_its_own_gate_and_by_that_for_all() {
        let mut standing = Standing {
            gates: vec![gate(Some("u"), 2.0)],
            ..Standing::default()
        };
        assert!(standing.gate_for("u").is_some());
        assert!(standing.gate_for("v").is_none());
        standing.gates.push(gate(None, 1.0));
        assert_eq!(standing.gate_for("v"), Some(&standing.gates[1]));
        // A request of this user has to pass both.
        assert_eq!(standing.gate_for("u"), Some(&standing.gates[0]));
        standing.gates[1].next_try_in_seconds = 2.0;
        assert_eq!(standing.gate_for("u"), Some(&standing.gates[1]));
    }

    #[test]
    fn what_another_version_says_is_read_as_far_as_it_is_known() {
        let read: Standing = serde_json::from_str(r#"{"more_gates":5,"new":1}"#).unwrap();
        let known = Standing {
            more_gates: 5,
            ..Standing::default()
        };
        assert_eq!(read, known);
    }
}
