//! The status as people read it.

use std::time::Duration;

use indicatif::HumanCount;

use super::report::StatusReport;
use crate::cli::span::{batches, contacts, span};
use crate::cli::table::{lines, numbers, short, table};
use crate::outbox::{InstanceReport, LaneReport, Overview, PausedLane};

/// How much of a message is shown: `explain` and the log have the rest.
const MESSAGE: usize = 60;

pub(super) fn show(status: &StatusReport) -> String {
    let server = status.server.as_ref();
    let server = server.map_or_else(String::new, |server| format!("Server   {server}\n"));
    let mut parts = vec![server + &totals(&status.overview)];
    if !status.paused_lanes.is_empty() {
        parts.push(format!("Lanes on hold\n{}", paused(&status.paused_lanes)));
    }
    if !status.busiest_lanes.is_empty() {
        let lanes = busiest(&status.busiest_lanes);
        parts.push(format!("Lanes with most pending\n{lanes}"));
    }
    parts.push(if status.overview.instances.is_empty() {
        "No courier is registered: start one with `contact-courier run`\n".to_owned()
    } else {
        format!("Couriers\n{}", instances(&status.overview.instances))
    });
    parts.join("\n")
}

fn totals(overview: &Overview) -> String {
    let pending = &overview.pending;
    let lanes = &overview.lanes;
    let oldest = overview.oldest_pending.map_or_else(
        || "none is due".to_owned(),
        |age| format!("due for {}", span(age)),
    );
    format!(
        "Pending  {}: {} due, {} held, {} for later\n\
         Oldest   {oldest}\n\
         Lanes    {} due, {} held, {} at work, {} idle\n\
         Journal  {} open\n",
        contacts(pending.total()),
        HumanCount(pending.due),
        HumanCount(pending.held),
        HumanCount(pending.deferred),
        HumanCount(lanes.due),
        HumanCount(lanes.held),
        HumanCount(lanes.leased),
        HumanCount(lanes.idle),
        batches(overview.open_batches),
    )
}

fn paused(lanes: &[PausedLane]) -> String {
    let mut table = table(&[
        "lane", "reason", "since", "next try", "failures", "pending", "message",
    ]);
    for lane in lanes {
        let next = if lane.next_try_in.is_zero() {
            "now".to_owned()
        } else {
            format!("in {}", span(lane.next_try_in))
        };
        table.add_row([
            format!("{}/{}", lane.user_id, lane.task_id),
            lane.reason.clone(),
            span(lane.held_for),
            next,
            lane.failures.to_string(),
            HumanCount(lane.pending).to_string(),
            short(&lane.message, MESSAGE),
        ]);
    }
    numbers(&mut table, &[4, 5]);
    lines(&table)
}

fn busiest(lanes: &[LaneReport]) -> String {
    let mut table = table(&["lane", "pending", "oldest", "state", "courier"]);
    for lane in lanes {
        let owner = lane.owner.as_ref();
        table.add_row([
            format!("{}/{}", lane.user_id, lane.task_id),
            HumanCount(lane.pending).to_string(),
            lane.oldest.map_or_else(|| "-".to_owned(), span),
            lane.state.as_str().to_owned(),
            owner.map_or_else(|| "-".to_owned(), |o| format!("{} ({})", o.host, o.pid)),
        ]);
    }
    numbers(&mut table, &[1]);
    lines(&table)
}

fn instances(instances: &[InstanceReport]) -> String {
    let mut table = table(&["courier", "started", "heartbeat", "state"]);
    let ago = |time: Duration| format!("{} ago", span(time));
    for instance in instances {
        let state = if instance.alive {
            "alive"
        } else {
            "silent, its lanes are free"
        };
        table.add_row([
            format!("{} ({})", instance.host, instance.pid),
            ago(instance.started_ago),
            ago(instance.heartbeat_ago),
            state.to_owned(),
        ]);
    }
    lines(&table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::{LaneCounts, LaneState, Owner, PendingCounts};

    fn status() -> StatusReport {
        StatusReport {
            server: Some("db1:5432".into()),
            overview: Overview {
                pending: PendingCounts {
                    due: 12_000,
                    deferred: 5,
                    held: 100,
                },
                oldest_pending: Some(Duration::from_secs(3_725)),
                lanes: LaneCounts {
                    due: 1,
                    held: 1,
                    leased: 1,
                    idle: 7,
                },
                open_batches: 3,
                instances: vec![InstanceReport {
                    id: "i".into(),
                    host: "one".into(),
                    pid: 7,
                    started_ago: Duration::from_hours(30),
                    heartbeat_ago: Duration::from_secs(4),
                    alive: true,
                }],
            },
            busiest_lanes: vec![
                LaneReport {
                    user_id: "u".into(),
                    task_id: "t".into(),
                    pending: 12_000,
                    oldest: Some(Duration::from_secs(3_725)),
                    state: LaneState::Leased,
                    owner: Some(Owner {
                        id: "i".into(),
                        host: "one".into(),
                        pid: 7,
                    }),
                },
                LaneReport {
                    user_id: "u".into(),
                    task_id: "later".into(),
                    pending: 5,
                    ..LaneReport::default()
                },
            ],
            paused_lanes: vec![PausedLane {
                user_id: "u".into(),
                task_id: "held".into(),
                reason: "task_running".into(),
                message: "任务正在拨打中,请先暂停任务".into(),
                held_for: Duration::from_secs(125),
                next_try_in: Duration::from_secs(30),
                failures: 4,
                pending: 100,
            }],
        }
    }

    #[test]
    fn everything_is_told_in_plain_lines() {
        let expected = "\
Server   db1:5432
Pending  12,105 contacts: 12,000 due, 100 held, 5 for later
Oldest   due for 1h 2m
Lanes    1 due, 1 held, 1 at work, 7 idle
Journal  3 batches open

Lanes on hold
lane    reason        since  next try  failures  pending  message
u/held  task_running  2m 5s  in 30s           4      100  任务正在拨打中,请先暂停任务

Lanes with most pending
lane     pending  oldest  state   courier
u/t       12,000  1h 2m   leased  one (7)
u/later        5  -       idle    -

Couriers
courier  started    heartbeat  state
one (7)  1d 6h ago  4s ago     alive
";
        assert_eq!(show(&status()), expected);
    }

    #[test]
    fn an_empty_outbox_says_so_and_that_nobody_works() {
        let empty = StatusReport {
            server: None,
            overview: Overview::default(),
            busiest_lanes: Vec::new(),
            paused_lanes: Vec::new(),
        };
        let expected = "\
Pending  0 contacts: 0 due, 0 held, 0 for later
Oldest   none is due
Lanes    0 due, 0 held, 0 at work, 0 idle
Journal  0 batches open

No courier is registered: start one with `contact-courier run`
";
        assert_eq!(show(&empty), expected);
    }
}
