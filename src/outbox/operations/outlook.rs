//! When the backlogs of lanes are gone, if all couriers go on as they do. Pure.
//!
//! Couriers give their turns to users, and a user's turns to the lanes of that user. So the speed
//! counts as shared in equal parts by all users with due contacts, and a user's part by the lanes
//! in the same way. A user or lane that is done leaves its part to the others.

use std::collections::HashMap;

use serde::Serialize;

use super::conclusion::LEAST_SPEED;
use super::overview::{LaneReport, LaneState, Overview};
use crate::batch::MAX_BATCH;
use crate::outbox::{LockedLane, Standing};

/// So many lanes are looked at for their shares. Of the other lanes only the sum is known.
pub const SHARERS: u32 = 1_000;

/// A lane, and when its backlog is gone.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LaneOutlook {
    #[serde(flatten)]
    pub lane: LaneReport,
    /// Whether contacts are due in it and do not come to their end: the lane, its user or everything
    /// is on hold, or all of them wait for a lock.
    pub kept_back: bool,
    /// In how many seconds the contacts that are due in it now are gone, if the speed stays the
    /// same, but for those that wait for a lock; `None`: nothing is due, the lane is kept back, or
    /// nobody can tell.
    pub done_in_seconds: Option<f64>,
    /// How contacts of it wait for a lock that another session keeps, if some do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<LockedLane>,
}

impl Overview {
    /// Returns when the backlogs of the first of these lanes are gone. The lanes must be the
    /// longest of all, at least [`SHARERS`] if there are so many.
    pub fn outlook(&self, lanes: Vec<LaneReport>, shown: u32) -> Vec<LaneOutlook> {
        let race = Race::of(self, &lanes);
        let shown = lanes.into_iter().take(shown as usize);
        let outlook = |lane: LaneReport| {
            let (locked, moving) = (self.lock_of(&lane).cloned(), self.moving(&lane));
            LaneOutlook {
                locked,
                ..race.outlook(lane, moving)
            }
        };
        shown.map(outlook).collect()
    }

    /// How contacts of a lane wait for a lock, if some do.
    fn lock_of(&self, lane: &LaneReport) -> Option<&LockedLane> {
        let mut standings = self
            .living()
            .filter_map(|courier| courier.standing.as_ref());
        standings.find_map(|standing| standing.lock_of(&lane.user_id, &lane.task_id))
    }

    /// Returns how many due contacts of a lane wait for no lock.
    fn moving(&self, lane: &LaneReport) -> u64 {
        let locked = self.lock_of(lane).map_or(0, |locked| locked.contacts);
        lane.due.saturating_sub(locked)
    }
}

/// The lanes that share the speed.
struct Race {
    /// Contacts in a second, by all couriers together.
    speed: f64,
    /// The due contacts of each lane that is sent, by user; `None`: the user is kept back.
    users: HashMap<String, Option<Vec<u64>>>,
    /// The due contacts of the lanes that are not looked at. They are shorter, so they are done
    /// before.
    rest: u64,
    /// The highest speed of one lane, and of one user.
    of_a_lane: f64,
    of_a_user: f64,
}

impl Race {
    fn of(overview: &Overview, lanes: &[LaneReport]) -> Self {
        let mut race = Self {
            speed: overview.contacts_per_second(),
            users: HashMap::new(),
            rest: overview.moving_in_all(),
            of_a_lane: highest(overview, |standing| standing.per_lane),
            of_a_user: highest(overview, |standing| standing.per_user),
        };
        for lane in lanes {
            let user = race.users.entry(lane.user_id.clone());
            let user = user.or_insert_with(|| {
                let is_sent = !overview.keeps_back(&lane.user_id);
                is_sent.then(Vec::new)
            });
            if lane.state != LaneState::Held {
                let moving = overview.moving(lane);
                race.rest = race.rest.saturating_sub(moving);
                if let Some(lanes) = user {
                    lanes.push(moving);
                }
            }
        }
        race
    }

