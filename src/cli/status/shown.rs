//! The status as people read it.

use std::time::Duration;

use indicatif::HumanCount;

use super::report::StatusReport;
use crate::cli::headline::{in_short, words};
use crate::cli::span::{batches, contacts, count, seconds, span};
use crate::cli::table::{cut, keep_first, lines_within, numbers, table, wrapped};
use crate::outbox::{
    ClosedGate, HeldLane, InstanceReport, LaneOutlook, LockedLane, OrderScope, PAUSED, Standing,
};
use crate::visible::one_line;

/// How many paused lanes are named on one line.
const NAMED: usize = 5;

/// `width`: the width of the screen, if there is one.
pub(super) fn show(status: &StatusReport, width: Option<u16>) -> String {
    let server = status.server.as_ref();
    let server = server.map_or_else(String::new, |server| format!("Server   {server}\n"));
    let mut parts = vec![head(status, width), cut(&(server + &totals(status)), width)];
    if !status.held_users.is_empty() {
        parts.push(format!(
            "Users on hold\n{}",
            users(&status.held_users, width)
        ));
    }
    if !status.paused_lanes.is_empty() {
        parts.push(format!(
            "Lanes on hold\n{}",
            held(&status.paused_lanes, width)
        ));
    }
    if let Some(more) = paused_besides(status) {
        parts.push(cut(&more, width));
    }
    if !status.busiest_lanes.is_empty() {
        let lanes = busiest(&status.busiest_lanes, width);
        parts.push(format!("Lanes with most pending\n{lanes}"));
    }
    parts.push(if status.overview.instances.is_empty() {
        "No courier is registered: start one with `contact-courier run`\n".to_owned()
    } else {
        format!("Couriers\n{}", instances(&status.overview.instances, width))
    });
    match status.overview.guests {
        0 => {}
        1 => parts.push("1 courier of another database shares the rates kept here\n".to_owned()),
        n => parts.push(format!(
            "{n} couriers of other databases share the rates kept here\n"
        )),
    }
    parts.join("\n")
}

/// The one thing to know first; the words of others about it stand on a line of their own.
fn head(status: &StatusReport, width: Option<u16>) -> String {
    let head = wrapped(&in_short(&status.conclusion), width);
    let words = words(&status.conclusion).unwrap_or_default();
    let words = one_line(words);
    if words.is_empty() {
        return head;
    }
    head + &cut(&format!("{words}\n"), width)
}

/// The lanes that an operator has paused and that are not in the list, because nothing is due in
/// them or the list is full.
fn paused_besides(status: &StatusReport) -> Option<String> {
    let is_listed = |user: &str, task: &str| {
        let mut listed = status.paused_lanes.iter();
        listed.any(|one| one.user_id == user && one.task_id == task)
    };
    let pauses = status.overview.pauses.iter();
    let lanes = pauses.filter_map(|pause| match &pause.scope {
        OrderScope::Lane(lane) => Some(lane),
        OrderScope::All | OrderScope::User(_) => None,
    });
    let others = lanes.filter(|lane| !is_listed(lane.user_id(), lane.task_id()));
    let others: Vec<String> = others.map(ToString::to_string).collect();
    let (named, more) = others.split_at(others.len().min(NAMED));
    if named.is_empty() {
        return None;
    }
    let more = match more.len() as u64 {
        0 => String::new(),
        n => format!(", and {}", count(n, "more lane", "more lanes")),
    };
    Some(format!("Also paused: {}{more}\n", named.join(", ")))
}

fn totals(status: &StatusReport) -> String {
    let overview = &status.overview;
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
         Journal  {} open\n\
         Speed    {}\n",
        contacts(pending.total()),
        HumanCount(pending.due),
        HumanCount(pending.held),
        HumanCount(pending.deferred),
        HumanCount(lanes.due),
        HumanCount(lanes.held),
        HumanCount(lanes.leased),
        HumanCount(lanes.idle),
        batches(overview.open_batches),
        speed(status),
    )
}

/// Says the speed, and how long the backlog takes at this speed.
fn speed(status: &StatusReport) -> String {
    let speed = format!("{:.1} contacts/s", status.contacts_per_second);
    match status.done_in_seconds {
        Some(left) => format!("{speed}; what is due is gone in about {}", seconds(left)),
        None => speed,
    }
}

