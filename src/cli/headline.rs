//! The one thing to know first, as a line for people.

use indicatif::HumanCount;

use super::span::{contacts, count, seconds};
use crate::outbox::{ClosedGate, Conclusion, PAUSED};
use crate::visible::one_line;

/// Says the state in one line.
pub(super) fn headline(conclusion: &Conclusion) -> String {
    match conclusion {
        Conclusion::Stopped { gate, held } => {
            format!("Nothing is sent: {}", why(gate, *held))
        }
        _ => in_short(conclusion),
    }
}

/// The same without the words of others, which may be long.
pub(super) fn in_short(conclusion: &Conclusion) -> String {
    match conclusion {
        Conclusion::NoCourier {
            due,
            held,
            silent,
            silent_seconds,
        } => no_courier(&due_and_held(*due, *held), *silent, *silent_seconds),
        Conclusion::Stopped { gate, held } => {
            let since = seconds(gate.closed_seconds);
            let next = next(gate, *held);
            format!("Nothing is sent: {} for {since}; {next}", gate.reason)
        }
        Conclusion::Partly {
            lanes,
            contacts: held,
            users,
            due,
            locked,
        } => partly(*lanes, *held, *users, (*due, *locked)),
        Conclusion::Delivering {
            due,
            locked,
            locked_lanes,
        } => delivering(*due, *locked, *locked_lanes),
        Conclusion::Later { deferred } => {
            format!(
                "Nothing is due: {} for the time that was set",
                waiting_on(*deferred)
            )
        }
        Conclusion::Delivered { are_all: true, .. } => "All delivered: no contact waits".to_owned(),
        Conclusion::Delivered { newest, .. } => format!(
            "Nothing waits: the newest {} were all delivered",
            contacts(*newest)
        ),
        Conclusion::Ended {
            succeeded,
            failed,
            cancelled,
        } => ended(*succeeded, *failed, *cancelled),
        Conclusion::Empty => "No contact was inserted yet".to_owned(),
    }
}

/// Says how the newest contacts ended, of which not all were delivered.
fn ended(succeeded: u64, failed: u64, cancelled: u64) -> String {
    let newest = contacts(succeeded + failed + cancelled);
    match (succeeded, failed, cancelled) {
        (0, 0, _) => format!("Nothing waits: the newest {newest} were all cancelled"),
        (0, _, 0) => format!("Nothing waits, and none of the newest {newest} was delivered"),
        (_, _, 0) => format!(
            "Nothing waits: of the newest {newest} {} delivered and {} failed",
            were(succeeded),
            HumanCount(failed)
        ),
        _ => format!(
            "Nothing waits: of the newest {newest} {} delivered, {} failed and {} cancelled",
            were(succeeded),
            HumanCount(failed),
            were(cancelled)
        ),
    }
}

/// Returns the words of others in it: the platform's, or those of the person who paused.
pub(super) fn words(conclusion: &Conclusion) -> Option<&str> {
    match conclusion {
        Conclusion::Stopped { gate, .. } => Some(gate.message.as_str()),
        _ => None,
    }
}

/// Says why a gate is closed, since when, and what comes next.
fn why(gate: &ClosedGate, held: u64) -> String {
    let (since, next) = (seconds(gate.closed_seconds), next(gate, held));
    let said = one_line(&gate.message);
    if gate.reason == PAUSED {
        return format!("paused for {since} {said}; {next}");
    }
    format!("{} for {since}; {next}; {said}", gate.reason)
}

/// Says what comes next. `held`: how many contacts are due behind the gate.
fn next(gate: &ClosedGate, held: u64) -> String {
    if gate.reason == PAUSED {
        until(gate)
    } else if gate.next_try_in_seconds > 0.0 {
        format!("next try in {}", seconds(gate.next_try_in_seconds))
    } else if held > 0 {
        "it is tried again now".to_owned()
    } else {
        "it is tried again as soon as a contact is due".to_owned()
    }
}

/// Says when a pause ends.
pub(super) fn until(pause: &ClosedGate) -> String {
    if pause.next_try_in_seconds > 0.0 {
        format!("it ends in {}", seconds(pause.next_try_in_seconds))
    } else {
        "it ends when somebody resumes".to_owned()
    }
}