    fn keeps_back(&self, lane: &LaneReport) -> bool {
        lane.state == LaneState::Held || self.users.get(&lane.user_id).is_some_and(Option::is_none)
    }

    /// `moving`: its due contacts that wait for no lock.
    fn outlook(&self, lane: LaneReport, moving: u64) -> LaneOutlook {
        let kept_back = lane.due > 0 && (moving == 0 || self.keeps_back(&lane));
        let is_sent = lane.due > 0 && !kept_back && self.speed >= LEAST_SPEED;
        let done_in_seconds = is_sent.then(|| self.done_in(&lane, moving));
        LaneOutlook {
            lane,
            kept_back,
            done_in_seconds,
            locked: None,
        }
    }

    fn done_in(&self, lane: &LaneReport, moving: u64) -> f64 {
        // `given`: the contacts that its user has been given when the lane is done. `of_all`: the
        // contacts that all users have been given by then.
        let of_user = self
            .users
            .get(&lane.user_id)
            .into_iter()
            .flatten()
            .flatten();
        let given: u64 = of_user.map(|due| (*due).min(moving)).sum();
        let of_all = self.users.values().flatten();
        let of_all: u64 = of_all
            .map(|lanes| lanes.iter().sum::<u64>().min(given))
            .sum();
        let by_share = contacts(of_all + self.rest) / self.speed;
        by_share
            .max(contacts(moving) / self.of_a_lane)
            .max(contacts(given) / self.of_a_user)
    }
}