fn users(gates: &[ClosedGate], width: Option<u16>) -> String {
    let mut table = table(&["user", "reason", "since", "next try", "message"]);
    for gate in gates {
        table.add_row([
            gate.user_id.clone().unwrap_or_default(),
            gate.reason.clone(),
            seconds(gate.closed_seconds),
            next_try(&gate.reason, gate.next_try_in_seconds, false),
            one_line(&gate.message),
        ]);
    }
    lines_within(&mut table, width)
}

/// Says when the next try is, in so many seconds. A pause is not tried: it ends.
fn next_try(reason: &str, in_seconds: f64, until_resumed: bool) -> String {
    match reason {
        _ if until_resumed => "when resumed".to_owned(),
        PAUSED if in_seconds > 0.0 => format!("ends in {}", seconds(in_seconds)),
        PAUSED => "when resumed".to_owned(),
        _ if in_seconds > 0.0 => format!("in {}", seconds(in_seconds)),
        _ => "now".to_owned(),
    }
}

fn held(lanes: &[HeldLane], width: Option<u16>) -> String {
    let mut table = table(&[
        "lane", "reason", "since", "next try", "failures", "pending", "message",
    ]);
    for lane in lanes {
        table.add_row([
            format!("{}/{}", lane.user_id, lane.task_id),
            lane.reason.clone(),
            span(lane.held_for),
            next_try(
                &lane.reason,
                lane.next_try_in.as_secs_f64(),
                lane.until_resumed,
            ),
            lane.failures.to_string(),
            HumanCount(lane.pending).to_string(),
            one_line(&lane.message),
        ]);
    }
    numbers(&mut table, &[4, 5]);
    keep_first(&mut table, width);
    lines_within(&mut table, width)
}

fn busiest(lanes: &[LaneOutlook], width: Option<u16>) -> String {
    let mut table = table(&["lane", "pending", "gone in", "oldest", "state", "courier"]);
    for outlook in lanes {
        let lane = &outlook.lane;
        let owner = lane.owner.as_ref();
        table.add_row([
            format!("{}/{}", lane.user_id, lane.task_id),
            HumanCount(lane.pending).to_string(),
            gone_in(outlook),
            lane.oldest.map_or_else(|| "-".to_owned(), span),
            outlook
                .locked
                .as_ref()
                .map_or_else(|| lane.state.as_str().to_owned(), locked),
            owner.map_or_else(|| "-".to_owned(), |o| format!("{} ({})", o.host, o.pid)),
        ]);
    }
    numbers(&mut table, &[1]);
    lines_within(&mut table, width)
}

/// Says for whose lock a lane waits.
fn locked(lock: &LockedLane) -> String {
    lock.contact_id.map_or_else(
        || "waits for a lock".to_owned(),
        |id| format!("waits for locked contact {id}"),
    )
}

/// Says when the due contacts of a lane are gone.
fn gone_in(outlook: &LaneOutlook) -> String {
    match outlook.done_in_seconds {
        Some(left) => seconds(left),
        None if outlook.kept_back && outlook.locked.is_some() => "locked".to_owned(),
        None if outlook.kept_back => "held".to_owned(),
        None => "-".to_owned(),
    }
}

fn instances(instances: &[InstanceReport], width: Option<u16>) -> String {
    let mut table = table(&["courier", "started", "heartbeat", "state"]);
    let ago = |time: Duration| format!("{} ago", span(time));
    for instance in instances {
        table.add_row([
            format!("{} ({})", instance.host, instance.pid),
            ago(instance.started_ago),
            ago(instance.heartbeat_ago),
            state(instance),
        ]);
    }
    lines_within(&mut table, width)
}