/// Says how many contacts are due and how many are held. One of them is not zero.
fn due_and_held(due: u64, held: u64) -> String {
    match (due, held) {
        (due, 0) => format!("{} due", waiting(due)),
        (0, held) => format!("{} held", waiting(held)),
        (due, held) => format!("{} due, {} held", waiting(due), HumanCount(held)),
    }
}

/// Says that no courier lives, and how many contacts wait. Couriers that are silent perhaps run,
/// and the database takes no heartbeat.
fn no_courier(waiting: &str, silent: u64, silent_seconds: f64) -> String {
    if silent == 0 {
        return format!(
            "Nothing is sent: no courier runs, and {waiting}. Start one with `contact-courier run`"
        );
    }
    let are = if silent == 1 { "is" } else { "are" };
    format!(
        "Nothing is sent: {} {are} silent for {}, and {waiting}. Start one with \
         `contact-courier run`; if one runs, `contact-courier doctor` tells whether the database \
         takes writes",
        count(silent, "courier", "couriers"),
        seconds(silent_seconds)
    )
}

fn delivering(due: u64, locked: u64, lanes: u64) -> String {
    let lanes = || count(lanes, "lane", "lanes");
    match locked {
        0 => format!("Delivering: {} due", waiting(due)),
        locked if locked >= due => format!(
            "Nothing goes on: {} in {} for locks that another session keeps",
            waiting_on(locked),
            lanes()
        ),
        locked => format!(
            "Delivering: {} due; {} of them, in {}, {} for locks that another session keeps",
            waiting(due),
            HumanCount(locked),
            lanes(),
            if locked == 1 { "waits" } else { "wait" }
        ),
    }
}