/// The highest limit that a living courier has, in contacts per second; infinite without one.
fn highest(overview: &Overview, limit: impl Fn(&Standing) -> Option<f64>) -> f64 {
    let standings = overview
        .living()
        .filter_map(|courier| courier.standing.as_ref());
    let limits = standings.map(|standing| {
        let of_a_request = standing.batch_size.unwrap_or(MAX_BATCH) as u64;
        limit(standing).map_or(f64::INFINITY, |limit| limit * contacts(of_a_request))
    });
    let highest = limits.fold(0.0, f64::max);
    if highest > 0.0 {
        highest
    } else {
        f64::INFINITY
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn contacts(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::ContactId;
    use crate::outbox::{ClosedGate, InstanceReport};

    fn lane(user: &str, task: &str, due: u64) -> LaneReport {
        LaneReport {
            user_id: user.into(),
            task_id: task.into(),
            pending: due,
            due,
            state: LaneState::Due,
            ..LaneReport::default()
        }
    }

    fn overview(standing: Standing, due: u64) -> Overview {
        let courier = InstanceReport {
            alive: true,
            standing: Some(standing),
            ..InstanceReport::default()
        };
        let mut overview = Overview {
            instances: vec![courier],
            ..Overview::default()
        };
        overview.pending.due = due;
        overview
    }

    fn ten_per_second() -> Standing {
        Standing {
            contacts_per_second: 10.0,
            ..Standing::default()
        }
    }

    /// Returns in how many whole seconds each backlog is gone.
    fn gone(overview: &Overview, lanes: &[LaneReport]) -> Vec<Option<u64>> {
        let outlook = overview.outlook(lanes.to_vec(), 100);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and positive"
        )]
        let whole = |seconds: f64| seconds.round() as u64;
        let all = outlook.iter().map(|one| one.done_in_seconds.map(whole));
        all.collect()
    }

    #[test]
    fn lanes_share_the_speed_and_leave_it_to_those_that_are_not_done() {
        let lanes = [
            lane("u", "a", 600),
            lane("v", "b", 300),
            lane("w", "c", 100),
        ];
        let all = overview(ten_per_second(), 1_000);
        // All three go at a third until the last has 100, two go on by halves, one alone.
        assert_eq!(gone(&all, &lanes), [Some(100), Some(70), Some(30)]);
        // Lanes that are not looked at are shorter, and so are done before.
        let more = overview(ten_per_second(), 1_050);
        assert_eq!(gone(&more, &lanes), [Some(105), Some(75), Some(35)]);
    }

    #[test]
    fn a_user_with_many_lanes_gets_no_more_than_one_with_a_single_lane() {
        let mut lanes: Vec<LaneReport> = (0..9)
            .map(|nth| lane("many", &nth.to_string(), 100))
            .collect();
        lanes.push(lane("one", "t", 100));
        let all = overview(ten_per_second(), 1_000);
        let gone = gone(&all, &lanes);
        assert_eq!(gone[9], Some(20), "half of the speed is its user's");
        assert_eq!(gone[0], Some(100));
    }

    #[test]
    fn what_is_kept_back_takes_no_share_and_has_no_end() {
        let mut standing = ten_per_second();
        standing.gates.push(ClosedGate {
            user_id: Some("v".into()),
            ..ClosedGate::default()
        });
        let mut lanes = [
            lane("u", "a", 600),
            lane("v", "b", 300),
            lane("w", "c", 100),
        ];
        lanes[2].state = LaneState::Held;
        let all = overview(standing, 900);
        assert_eq!(gone(&all, &lanes), [Some(60), None, None]);
        let kept_back = all.outlook(lanes.to_vec(), 3);
        let kept_back: Vec<bool> = kept_back.iter().map(|one| one.kept_back).collect();
        assert_eq!(kept_back, [false, true, true]);
        // Without anything due nothing is kept back, and nothing ends.
        let idle = all.outlook(vec![lane("v", "b", 0)], 1);
        assert_eq!((idle[0].kept_back, idle[0].done_in_seconds), (false, None));
    }

    #[test]
    fn what_waits_for_a_lock_takes_no_share_and_has_no_end() {
        let locked = |task: &str, contacts| LockedLane {
            user_id: "u".into(),
            task_id: task.into(),
            contact_id: Some(ContactId(7)),
            contacts,
            waited_seconds: 5.0,
        };
        let mut standing = ten_per_second();
        standing.locked = vec![locked("all", 100), locked("some", 100)];
        let all = overview(standing, 400);
        let lanes = [lane("u", "some", 300), lane("u", "all", 100)];
        assert_eq!(gone(&all, &lanes), [Some(20), None]);
        let outlook = all.outlook(lanes.to_vec(), 2);
        let kept_back: Vec<bool> = outlook.iter().map(|one| one.kept_back).collect();
        assert_eq!(kept_back, [false, true]);
        assert_eq!(outlook[1].locked, Some(locked("all", 100)));
    }

    #[test]
    fn nothing_ends_while_everything_is_stopped_or_nobody_sends() {
        let mut standing = ten_per_second();
        standing.gates.push(ClosedGate::default());
        let stopped = overview(standing, 600);
        let lanes = [lane("u", "a", 600)];
        assert!(stopped.outlook(lanes.to_vec(), 1)[0].kept_back);
        let nobody = Overview::default();
        let outlook = nobody.outlook(lanes.to_vec(), 1);
        assert_eq!(
            (outlook[0].kept_back, outlook[0].done_in_seconds),
            (false, None)
        );
    }

    #[test]
    fn a_lane_is_no_faster_than_the_rates_of_its_own() {
        let lanes = [lane("u", "a", 6_000), lane("u", "b", 3_000)];
        let gone = |per_lane, per_user, batch_size| {
            let standing = Standing {
                contacts_per_second: 1_000.0,
                per_lane,
                per_user,
                batch_size,
                ..Standing::default()
            };
            gone(&overview(standing, 9_000), &lanes)
        };
        assert_eq!(gone(None, None, None), [Some(9), Some(6)]);
        assert_eq!(gone(Some(1.0), None, None), [Some(60), Some(30)]);
        assert_eq!(gone(None, Some(1.0), None), [Some(90), Some(60)]);
        assert_eq!(gone(None, Some(1.0), Some(10)), [Some(900), Some(600)]);
    }
}
