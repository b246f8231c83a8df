//! The one thing to know first about an outbox. It is concluded here, so that status, page and
//! explain say the same.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::held::HeldLane;
use super::overview::{InstanceReport, NEWEST, NewestEnds, Overview};
use super::story::ContactReport;
use crate::contact::Lane;
use crate::outbox::{ClosedGate, LockedLane, OrderScope, Pause, Standing};

/// The state in one word for programs, with its numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Conclusion {
    /// Contacts are due, and no courier lives.
    NoCourier {
        /// Due contacts that nothing else keeps back.
        due: u64,
        /// Due contacts that a courier would not send either, for they are on hold or paused.
        held: u64,
        /// Couriers that are registered and whose heartbeats stay out: they have died, or the
        /// database takes no writes.
        silent: u64,
        /// For how long all of them have been silent; zero: none is registered.
        silent_seconds: f64,
    },
    /// No courier sends anything: a gate keeps everybody's requests back.
    Stopped {
        gate: ClosedGate,
        /// Due contacts; the gate keeps all of them back.
        held: u64,
    },
    /// Some contacts are kept back; the others go on.
    Partly {
        /// Lanes on hold that have contacts.
        lanes: u64,
        /// Due contacts in those lanes, and of users none of whose lanes is sent.
        contacts: u64,
        /// Users with pending contacts none of whose lanes is sent.
        users: u64,
        /// Due contacts that nothing keeps back.
        due: u64,
        /// How many of these wait for locks of other sessions.
        locked: u64,
    },
    /// Contacts are due and are being sent, but for those that wait for locks.
    Delivering {
        due: u64,
        /// How many of the due contacts wait for locks of other sessions.
        locked: u64,
        /// The lanes in which some do.
        locked_lanes: u64,
    },
    /// Contacts wait for their time.
    Later { deferred: u64 },
    /// Nothing waits, and the newest contacts were all delivered.
    Delivered {
        /// So many contacts were looked at.
        newest: u64,
        /// Whether these are all contacts that there are.
        are_all: bool,
    },
    /// Nothing waits. Of the newest contacts some were delivered, or none.
    Ended {
        succeeded: u64,
        /// Failed, and not because an operator cancelled them.
        failed: u64,
        cancelled: u64,
    },
    /// There is no contact at all.
    Empty,
}

/// The reason of a gate that another token opens.
const UNAUTHORIZED: &str = "unauthorized";

/// The least contacts per second from which the end of a backlog can be estimated. Less is shown as
/// 0.0.
pub(super) const LEAST_SPEED: f64 = 0.05;

impl Overview {
    /// Concludes the state.
    pub fn conclusion(&self) -> Conclusion {
        let pending = &self.pending;
        if let Some(gate) = self.gate_for_all() {
            let held = pending.due + pending.held;
            return Conclusion::Stopped { gate, held };
        }
        if self.living().next().is_none() && pending.due + pending.held > 0 {
            return self.no_courier();
        }
        let users = self.users_kept_back();
        if self.lanes.held > 0 || users > 0 {
            return Conclusion::Partly {
                lanes: self.lanes.held,
                contacts: pending.held,
                users,
                due: pending.due,
                locked: self.locked().1,
            };
        }
        if pending.due > 0 {
            let (locked_lanes, locked) = self.locked();
            return Conclusion::Delivering {
                due: pending.due,
                locked,
                locked_lanes,
            };
        }
        if pending.deferred > 0 {
            let deferred = pending.deferred;
            return Conclusion::Later { deferred };
        }
        let NewestEnds {
            succeeded,
            failed,
            cancelled,
        } = self.newest;
        match (succeeded, failed + cancelled) {
            (0, 0) => Conclusion::Empty,
            (newest, 0) => Conclusion::Delivered {
                newest,
                are_all: newest < NEWEST,
            },
            _ => Conclusion::Ended {
                succeeded,
                failed,
                cancelled,
            },
        }
    }

