//! Why a contact ended as it did, or what happens to it next, in a sentence.

use std::time::Duration;

use crate::cli::headline::until;
use crate::cli::span::{ago, contacts, seconds, span};
use crate::outbox::{BatchReport, ClosedGate, ContactReport, LaneStanding, PAUSED, Story};

/// One line of plain English.
pub(super) fn summary(story: &Story) -> String {
    let contact = &story.contact;
    let told = match contact.status.as_str() {
        "succeeded" => succeeded(story),
        "failed" => failed(contact),
        _ => format!("Pending: {}.{}", next(story), locked(story)),
    };
    told + &redacted(contact)
}

/// Says that the outcome cannot be written because of a lock, and what to do about it. Of a lane that
/// is at work, contacts without a batch do not wait for it.
fn locked(story: &Story) -> String {
    let id = Some(story.contact.id);
    let has_batch = || story.batches.iter().any(|batch| batch.state != "closed");
    let Some(lock) = &story.locked else {
        return String::new();
    };
    if lock.contact_id != id && !has_batch() && !nobody(story) {
        return String::new();
    }
    let what = match lock.contact_id {
        own if own == id => "its row locked".to_owned(),
        Some(other) => format!("contact {other} of its lane locked"),
        None => "something locked that its lane needs".to_owned(),
    };
    let shown_in = match story.sessions_in {
        "" => String::new(),
        sessions => format!(" ({sessions} shows it)"),
    };
    format!(
        " Another session has kept {what} for {}, so its outcome cannot be written: the app must end \
         that transaction{shown_in}.",
        seconds(lock.waited_seconds),
    )
}

/// Says why so little of it is left.
fn redacted(contact: &ContactReport) -> String {
    contact.redacted_at.as_ref().map_or_else(String::new, |at| {
        let when = ago(at.seconds_ago);
        format!(" What is personal was taken out of it {when}; it cannot be sent again.")
    })
}

fn succeeded(story: &Story) -> String {
    let contact = &story.contact;
    let when = contact.finished_at.as_ref();
    let when = when.map_or_else(String::new, |at| format!(" {}", ago(at.seconds_ago)));
    let last = story
        .batches
        .iter()
        .find(|batch| Some(&batch.id) == contact.batch_id.as_ref());
    let how = match last {
        Some(batch) if batch.maybe_delivered => {
            "; an earlier send may have been the one that arrived"
        }
        _ => "",
    };
    format!(
        "Succeeded{when}: the platform has it, after {}{how}.",
        requests(contact.attempts)
    )
}

fn failed(contact: &ContactReport) -> String {
    let when = contact.finished_at.as_ref();
    let when = when.map_or_else(String::new, |at| format!(" {}", ago(at.seconds_ago)));
    let cause = contact.fail_cause.as_deref().unwrap_or("no cause was kept");
    let why = match contact.fail_kind.as_deref() {
        Some("invalid") => "it breaks a rule and was never sent",
        Some("rejected") => "the platform refused it",
        Some("duplicate") => "the number is already in the task",
        Some("unconfirmed") => "the platform may or may not have it",
        Some("expired") => "it was surely not delivered, and was given up",
        Some("cancelled") => "it was surely not delivered, and an operator ended it",
        _ => "it failed",
    };
    format!("Failed{when}: {why} ({cause}).")
}

/// Says what happens next to a pending contact.
fn next(story: &Story) -> String {
    let open = story.batches.iter().find(|batch| batch.state != "closed");
    let later = story.contact.not_before.as_ref();
    match (open, later) {
        (Some(batch), _) if batch.state == "sending" => sending(batch, story.lane.as_ref()),
        (Some(batch), _) => waiting(batch, story),
        (None, Some(later)) if later.seconds_ago < 0.0 => {
            format!(
                "it is not to be sent before its time, {}",
                ago(later.seconds_ago)
            )
        }
        (None, _) => unsent(story),
    }
}

fn sending(batch: &BatchReport, lane: Option<&LaneStanding>) -> String {
    let since = batch.sent_at.as_ref();
    let since = since.map_or_else(String::new, |at| format!(", {}", ago(at.seconds_ago)));
    match lane.and_then(|lane| lane.owner.as_ref()) {
        Some(owner) => format!("courier {} ({}) has sent it{since}", owner.host, owner.pid),
        None => format!(
            "it was sent{since}, and its courier is gone; the next one finds its batch in the \
             journal and sends it again if that is safe"
        ),
    }
}