/// Says whether a courier lives, and whether it keeps everything back.
fn state(instance: &InstanceReport) -> String {
    if !instance.alive {
        return "silent, its lanes are free".to_owned();
    }
    let standing = instance.standing.as_ref();
    standing.and_then(Standing::gate_for_all).map_or_else(
        || "alive".to_owned(),
        |gate| {
            let since = seconds(gate.closed_seconds);
            format!("alive, sends nothing: {} for {since}", gate.reason)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::{ContactId, Lane};
    use crate::outbox::{
        Conclusion, LaneCounts, LaneReport, LaneState, NewestEnds, Overview, Owner, Pause,
        PendingCounts,
    };
    use unicode_width::UnicodeWidthStr;

    fn courier() -> InstanceReport {
        InstanceReport {
            id: "i".into(),
            host: "one".into(),
            pid: 7,
            started_ago: Duration::from_hours(30),
            heartbeat_ago: Duration::from_secs(4),
            alive: true,
            standing: Some(Standing {
                gates: vec![ClosedGate {
                    user_id: Some("v".into()),
                    reason: "forbidden".into(),
                    message: "无权操作".into(),
                    closed_seconds: 700.0,
                    next_try_in_seconds: 30.0,
                    until_resumed: false,
                }],
                contacts_per_second: 12.0,
                ..Standing::default()
            }),
        }
    }

    fn lanes() -> Vec<LaneReport> {
        vec![
            LaneReport {
                user_id: "u".into(),
                task_id: "t".into(),
                pending: 12_000,
                due: 12_000,
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
            LaneReport {
                user_id: "u".into(),
                task_id: "held".into(),
                pending: 4,
                due: 3,
                state: LaneState::Held,
                ..LaneReport::default()
            },
        ]
    }

    fn status() -> StatusReport {
        StatusReport::of(
            Some("db1:5432".into()),
            Overview {
                at: "2026-01-01T12:03:10Z".into(),
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
                    held_alone: 1,
                },
                open_batches: 3,
                newest: NewestEnds::default(),
                instances: vec![courier()],
                guests: 2,
                pauses: Vec::new(),
                ..Overview::default()
            },
            (lanes(), 10),
            vec![HeldLane {
                user_id: "u".into(),
                task_id: "held".into(),
                reason: "task_running".into(),
                message: "任务正在拨打中,请先暂停任务".into(),
                held_for: Duration::from_secs(125),
                next_try_in: Duration::from_secs(30),
                until_resumed: false,
                failures: 4,
                pending: 100,
            }],
        )
    }

    #[test]
    fn on_a_screen_of_80_columns_no_line_of_an_outage_takes_two() {
        let gate = ClosedGate {
            reason: "unauthorized".into(),
            message: "令牌无效,".repeat(20) + "get a new token, and write it into the file",
            closed_seconds: 700.0,
            next_try_in_seconds: 30.0,
            ..ClosedGate::default()
        };
        let mut stopped = status();
        stopped.conclusion = Conclusion::Stopped { gate, held: 7 };
        let shown = show(&stopped, Some(80));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[0],
            "Nothing is sent: unauthorized for 11m 40s; next try in 30s"
        );
        assert!(lines[1].starts_with("令牌无效,"), "{shown}");
        assert!(lines[1].ends_with('…'), "{shown}");
        assert_eq!(lines[2], "");
        let wide = lines.iter().filter(|line| line.width() > 80);
        assert_eq!(wide.collect::<Vec<_>>(), [""; 0].iter().collect::<Vec<_>>());
        let partly = show(&status(), Some(80));
        assert!(partly.lines().all(|line| line.width() <= 80), "{partly}");
        assert!(partly.contains("The others\ngo on\n"), "{partly}");
    }

    #[test]
    fn a_message_is_whole_where_there_is_no_screen() {
        let advice = "pause the task at the platform, or wait until it has ended";
        let mut long = status();
        long.paused_lanes[0].message = format!("{}; {advice}", "任务正在拨打中,".repeat(9));
        assert!(show(&long, None).contains(advice));
        let shown = show(&long, Some(80));
        assert!(shown.lines().all(|line| line.width() <= 80), "{shown}");
        assert!(shown.contains("\nu/held  task_running  2m 5s"), "{shown}");
    }

    #[test]
    fn a_paused_lane_in_which_nothing_waits_is_told_on_a_line() {
        let mut paused = status();
        paused.overview.pauses = ["t", "held"]
            .map(|task| Pause {
                scope: OrderScope::Lane(Lane::new("u", task).unwrap()),
                reason: "by anna".into(),
                paused_seconds: 5.0,
                ends_in_seconds: None,
            })
            .into();
        let shown = show(&paused, None);
        assert!(shown.contains("\nAlso paused: u/t\n"), "{shown}");
    }

    #[test]
    fn of_several_couriers_the_one_that_sends_nothing_is_told() {
        let mut refused = courier();
        refused.standing.get_or_insert_default().gates = vec![ClosedGate {
            reason: "unauthorized".into(),
            closed_seconds: 15.0,
            ..ClosedGate::default()
        }];
        assert_eq!(
            state(&refused),
            "alive, sends nothing: unauthorized for 15s"
        );
        // The gate of a user keeps back that user alone.
        assert_eq!(state(&courier()), "alive");
        refused.alive = false;
        assert_eq!(state(&refused), "silent, its lanes are free");
    }

    #[test]
    fn when_something_is_tried_again_or_ends() {
        for (reason, seconds, until_resumed, told) in [
            ("task_running", 0.0, false, "now"),
            ("task_running", 90.0, false, "in 1m 30s"),
            ("task_running", 90.0, true, "when resumed"),
            (PAUSED, 7_200.0, false, "ends in 2h 0m"),
            (PAUSED, 0.0, false, "when resumed"),
        ] {
            assert_eq!(next_try(reason, seconds, until_resumed), told);
        }
    }

    #[test]
    fn everything_is_told_in_plain_lines() {
        let expected = "\
1 lane is on hold with 100 contacts, and nothing is sent for 1 user. The others go on

Server   db1:5432
Pending  12,105 contacts: 12,000 due, 100 held, 5 for later
Oldest   due for 1h 2m
Lanes    1 due, 1 held, 1 at work, 7 idle
Journal  3 batches open
Speed    12.0 contacts/s; what is due is gone in about 16m 40s

Users on hold
user  reason     since    next try  message
v     forbidden  11m 40s  in 30s    无权操作

Lanes on hold
lane    reason        since  next try  failures  pending  message
u/held  task_running  2m 5s  in 30s           4      100  任务正在拨打中,请先暂停任务

Lanes with most pending
lane     pending  gone in  oldest  state   courier
u/t       12,000  16m 40s  1h 2m   leased  one (7)
u/later        5  -        -       idle    -
u/held         4  held     -       held    -

Couriers
courier  started    heartbeat  state
one (7)  1d 6h ago  4s ago     alive

2 couriers of other databases share the rates kept here
";
        assert_eq!(show(&status(), None), expected);
    }

    #[test]
    fn a_lane_that_waits_for_a_lock_says_for_which_contact_and_has_no_end() {
        let mut one = courier();
        let standing = one.standing.get_or_insert_default();
        standing.gates.clear();
        standing.locked = vec![LockedLane {
            user_id: "u".into(),
            task_id: "t".into(),
            contact_id: Some(ContactId(57)),
            contacts: 12_000,
            waited_seconds: 60.0,
        }];
        let StatusReport { mut overview, .. } = status();
        overview.instances = vec![one];
        overview.lanes.held = 0;
        let shown = show(
            &StatusReport::of(None, overview, (lanes(), 10), Vec::new()),
            None,
        );
        let first =
            "Nothing goes on: 12,000 contacts wait in 1 lane for locks that another session";
        assert!(shown.starts_with(first), "{shown}");
        assert!(shown.contains("\nSpeed    12.0 contacts/s\n"), "{shown}");
        let lane = "u/t       12,000  locked   1h 2m   waits for locked contact 57  one (7)\n";
        assert!(shown.contains(lane), "{shown}");
    }

    #[test]
    fn an_empty_outbox_says_so_and_that_nobody_works() {
        let empty = StatusReport::of(None, Overview::default(), (Vec::new(), 10), Vec::new());
        let expected = "\
No contact was inserted yet

Pending  0 contacts: 0 due, 0 held, 0 for later
Oldest   none is due
Lanes    0 due, 0 held, 0 at work, 0 idle
Journal  0 batches open
Speed    0.0 contacts/s

No courier is registered: start one with `contact-courier run`
";
        assert_eq!(show(&empty, None), expected);
    }
}