    /// The conclusion when no courier lives.
    fn no_courier(&self) -> Conclusion {
        let silent = self.instances.iter().filter(|courier| !courier.is_guest());
        let silent: Vec<Duration> = silent.map(|courier| courier.heartbeat_ago).collect();
        Conclusion::NoCourier {
            due: self.pending.due,
            held: self.pending.held,
            silent: silent.len() as u64,
            silent_seconds: silent.into_iter().min().unwrap_or_default().as_secs_f64(),
        }
    }

    /// Returns the gates of users, whether every courier or only some have them.
    pub fn user_gates(&self) -> Vec<ClosedGate> {
        let paused = self.pauses.iter();
        let paused = paused.filter(|pause| matches!(pause.scope, OrderScope::User(_)));
        let mut all: Vec<ClosedGate> = paused.map(Pause::gate).collect();
        let of_couriers = self.gates_of_couriers().into_iter();
        let is_new = |gate: &ClosedGate| all.iter().all(|one| one.user_id != gate.user_id);
        let more: Vec<ClosedGate> = of_couriers.filter(is_new).collect();
        all.extend(more);
        all.sort_by(|a, b| b.closed_seconds.total_cmp(&a.closed_seconds));
        all
    }

    /// The gates of users, each the one that has been closed for longest. Its next try is that of the
    /// courier that is the first to send for the user again.
    fn gates_of_couriers(&self) -> Vec<ClosedGate> {
        let standings = self
            .living()
            .filter_map(|courier| courier.standing.as_ref());
        let gates = standings.flat_map(|standing| &standing.gates);
        let mut gates: Vec<&ClosedGate> = gates.filter(|gate| gate.user_id.is_some()).collect();
        gates.sort_by(|a, b| {
            let longer = b.closed_seconds.total_cmp(&a.closed_seconds);
            a.user_id.cmp(&b.user_id).then(longer)
        });
        gates.dedup_by(|a, b| a.user_id == b.user_id);
        gates.sort_by(|a, b| b.closed_seconds.total_cmp(&a.closed_seconds));
        let tried = |gate: &ClosedGate| ClosedGate {
            next_try_in_seconds: self.next_try_for(gate.user_id.as_deref().unwrap_or_default()),
            ..gate.clone()
        };
        gates.into_iter().map(tried).collect()
    }

    /// In how many seconds a living courier may send for this user again: the first one does.
    fn next_try_for(&self, user_id: &str) -> f64 {
        let gate = gate_for(&self.instances, user_id);
        gate.map_or(0.0, |gate| gate.next_try_in_seconds)
    }

    /// Returns how many contacts all couriers together finish per second.
    pub fn contacts_per_second(&self) -> f64 {
        let standings = self
            .living()
            .filter_map(|courier| courier.standing.as_ref());
        // The sum of none is minus zero.
        standings.fold(0.0, |sum, standing| sum + standing.contacts_per_second)
    }

    /// Returns in how many lanes contacts wait for locks of other sessions, and how many contacts.
    fn locked(&self) -> (u64, u64) {
        let standings = self
            .living()
            .filter_map(|courier| courier.standing.as_ref());
        let (mut lanes, mut contacts) = (0, 0);
        for standing in standings {
            lanes += standing.locked.len() + standing.more_locked;
            let waiting = standing.locked.iter().map(|lane| lane.contacts);
            contacts += waiting.sum::<u64>();
        }
        (lanes as u64, contacts.min(self.pending.due))
    }

    /// Returns how many due contacts wait for no lock.
    pub(super) fn moving_in_all(&self) -> u64 {
        self.pending.due - self.locked().1
    }

