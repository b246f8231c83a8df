//! The one thing to know first, as a line for people.

use indicatif::HumanCount;

use super::span::{contacts, count, seconds};
use crate::outbox::{ClosedGate, Conclusion, PAUSED};

/// One line that says how things stand.
pub(super) fn headline(conclusion: &Conclusion) -> String {
    match conclusion {
        Conclusion::NoCourier { due } => format!(
            "Nothing is sent: no courier runs, and {} due. Start one with `contact-courier run`",
            waiting(*due)
        ),
        Conclusion::Stopped { gate } => format!("Nothing is sent: {}", why(gate)),
        Conclusion::Partly {
            lanes,
            contacts: held,
            users,
            due,
        } => partly(*lanes, *held, *users, *due),
        Conclusion::Delivering { due } => format!("Delivering: {} due", waiting(*due)),
        Conclusion::Later { deferred } => {
            format!(
                "Nothing is due: {} for the time that was set",
                waiting_on(*deferred)
            )
        }
        Conclusion::Delivered => "All delivered: no contact waits".to_owned(),
        Conclusion::Ended {
            succeeded: 0,
            failed,
        } => format!(
            "Nothing waits, and nothing was delivered: the newest {} failed",
            contacts(*failed)
        ),
        Conclusion::Ended { succeeded, failed } => format!(
            "Nothing waits: of the newest {} {} delivered and {} failed",
            contacts(succeeded + failed),
            were(*succeeded),
            HumanCount(*failed)
        ),
        Conclusion::Empty => "No contact was inserted yet".to_owned(),
    }
}

/// Why a gate is closed, since when, and what comes next.
pub(super) fn why(gate: &ClosedGate) -> String {
    if gate.reason == PAUSED {
        let since = seconds(gate.closed_seconds);
        return format!("paused for {since} {}; {}", gate.message, until(gate));
    }
    let next = if gate.next_try_in_seconds > 0.0 {
        format!("next try in {}", seconds(gate.next_try_in_seconds))
    } else {
        "it is tried again as soon as a contact is due".to_owned()
    };
    let since = seconds(gate.closed_seconds);
    format!("{} for {since}; {next}; {}", gate.reason, gate.message)
}

/// When a pause ends.
pub(super) fn until(pause: &ClosedGate) -> String {
    if pause.next_try_in_seconds > 0.0 {
        format!("it ends in {}", seconds(pause.next_try_in_seconds))
    } else {
        "it ends when somebody resumes".to_owned()
    }
}

fn partly(lanes: u64, held: u64, users: u64, due: u64) -> String {
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
    let others = if due > 0 { ". The others go on" } else { "" };
    let mut text = parts.join(", and ") + others;
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

fn waiting(n: u64) -> String {
    format!("{} {}", contacts(n), if n == 1 { "is" } else { "are" })
}

/// So many contacts, and that they wait.
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
    fn a_trouble_is_one_line_that_says_whom_it_keeps_back() {
        let gate = ClosedGate {
            user_id: None,
            reason: "unauthorized".into(),
            message: "the token was refused".into(),
            closed_seconds: 723.0,
            next_try_in_seconds: 20.0,
        };
        each_is_told(&[
            (
                Conclusion::Stopped { gate },
                "Nothing is sent: unauthorized for 12m 3s; next try in 20s; the token was refused",
            ),
            (
                Conclusion::NoCourier { due: 1 },
                "Nothing is sent: no courier runs, and 1 contact is due. Start one with \
                 `contact-courier run`",
            ),
            (
                Conclusion::Partly {
                    lanes: 2,
                    contacts: 30,
                    users: 1,
                    due: 1,
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
                },
                "Nothing is sent for 2 users",
            ),
        ]);
    }

    #[test]
    fn no_more_is_said_than_is_so() {
        each_is_told(&[
            (
                Conclusion::Delivering { due: 1_200 },
                "Delivering: 1,200 contacts are due",
            ),
            (
                Conclusion::Later { deferred: 1 },
                "Nothing is due: 1 contact waits for the time that was set",
            ),
            (Conclusion::Delivered, "All delivered: no contact waits"),
            (
                Conclusion::Ended {
                    succeeded: 0,
                    failed: 7,
                },
                "Nothing waits, and nothing was delivered: the newest 7 contacts failed",
            ),
            (
                Conclusion::Ended {
                    succeeded: 93,
                    failed: 7,
                },
                "Nothing waits: of the newest 100 contacts 93 were delivered and 7 failed",
            ),
            (Conclusion::Empty, "No contact was inserted yet"),
        ]);
    }
}