/// `due`: how many contacts are due, and how many of them wait for locks.
fn partly(lanes: u64, held: u64, users: u64, (due, locked): (u64, u64)) -> String {
    let lanes = (lanes > 0).then(|| {
        let on_hold = if lanes == 1 { "is" } else { "are" };
        format!(
            "{} {on_hold} on hold with {}",
            count(lanes, "lane", "lanes"),
            contacts(held)
        )
    });
    let users = (users > 0).then(|| {
        let nothing = count(users, "user", "users");
        format!("nothing is sent for {nothing}")
    });
    let parts: Vec<String> = lanes.into_iter().chain(users).collect();
    let others = match due {
        0 => "",
        due if locked >= due => ". The others wait for locks that another session keeps",
        _ => ". The others go on",
    };
    let mut text = parts.join(", and ") + others;
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

fn waiting(n: u64) -> String {
    format!("{} {}", contacts(n), if n == 1 { "is" } else { "are" })
}

/// Says that so many contacts wait.
pub(super) fn waiting_on(n: u64) -> String {
    format!("{} {}", contacts(n), if n == 1 { "waits" } else { "wait" })
}

fn were(n: u64) -> String {
    format!("{} {}", HumanCount(n), if n == 1 { "was" } else { "were" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each_is_told(lines: &[(Conclusion, &str)]) {
        for (conclusion, line) in lines {
            assert_eq!(headline(conclusion), *line);
        }
    }

    #[test]
    fn a_gate_is_told_with_its_next_try_and_the_words_apart_if_need_be() {
        let gate = ClosedGate {
            user_id: None,
            reason: "unauthorized".into(),
            message: "the token was refused".into(),
            closed_seconds: 723.0,
            next_try_in_seconds: 20.0,
            until_resumed: false,
        };
        let stopped = |next: f64, held: u64| {
            let mut gate = gate.clone();
            gate.next_try_in_seconds = next;
            Conclusion::Stopped { gate, held }
        };
        assert_eq!(
            (
                in_short(&stopped(20.0, 7)).as_str(),
                words(&stopped(20.0, 7))
            ),
            (
                "Nothing is sent: unauthorized for 12m 3s; next try in 20s",
                Some("the token was refused")
            )
        );
        each_is_told(&[
            (
                stopped(20.0, 7),
                "Nothing is sent: unauthorized for 12m 3s; next try in 20s; the token was refused",
            ),
            (
                stopped(0.0, 7),
                "Nothing is sent: unauthorized for 12m 3s; it is tried again now; the token was \
                 refused",
            ),
            (
                stopped(0.0, 0),
                "Nothing is sent: unauthorized for 12m 3s; it is tried again as soon as a contact \
                 is due; the token was refused",
            ),
        ]);
    }

    #[test]
    fn a_trouble_is_one_line_that_says_whom_it_keeps_back() {
        each_is_told(&[
            (
                Conclusion::NoCourier {
                    due: 1,
                    held: 0,
                    silent: 0,
                    silent_seconds: 0.0,
                },
                "Nothing is sent: no courier runs, and 1 contact is due. Start one with \
                 `contact-courier run`",
            ),
            (
                Conclusion::NoCourier {
                    due: 7,
                    held: 0,
                    silent: 2,
                    silent_seconds: 12.0,
                },
                "Nothing is sent: 2 couriers are silent for 12s, and 7 contacts are due. \
                 Start one with `contact-courier run`; if one runs, `contact-courier doctor` tells \
                 whether the database takes writes",
            ),
            (
                Conclusion::Partly {
                    lanes: 2,
                    contacts: 30,
                    users: 1,
                    due: 1,
                    locked: 0,
                },
                "2 lanes are on hold with 30 contacts, and nothing is sent for 1 user. The others \
                 go on",
            ),
            (
                Conclusion::Partly {
                    lanes: 0,
                    contacts: 0,
                    users: 2,
                    due: 0,
                    locked: 0,
                },
                "Nothing is sent for 2 users",
            ),
            (
                Conclusion::Partly {
                    lanes: 1,
                    contacts: 2,
                    users: 0,
                    due: 3,
                    locked: 3,
                },
                "1 lane is on hold with 2 contacts. The others wait for locks that another session \
                 keeps",
            ),
        ]);
    }

    #[test]
    fn what_is_held_is_not_called_due_where_no_courier_runs() {
        let none = |due, held, silent| Conclusion::NoCourier {
            due,
            held,
            silent,
            silent_seconds: 12.0,
        };
        each_is_told(&[
            (
                none(1_200, 3, 0),
                "Nothing is sent: no courier runs, and 1,200 contacts are due, 3 held. Start one \
                 with `contact-courier run`",
            ),
            (
                none(0, 1, 0),
                "Nothing is sent: no courier runs, and 1 contact is held. Start one with \
                 `contact-courier run`",
            ),
            (
                none(1, 2, 1),
                "Nothing is sent: 1 courier is silent for 12s, and 1 contact is due, 2 held. \
                 Start one with `contact-courier run`; if one runs, `contact-courier doctor` tells \
                 whether the database takes writes",
            ),
        ]);
    }

    fn ended(succeeded: u64, failed: u64, cancelled: u64) -> Conclusion {
        Conclusion::Ended {
            succeeded,
            failed,
            cancelled,
        }
    }

    #[test]
    fn no_more_is_said_than_is_so() {
        let delivering = |due, locked, locked_lanes| Conclusion::Delivering {
            due,
            locked,
            locked_lanes,
        };
        each_is_told(&[
            (
                delivering(1_200, 0, 0),
                "Delivering: 1,200 contacts are due",
            ),
            (
                delivering(1_200, 3, 1),
                "Delivering: 1,200 contacts are due; 3 of them, in 1 lane, wait for locks that \
                 another session keeps",
            ),
            (
                delivering(1, 1, 1),
                "Nothing goes on: 1 contact waits in 1 lane for locks that another session keeps",
            ),
            (
                Conclusion::Later { deferred: 1 },
                "Nothing is due: 1 contact waits for the time that was set",
            ),
            (
                Conclusion::Delivered {
                    newest: 7,
                    are_all: true,
                },
                "All delivered: no contact waits",
            ),
            (
                Conclusion::Delivered {
                    newest: 100,
                    are_all: false,
                },
                "Nothing waits: the newest 100 contacts were all delivered",
            ),
            (
                ended(0, 7, 0),
                "Nothing waits, and none of the newest 7 contacts was delivered",
            ),
            (
                ended(93, 7, 0),
                "Nothing waits: of the newest 100 contacts 93 were delivered and 7 failed",
            ),
            (
                ended(0, 0, 100),
                "Nothing waits: the newest 100 contacts were all cancelled",
            ),
            (
                ended(41, 0, 59),
                "Nothing waits: of the newest 100 contacts 41 were delivered, 0 failed and 59 were \
                 cancelled",
            ),
            (Conclusion::Empty, "No contact was inserted yet"),
        ]);
    }
}