fn waiting(batch: &BatchReport, story: &Story) -> String {
    if batch.attempts == 0 {
        return match held(story) {
            Some(held) => format!("its batch was not sent yet; {held}"),
            None if nobody(story) => {
                format!("its batch was not sent yet; {}", waits_for_a_courier(story))
            }
            None => "its batch waits for its turn to be sent".to_owned(),
        };
    }
    let again = format!("its batch was sent {} and waits", times(batch.attempts));
    match held(story) {
        Some(held) => format!("{again}; {held}"),
        None if nobody(story) => format!("{again}; {}", waits_for_a_courier(story)),
        None => format!(
            "{again} for its turn to be sent again{}",
            last_answer(batch)
        ),
    }
}

/// Adds what its last request ended with: its lane is not on hold, and does not say it.
fn last_answer(batch: &BatchReport) -> String {
    match (&batch.outcome, &batch.answer) {
        (Some(outcome), Some(answer)) => format!("; the last time it got {outcome}: {answer}"),
        _ => String::new(),
    }
}

fn waits_for_a_courier(story: &Story) -> String {
    format!("its lane waits for a courier{}", none_runs(story))
}

/// Adds that no courier runs, if it is so.
fn none_runs(story: &Story) -> &'static str {
    if story.courier_runs {
        ""
    } else {
        ", and none runs"
    }
}

/// Whether no courier is at work in its lane.
fn nobody(story: &Story) -> bool {
    let lane = story.lane.as_ref();
    lane.is_none_or(|lane| lane.owner.is_none())
}

fn unsent(story: &Story) -> String {
    let ahead = match story.ahead {
        0 => "it is the next of its lane".to_owned(),
        1 => "1 contact of its lane stands before it".to_owned(),
        n => format!("{} of its lane stand before it", contacts(n)),
    };
    let again = if story.requeued.is_empty() {
        "it was not sent yet"
    } else {
        "it was requeued and not sent again yet"
    };
    let waits_for = held(story).unwrap_or_else(|| match &story.lane {
        Some(lane) => match &lane.owner {
            Some(owner) => {
                format!(
                    "courier {} ({}) is at work in its lane",
                    owner.host, owner.pid
                )
            }
            None => waits_for_a_courier(story),
        },
        None => format!("no courier has come to its lane so far{}", none_runs(story)),
    });
    format!("{again}; {waits_for}; {ahead}")
}

/// Why it is kept back, if it is: by a pause, by a gate, by its lane's hold, or by the last two.
fn held(story: &Story) -> Option<String> {
    let on_hold = story.lane.as_ref().and_then(|lane| {
        let reason = lane.reason.as_ref()?;
        Some((format!("its lane is on hold ({reason})"), lane.next_try_in))
    });
    let (why, next) = match (&story.gate, on_hold) {
        (Some(gate), _) if gate.reason == PAUSED => {
            return Some(format!("it is paused {}; {}", gate.message, until(gate)));
        }
        (Some(gate), on_hold) => {
            let next = Duration::try_from_secs_f64(gate.next_try_in_seconds).unwrap_or_default();
            match on_hold {
                Some((hold, longer)) if longer > next => {
                    (format!("{}, and {hold}", closed(gate)), longer)
                }
                _ => (closed(gate), next),
            }
        }
        (None, on_hold) => on_hold?,
    };
    Some(format!("{why}, {}", next_try(next, story)))
}

/// Whose requests a gate keeps back, why and since when.
fn closed(gate: &ClosedGate) -> String {
    let whose = match &gate.user_id {
        Some(_) => "nothing is sent for its user",
        None => "nothing is sent at all",
    };
    let since = seconds(gate.closed_seconds);
    let said = if gate.message.is_empty() {
        String::new()
    } else {
        format!(": {}", gate.message)
    };
    format!("{whose} ({} for {since}{said})", gate.reason)
}

fn next_try(time: Duration, story: &Story) -> String {
    if !story.courier_runs {
        "it waits for a courier, and none runs".to_owned()
    } else if time.is_zero() {
        "it is tried again now".to_owned()
    } else {
        format!("the next try is in {}", span(time))
    }
}

fn requests(n: u32) -> String {
    match n {
        1 => "1 request".into(),
        n => format!("{n} requests"),
    }
}