    /// Returns in how many seconds the contacts that are due now are gone, if the speed stays the
    /// same, but for those that wait for locks; `None`: nothing is due, or nobody can tell. A speed
    /// close to zero tells nothing.
    pub fn done_in_seconds(&self) -> Option<f64> {
        let (due, speed) = (self.moving_in_all(), self.contacts_per_second());
        if due == 0 || speed < LEAST_SPEED || self.gate_for_all().is_some() {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let due = due as f64;
        Some(due / speed)
    }

    /// Corrects when lanes on hold are really tried again: a gate for their user, or for all, is in
    /// their way, too.
    pub fn behind_gates(&self, mut lanes: Vec<HeldLane>) -> Vec<HeldLane> {
        for held in &mut lanes {
            let Ok(lane) = Lane::new(&held.user_id, &held.task_id) else {
                continue;
            };
            let pauses = self.pauses.iter().filter(|pause| pause.scope.covers(&lane));
            let pauses = pauses.map(|pause| pause.ends_in_seconds);
            let gate = gate_for(&self.instances, lane.user_id());
            let gate = gate.map(|gate| Some(gate.next_try_in_seconds));
            for ends in pauses.chain(gate) {
                let Some(ends) = ends else {
                    held.until_resumed = true;
                    continue;
                };
                let ends = Duration::try_from_secs_f64(ends).unwrap_or_default();
                held.next_try_in = held.next_try_in.max(ends);
            }
        }
        lanes
    }

    pub(super) fn living(&self) -> impl Iterator<Item = &InstanceReport> {
        living(&self.instances)
    }

    /// The pause of everything, or otherwise the gate that every courier has closed for everybody.
    fn gate_for_all(&self) -> Option<ClosedGate> {
        let is_of_all = |pause: &&Pause| pause.scope == OrderScope::All;
        let pause = self.pauses.iter().find(is_of_all);
        pause.map(Pause::gate).or_else(|| {
            let gate = at_all(&self.instances, Standing::gate_for_all);
            gate.or_else(|| self.refused_token()).cloned()
        })
    }

    /// The gate of a courier whose token was refused, if all that waits is held because of it: another
    /// courier that has had nothing to send has not asked with the token yet.
    fn refused_token(&self) -> Option<&ClosedGate> {
        if self.pending.due > 0 || self.pending.held == 0 {
            return None;
        }
        let standings = self
            .living()
            .filter_map(|courier| courier.standing.as_ref());
        let gates = standings.filter_map(Standing::gate_for_all);
        gates.into_iter().find(|gate| gate.reason == UNAUTHORIZED)
    }

    /// Whether nothing is sent for this user: the user or everything is paused, or every living
    /// courier has closed a gate.
    pub(super) fn keeps_back(&self, user_id: &str) -> bool {
        let is_paused = |pause: &Pause| match &pause.scope {
            OrderScope::All => true,
            OrderScope::User(user) => user == user_id,
            OrderScope::Lane(_) => false,
        };
        self.pauses.iter().any(is_paused) || gate_for(&self.instances, user_id).is_some()
    }

    fn users_kept_back(&self) -> u64 {
        let more = self
            .living()
            .filter_map(|courier| courier.standing.as_ref());
        let more = more.map(|standing| standing.more_gates).max().unwrap_or(0);
        // A courier forgets the gates of users for whom nothing waits; a pause stays.
        let is_idle = |user: &String| self.idle_users.contains(user);
        let gates = self.user_gates().into_iter();
        let kept = gates.filter(|gate| !gate.user_id.as_ref().is_some_and(is_idle));
        u64::try_from(kept.count() + more).unwrap_or(u64::MAX)
    }
}

/// Returns the pause or gate that keeps a contact's requests back besides its lane's hold: the
/// pause that ends last, or a gate that every living courier has closed.
pub(in crate::outbox) fn gate_in_the_way(
    pauses: &[Pause],
    couriers: &[InstanceReport],
    contact: &ContactReport,
) -> Option<ClosedGate> {
    let lane = Lane::new(&contact.user_id, &contact.task_id).ok();
    let covers = |pause: &&Pause| lane.as_ref().is_some_and(|lane| pause.scope.covers(lane));
    let end = |pause: &Pause| pause.ends_in_seconds.unwrap_or(f64::INFINITY);
    let last = pauses
        .iter()
        .filter(covers)
        .max_by(|a, b| end(a).total_cmp(&end(b)));
    last.map_or_else(
        || gate_for(couriers, &contact.user_id).cloned(),
        |pause| Some(pause.gate()),
    )
}

/// Returns how the lane of a contact waits for a lock of another session, if the contact may be one of
/// those that wait.
pub(in crate::outbox) fn lock_in_the_way(
    couriers: &[InstanceReport],
    contact: &ContactReport,
) -> Option<LockedLane> {
    let standings = living(couriers).filter_map(|courier| courier.standing.as_ref());
    let lock_of = |standing: &Standing| {
        let lock = standing.lock_of(&contact.user_id, &contact.task_id);
        lock.cloned()
    };
    let mut locks = standings.filter_map(lock_of);
    locks.find(|_| contact.status == "pending")
}

/// Whether a courier lives that sends the contacts of this database.
pub(in crate::outbox) fn one_runs(couriers: &[InstanceReport]) -> bool {
    living(couriers).next().is_some()
}

/// Returns the lanes on hold and the lanes that an operator has paused, the longest held first.
pub(in crate::outbox) fn with_paused(
    held: Vec<HeldLane>,
    mut paused: Vec<HeldLane>,
    limit: u32,
) -> Vec<HeldLane> {
    let is_new = |lane: &HeldLane| {
        let same = |one: &HeldLane| (&one.user_id, &one.task_id) == (&lane.user_id, &lane.task_id);
        !paused.iter().any(same)
    };
    let held: Vec<HeldLane> = held.into_iter().filter(is_new).collect();
    paused.extend(held);
    paused.sort_by_key(|lane| Reverse(lane.held_for));
    paused.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    paused
}

/// Returns the gate that keeps a user's requests back at every living courier: the one that is
/// tried first.
fn gate_for<'a>(couriers: &'a [InstanceReport], user_id: &str) -> Option<&'a ClosedGate> {
    at_all(couriers, |standing| standing.gate_for(user_id))
}

/// Returns the users for whom every living courier has closed a gate, each once, with commas in
/// between; `*`: everybody.
pub(in crate::outbox) fn gated(couriers: &[InstanceReport]) -> String {
    if at_all(couriers, Standing::gate_for_all).is_some() {
        return "*".to_owned();
    }
    let standings = living(couriers).filter_map(|courier| courier.standing.as_ref());
    let gates = standings.flat_map(|standing| &standing.gates);
    let users = gates.filter_map(|gate| gate.user_id.as_deref());
    let users: BTreeSet<&str> = users
        .filter(|user| Lane::check_user(user).is_ok() && gate_for(couriers, user).is_some())
        .collect();
    let users: Vec<&str> = users.into_iter().collect();
    users.join(",")
}

/// The living couriers that send the contacts of this database.
fn living(couriers: &[InstanceReport]) -> impl Iterator<Item = &InstanceReport> {
    let sends = |courier: &&InstanceReport| courier.alive && !courier.is_guest();
    couriers.iter().filter(sends)
}

/// Returns, of a gate that every living courier has, the one that is tried first. `None`: some
/// courier has none, or no courier lives.
fn at_all<'a>(
    couriers: &'a [InstanceReport],
    gate: impl Fn(&'a Standing) -> Option<&'a ClosedGate>,
) -> Option<&'a ClosedGate> {
    let gates = living(couriers).map(|courier| courier.standing.as_ref().and_then(&gate));
    let gates: Option<Vec<_>> = gates.collect();
    let sooner =
        |a: &&ClosedGate, b: &&ClosedGate| a.next_try_in_seconds.total_cmp(&b.next_try_in_seconds);
    gates?.into_iter().min_by(sooner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn gate(user: Option<&str>, closed: f64) -> ClosedGate {
        ClosedGate {
            user_id: user.map(str::to_owned),
            reason: "unauthorized".into(),
            closed_seconds: closed,
            ..ClosedGate::default()
        }
    }

    fn courier(gates: Vec<ClosedGate>) -> InstanceReport {
        InstanceReport {
            alive: true,
            standing: Some(Standing {
                gates,
                contacts_per_second: 2.0,
                ..Standing::default()
            }),
            ..InstanceReport::default()
        }
    }

    fn overview(instances: Vec<InstanceReport>) -> Overview {
        let mut overview = Overview {
            instances,
            ..Overview::default()
        };
        overview.pending.due = 10;
        overview
    }

    fn delivering(due: u64) -> Conclusion {
        Conclusion::Delivering {
            due,
            locked: 0,
            locked_lanes: 0,
        }
    }

    #[test]
    fn contacts_that_wait_for_a_lock_are_told_and_have_no_end() {
        let mut one = courier(Vec::new());
        one.standing.get_or_insert_default().locked = vec![LockedLane {
            contacts: 4,
            ..LockedLane::default()
        }];
        let mut some = overview(vec![one]);
        let concluded = |locked| Conclusion::Delivering {
            due: if locked < 4 { locked } else { 10 },
            locked,
            locked_lanes: 1,
        };
        assert_eq!(some.conclusion(), concluded(4));
        assert_eq!(some.done_in_seconds(), Some(3.0));
        some.pending.due = 3;
        assert_eq!(some.conclusion(), concluded(3));
        assert_eq!(some.done_in_seconds(), None);
    }

    #[test]
    fn a_gate_for_everybody_is_told_before_all_else_if_every_courier_has_it() {
        let mut stopped = overview(vec![courier(vec![gate(None, 9.0)])]);
        stopped.lanes.held = 1;
        let conclusion = stopped.conclusion();
        assert!(
            matches!(conclusion, Conclusion::Stopped { .. }),
            "{conclusion:?}"
        );
        assert_eq!(stopped.done_in_seconds(), None);
        stopped.instances.push(courier(Vec::new()));
        stopped.lanes.held = 0;
        assert_eq!(stopped.conclusion(), delivering(10));
        assert_eq!(stopped.done_in_seconds(), Some(2.5));
    }

    #[test]
    fn users_that_are_kept_back_are_told_though_their_lanes_are_not_on_hold() {
        let theirs = || vec![gate(Some("u"), 5.0), gate(Some("v"), 7.0)];
        let two = overview(vec![courier(theirs()), courier(theirs())]);
        let partly = Conclusion::Partly {
            lanes: 0,
            contacts: 0,
            users: 2,
            due: 10,
            locked: 0,
        };
        assert_eq!(two.conclusion(), partly);
        assert_eq!(
            two.user_gates(),
            [gate(Some("v"), 7.0), gate(Some("u"), 5.0)]
        );
        let gate_for = |user| gate_for(&two.instances, user);
        assert!(gate_for("u").is_some() && gate_for("w").is_none());
    }

    #[test]
    fn a_paused_user_for_whom_nothing_waits_is_no_trouble() {
        let mut all = overview(vec![courier(Vec::new())]);
        all.pauses = ["u", "v"]
            .map(|user| pause(OrderScope::User(user.into()), None))
            .into();
        all.idle_users = ["u".to_owned()].into();
        let Conclusion::Partly { users, .. } = all.conclusion() else {
            panic!("{:?}", all.conclusion());
        };
        assert_eq!(users, 1);
        all.idle_users.insert("v".into());
        assert_eq!(all.conclusion(), delivering(10));
        // The pauses are told all the same.
        assert_eq!(all.user_gates().len(), 2);
    }

    #[test]
    fn pauses_and_holds_come_the_longest_held_first() {
        let lane = |task: &str, reason: &str, minutes| HeldLane {
            task_id: task.into(),
            reason: reason.into(),
            held_for: Duration::from_mins(minutes),
            ..HeldLane::default()
        };
        let held = vec![lane("a", "task_running", 50), lane("b", "server_error", 9)];
        let paused = vec![lane("b", "paused", 30), lane("c", "paused", 40)];
        let told = with_paused(held, paused, 2);
        let told: Vec<_> = told.iter().map(|lane| lane.task_id.as_str()).collect();
        assert_eq!(told, ["a", "c"]);
    }

    #[test]
    fn a_user_is_gated_if_every_courier_that_sends_has_a_gate_in_its_way() {
        let first = courier(vec![gate(Some("u"), 5.0), gate(Some("v"), 7.0)]);
        let mut guest = courier(Vec::new());
        guest.standing.get_or_insert_default().is_guest = true;
        let mut couriers = vec![first, guest];
        assert_eq!(gated(&couriers), "u,v");
        couriers.push(courier(vec![gate(Some("v"), 1.0), gate(Some("w"), 1.0)]));
        assert_eq!(gated(&couriers), "v");
        couriers.push(courier(vec![gate(None, 1.0)]));
        assert_eq!(gated(&couriers), "v");
        couriers.push(courier(Vec::new()));
        assert_eq!(gated(&couriers), "");
        assert_eq!(gated(&[courier(vec![gate(None, 1.0)])]), "*");
    }

    fn pause(scope: OrderScope, ends: Option<f64>) -> Pause {
        Pause {
            scope,
            reason: format!("ends {ends:?}"),
            paused_seconds: 5.0,
            ends_in_seconds: ends,
        }
    }

    #[test]
    fn of_several_pauses_the_one_that_ends_last_is_in_the_way() {
        let contact = ContactReport {
            id: crate::contact::ContactId(7),
            user_id: "u".into(),
            task_id: "t".into(),
            phone: crate::contact::Phone::new("13012121211"),
            idempotency_key: None,
            status: "pending".into(),
            fail_kind: None,
            fail_cause: None,
            attempts: 0,
            batch_id: None,
            created_at: None,
            not_before: None,
            finished_at: None,
            redacted_at: None,
        };
        let lane = OrderScope::Lane(Lane::new("u", "t").unwrap());
        let named = |pauses: &[Pause]| gate_in_the_way(pauses, &[], &contact).unwrap().message;
        let short = pause(lane.clone(), Some(60.0));
        let user = pause(OrderScope::User("u".into()), Some(600.0));
        let all = pause(OrderScope::All, Some(300.0));
        assert_eq!(named(&[short.clone(), user.clone(), all]), user.reason);
        let endless = pause(lane, None);
        assert_eq!(named(&[endless.clone(), user]), endless.reason);
        let others = pause(OrderScope::User("v".into()), None);
        assert_eq!(named(&[others, short.clone()]), short.reason);
    }

    #[test]
    fn a_user_and_its_lanes_are_tried_by_the_courier_that_is_the_first_to_do_so() {
        let closed = |closed, next| ClosedGate {
            next_try_in_seconds: next,
            ..gate(Some("u"), closed)
        };
        let tried = |gates: Vec<Vec<ClosedGate>>| {
            let all = overview(gates.into_iter().map(courier).collect());
            let lane = HeldLane {
                user_id: "u".into(),
                task_id: "t".into(),
                next_try_in: Duration::from_secs(3),
                ..HeldLane::default()
            };
            let of_lane = all.behind_gates(vec![lane])[0].next_try_in;
            let of_user = Duration::from_secs_f64(all.user_gates()[0].next_try_in_seconds);
            (of_user.as_secs(), of_lane.as_secs())
        };
        assert_eq!(tried(vec![vec![closed(20.0, 8.0)]]), (8, 8));
        let both = vec![vec![closed(20.0, 8.0)], vec![closed(10.0, 5.0)]];
        assert_eq!(tried(both), (5, 5));
        // The other courier sends for this user as soon as the lane's own time is over.
        assert_eq!(tried(vec![vec![closed(20.0, 8.0)], Vec::new()]), (0, 3));
    }

    #[test]
    fn a_lane_behind_a_gate_is_tried_when_both_times_are_up() {
        let mut shut = gate(Some("u"), 5.0);
        shut.next_try_in_seconds = 292.0;
        let mut all = overview(vec![courier(vec![shut])]);
        let held = |user: &str, seconds| HeldLane {
            user_id: user.into(),
            task_id: "t".into(),
            next_try_in: Duration::from_secs(seconds),
            ..HeldLane::default()
        };
        let lanes = || vec![held("u", 0), held("u", 400), held("v", 9)];
        let tried = |all: &Overview| -> Vec<(u64, bool)> {
            let lanes = all.behind_gates(lanes());
            let told = lanes.iter();
            told.map(|lane| (lane.next_try_in.as_secs(), lane.until_resumed))
                .collect()
        };
        assert_eq!(tried(&all), [(292, false), (400, false), (9, false)]);
        all.pauses = vec![pause(OrderScope::User("v".into()), None)];
        assert_eq!(tried(&all), [(292, false), (400, false), (9, true)]);
    }

    #[test]
    fn a_courier_that_is_gone_stops_nobody_and_sends_nothing() {
        let none = |silent, silent_seconds| Conclusion::NoCourier {
            due: 10,
            held: 0,
            silent,
            silent_seconds,
        };
        assert_eq!(overview(Vec::new()).conclusion(), none(0, 0.0));
        let gone = |seconds| InstanceReport {
            alive: false,
            heartbeat_ago: Duration::from_secs(seconds),
            ..courier(vec![gate(None, 9.0)])
        };
        let alone = overview(vec![gone(30)]);
        assert_eq!(alone.conclusion(), none(1, 30.0));
        assert_eq!(alone.done_in_seconds(), None);
        // All of them are silent since the last heartbeat of any.
        assert_eq!(
            overview(vec![gone(30), gone(12)]).conclusion(),
            none(2, 12.0)
        );
    }

    #[test]
    fn without_a_courier_what_is_on_hold_is_counted_apart_from_what_is_due() {
        let counted = |due, held| {
            let mut all = overview(Vec::new());
            (all.pending.due, all.pending.held) = (due, held);
            let Conclusion::NoCourier { due, held, .. } = all.conclusion() else {
                panic!("{:?}", all.conclusion());
            };
            (due, held)
        };
        assert_eq!(counted(10, 3), (10, 3));
        assert_eq!(counted(0, 3), (0, 3));
    }

    #[test]
    fn a_token_that_one_courier_was_refused_stops_all_if_nothing_else_waits() {
        let couriers = || vec![courier(vec![gate(None, 9.0)]), courier(Vec::new())];
        let mut stopped = overview(couriers());
        (
            stopped.pending.due,
            stopped.pending.held,
            stopped.lanes.held,
        ) = (0, 5, 1);
        let concluded = stopped.conclusion();
        let Conclusion::Stopped { gate, held: 5 } = &concluded else {
            panic!("{concluded:?}");
        };
        assert_eq!(gate.reason, UNAUTHORIZED);
        // The other courier sends.
        stopped.pending.due = 1;
        assert!(matches!(stopped.conclusion(), Conclusion::Partly { .. }));
        // It may have a way to the platform.
        let mut away = overview(couriers());
        away.instances[0].standing.get_or_insert_default().gates[0].reason = "unreachable".into();
        (away.pending.due, away.pending.held, away.lanes.held) = (0, 5, 1);
        assert!(matches!(away.conclusion(), Conclusion::Partly { .. }));
    }

    #[test]
    fn all_delivered_is_said_only_if_it_is_so() {
        let mut idle = overview(vec![courier(Vec::new())]);
        idle.pending.due = 0;
        assert_eq!(idle.conclusion(), Conclusion::Empty);
        let newest = |succeeded, failed| NewestEnds {
            succeeded,
            failed,
            cancelled: 0,
        };
        idle.newest = newest(3, 0);
        let delivered = |newest, are_all| Conclusion::Delivered { newest, are_all };
        assert_eq!(idle.conclusion(), delivered(3, true));
        // The contacts before them may have ended in any way.
        idle.newest = newest(NEWEST, 0);
        assert_eq!(idle.conclusion(), delivered(NEWEST, false));
        idle.newest = newest(0, 7);
        let ended = |failed, cancelled| Conclusion::Ended {
            succeeded: 0,
            failed,
            cancelled,
        };
        assert_eq!(idle.conclusion(), ended(7, 0));
        // What an operator has cancelled is no failure.
        idle.newest.failed = 0;
        idle.newest.cancelled = 7;
        assert_eq!(idle.conclusion(), ended(0, 7));
        idle.pending.deferred = 4;
        assert_eq!(idle.conclusion(), Conclusion::Later { deferred: 4 });
    }
}