fn times(n: u32) -> String {
    match n {
        1 => "once".into(),
        n => format!("{n} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::{ContactId, Phone};
    use crate::outbox::{LockedLane, Moment, Owner, Requeued};

    fn at(seconds_ago: f64) -> Moment {
        Moment {
            at: "2026-01-01T00:00:00Z".into(),
            seconds_ago,
        }
    }

    fn story(status: &str) -> Story {
        Story {
            contact: ContactReport {
                id: ContactId(7),
                user_id: "u".into(),
                task_id: "t".into(),
                phone: Phone::new("13012121211"),
                idempotency_key: None,
                status: status.into(),
                fail_kind: None,
                fail_cause: None,
                attempts: 0,
                batch_id: None,
                created_at: Some(at(90.0)),
                not_before: None,
                finished_at: None,
                redacted_at: None,
            },
            requeued: Vec::new(),
            batches: Vec::new(),
            lane: None,
            gate: None,
            locked: None,
            sessions_in: "pg_stat_activity",
            courier_runs: true,
            ahead: 0,
        }
    }

    fn batch(state: &str) -> BatchReport {
        BatchReport {
            id: "b".into(),
            parent_id: None,
            state: state.into(),
            contacts: 3,
            attempts: 2,
            maybe_delivered: true,
            outcome: None,
            answer: None,
            created_at: Some(at(60.0)),
            sent_at: Some(at(30.0)),
            closed_at: None,
        }
    }

    fn owner() -> Owner {
        Owner {
            id: "i".into(),
            host: "one".into(),
            pid: 7,
        }
    }

    #[test]
    fn of_a_final_contact_it_says_why_it_ended() {
        let mut done = story("succeeded");
        done.contact.finished_at = Some(at(60.0));
        done.contact.attempts = 1;
        assert_eq!(
            summary(&done),
            "Succeeded 1m 0s ago: the platform has it, after 1 request."
        );
        done.batches = vec![batch("closed")];
        done.contact.batch_id = Some("b".into());
        done.contact.attempts = 2;
        assert_eq!(
            summary(&done),
            "Succeeded 1m 0s ago: the platform has it, after 2 requests; an earlier send may have \
             been the one that arrived."
        );
        let mut failed = story("failed");
        failed.contact.fail_kind = Some("rejected".into());
        failed.contact.fail_cause = Some("格式不正确。".into());
        failed.contact.finished_at = Some(at(3_600.0));
        assert_eq!(
            summary(&failed),
            "Failed 1h 0m ago: the platform refused it (格式不正确。)."
        );
    }

    #[test]
    fn of_a_contact_that_was_not_sent_it_says_what_it_waits_for() {
        let mut waits = story("pending");
        assert_eq!(
            summary(&waits),
            "Pending: it was not sent yet; no courier has come to its lane so far; it is the next \
             of its lane."
        );
        waits.courier_runs = false;
        assert_eq!(
            summary(&waits),
            "Pending: it was not sent yet; no courier has come to its lane so far, and none runs; it \
             is the next of its lane."
        );
        waits.courier_runs = true;
        waits.ahead = 12;
        waits.lane = Some(LaneStanding {
            owner: Some(owner()),
            ..LaneStanding::default()
        });
        assert_eq!(
            summary(&waits),
            "Pending: it was not sent yet; courier one (7) is at work in its lane; 12 contacts of \
             its lane stand before it."
        );
        waits.requeued = vec![Requeued {
            requeued_at: Some(at(1.0)),
            fail_kind: "expired".into(),
            fail_cause: None,
            attempts: 1,
            batch_id: None,
            finished_at: Some(at(2.0)),
        }];
        waits.lane = Some(LaneStanding::default());
        waits.ahead = 0;
        assert_eq!(
            summary(&waits),
            "Pending: it was requeued and not sent again yet; its lane waits for a courier; it is \
             the next of its lane."
        );
        waits.contact.not_before = Some(at(-7_200.0));
        assert_eq!(
            summary(&waits),
            "Pending: it is not to be sent before its time, in 2h 0m."
        );
    }

    #[test]
    fn of_a_contact_in_an_open_batch_it_says_where_that_is() {
        let mut open = story("pending");
        open.batches = vec![batch("sending")];
        assert_eq!(
            summary(&open),
            "Pending: it was sent, 30s ago, and its courier is gone; the next one finds its batch in \
             the journal and sends it again if that is safe."
        );
        open.lane = Some(LaneStanding {
            owner: Some(owner()),
            ..LaneStanding::default()
        });
        assert_eq!(
            summary(&open),
            "Pending: courier one (7) has sent it, 30s ago."
        );
        open.batches = vec![batch("waiting")];
        open.lane = Some(LaneStanding {
            reason: Some("task_running".into()),
            next_try_in: Duration::from_secs(90),
            ..LaneStanding::default()
        });
        assert_eq!(
            summary(&open),
            "Pending: its batch was sent 2 times and waits; its lane is on hold (task_running), the \
             next try is in 1m 30s."
        );
        open.lane = None;
        assert_eq!(
            summary(&open),
            "Pending: its batch was sent 2 times and waits; its lane waits for a courier."
        );
        open.lane = Some(LaneStanding {
            owner: Some(owner()),
            ..LaneStanding::default()
        });
        assert_eq!(
            summary(&open),
            "Pending: its batch was sent 2 times and waits for its turn to be sent again."
        );
        open.batches[0].outcome = Some("server_error".into());
        open.batches[0].answer = Some("HTTP 500".into());
        assert_eq!(
            summary(&open),
            "Pending: its batch was sent 2 times and waits for its turn to be sent again; the last \
             time it got server_error: HTTP 500."
        );
    }

    #[test]
    fn nothing_is_tried_again_while_no_courier_runs() {
        let mut held = story("pending");
        held.lane = Some(LaneStanding {
            reason: Some("unauthorized".into()),
            ..LaneStanding::default()
        });
        held.courier_runs = false;
        let told = summary(&held);
        assert!(
            told.contains("it waits for a courier, and none runs"),
            "{told}"
        );
        assert!(!told.contains("tried again now"), "{told}");
    }

    #[test]
    fn of_a_locked_contact_it_says_who_has_to_do_something() {
        let mut locked = story("pending");
        locked.batches = vec![batch("sending")];
        locked.lane = Some(LaneStanding {
            owner: Some(owner()),
            ..LaneStanding::default()
        });
        locked.locked = Some(LockedLane {
            contact_id: Some(ContactId(7)),
            contacts: 100,
            waited_seconds: 303.0,
            ..LockedLane::default()
        });
        assert_eq!(
            summary(&locked),
            "Pending: courier one (7) has sent it, 30s ago. Another session has kept its row locked \
             for 5m 3s, so its outcome cannot be written: the app must end that transaction \
             (pg_stat_activity shows it)."
        );
        for (contact_id, told) in [
            (Some(ContactId(8)), "kept contact 8 of its lane locked for"),
            (None, "kept something locked that its lane needs for"),
        ] {
            locked.locked.as_mut().unwrap().contact_id = contact_id;
            assert!(summary(&locked).contains(told), "{}", summary(&locked));
        }
        // The lane goes on with what is in no batch yet.
        locked.batches.clear();
        let told = summary(&locked);
        assert!(told.ends_with("it is the next of its lane."), "{told}");
    }

    #[test]
    fn a_contact_that_a_gate_keeps_back_says_so_before_its_lane() {
        let mut kept = story("pending");
        kept.gate = Some(ClosedGate {
            reason: "unauthorized".into(),
            message: "令牌无效".into(),
            closed_seconds: 723.0,
            next_try_in_seconds: 20.0,
            ..ClosedGate::default()
        });
        kept.lane = Some(LaneStanding {
            owner: Some(owner()),
            ..LaneStanding::default()
        });
        assert_eq!(
            summary(&kept),
            "Pending: it was not sent yet; nothing is sent at all (unauthorized for 12m 3s: \
             令牌无效), the next try is in 20s; it is the next of its lane."
        );
        kept.batches = vec![BatchReport {
            attempts: 0,
            ..batch("waiting")
        }];
        assert_eq!(
            summary(&kept),
            "Pending: its batch was not sent yet; nothing is sent at all (unauthorized for 12m 3s: \
             令牌无效), the next try is in 20s."
        );
        // Its lane's own hold may last longer than the gate.
        let hold = |seconds| {
            Some(LaneStanding {
                reason: Some("task_running".into()),
                next_try_in: Duration::from_secs(seconds),
                ..LaneStanding::default()
            })
        };
        kept.lane = hold(90);
        assert_eq!(
            summary(&kept),
            "Pending: its batch was not sent yet; nothing is sent at all (unauthorized for 12m 3s: \
             令牌无效), and its lane is on hold (task_running), the next try is in 1m 30s."
        );
        kept.lane = hold(20);
        assert!(
            summary(&kept).ends_with("令牌无效), the next try is in 20s."),
            "{}",
            summary(&kept)
        );
        kept.gate = None;
        kept.lane = None;
        assert_eq!(
            summary(&kept),
            "Pending: its batch was not sent yet; its lane waits for a courier."
        );
        kept.lane = Some(LaneStanding {
            owner: Some(owner()),
            ..LaneStanding::default()
        });
        assert_eq!(
            summary(&kept),
            "Pending: its batch waits for its turn to be sent."
        );
    }
}
