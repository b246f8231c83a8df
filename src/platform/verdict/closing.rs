//! The closing: the end of a batch, and the ends that no answer decides.

use super::outcome::Outcome;
use super::wait::Wait;
use super::words::shortened;
use crate::batch::Batch;
use crate::contact::{Contact, ContactId};
use crate::settlement::{FailKind, Final, RowOutcome};

/// The end of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The outcome, for the journal, the log and the metrics.
    pub outcome: Outcome,
    /// The platform's words, or the courier's.
    pub answer: String,
    /// Rows that are final.
    pub settled: Vec<RowOutcome>,
    /// Rows that go into smaller batches to find out about them. Empty for a batch of a single row.
    pub unsettled: Vec<ContactId>,
    /// Whether the unsettled rows may be on the platform already.
    pub maybe_delivered: bool,
    /// Set if the batch was closed only because it must not be sent again: the lane waits as if the
    /// batch had been postponed.
    pub because: Option<Wait>,
}

/// Closes a batch that may have been delivered and must not be sent again.
pub fn unconfirmed(batch: &Batch, why: &str) -> Closing {
    let cause = format!(
        "may or may not be in the task: {why}; not sent again, for with number_add_suffix=true a \
         second send could call the person twice"
    );
    close_all(batch, Outcome::Unconfirmed, FailKind::Unconfirmed, &cause)
}

/// Closes a part of a refused batch whose own parts are sent instead.
pub fn taken_apart(batch: &Batch) -> Closing {
    Closing {
        outcome: Outcome::TakenApart,
        answer: "part of a batch that was refused; its own parts are sent instead".into(),
        settled: Vec::new(),
        unsettled: batch.contact_ids(),
        maybe_delivered: false,
        because: None,
    }
}

/// Closes a batch whose requests fail while the platform answers others. Its parts are sent
/// instead.
pub fn fails_whole(batch: &Batch, why: &str) -> Closing {
    Closing {
        answer: shortened(&format!(
            "its requests fail while others pass; its parts are sent instead; last: {why}"
        )),
        ..taken_apart(batch)
    }
}

/// Closes a batch of a single row whose requests fail while the platform answers others.
pub fn fails_alone(batch: &Batch, why: &str) -> Closing {
    let why = format!("requests with this contact alone fail while others pass; last: {why}");
    let doubtful = format!("may or may not be in the task: {why}");
    let unsent = format!("not delivered: {why}");
    close_given_up(batch, &doubtful, (FailKind::Rejected, &unsent))
}

/// Closes a batch that was tried for longer than `retry.give_up_after`.
pub fn give_up(batch: &Batch, why: &str) -> Closing {
    let doubtful = format!("may or may not be in the task: gave up asking again; last: {why}");
    let unsent = format!("not delivered: gave up after retry.give_up_after; last: {why}");
    close_given_up(batch, &doubtful, (FailKind::Expired, &unsent))
}

/// Closes a batch whose lane has been waiting for a person for longer than
/// `retry.give_up_on_holds_after`.
pub fn give_up_on_hold(batch: &Batch, wait: &Wait) -> Closing {
    let (doubtful, unsent) = given_up_on_hold(wait);
    close_given_up(batch, &doubtful, (FailKind::Expired, &unsent))
}

/// Returns the ends of contacts that fail for the same reason without having been sent since they came
/// into the outbox, or were requeued.
pub fn expire_on_hold(contacts: &[Contact], wait: &Wait) -> Vec<RowOutcome> {
    let (doubtful, unsent) = given_up_on_hold(wait);
    let ended = contacts.iter().map(|contact| RowOutcome {
        contact: contact.id,
        end: given_up(contact.in_doubt, &doubtful, (FailKind::Expired, &unsent)),
    });
    ended.collect()
}

/// The causes of a row that may be in the task, and of one that is not.
fn given_up_on_hold(wait: &Wait) -> (String, String) {
    let (reason, why) = (wait.reason.as_str(), &wait.message);
    let on_hold = format!(
        "gave up on the lane's hold ({reason}) after retry.give_up_on_holds_after; last: {why}"
    );
    (
        format!("may or may not be in the task: {on_hold}"),
        format!("not delivered: {on_hold}"),
    )
}

/// Closes a batch that is not sent again. `unsent`: how a row ends that is surely not in the task.
fn close_given_up(batch: &Batch, doubtful: &str, unsent: (FailKind, &str)) -> Closing {
    let ended = batch.contacts.iter().map(|contact| RowOutcome {
        contact: contact.id,
        end: given_up(batch.may_be_in(contact), doubtful, unsent),
    });
    let answer = if batch.maybe_delivered {
        doubtful
    } else {
        unsent.1
    };
    Closing {
        outcome: Outcome::GivenUp,
        answer: shortened(answer),
        settled: ended.collect(),
        ..vanished()
    }
}

/// How a row ends that the courier gives up.
fn given_up(may_be_in: bool, doubtful: &str, unsent: (FailKind, &str)) -> Final {
    let (kind, cause) = if may_be_in {
        (FailKind::Unconfirmed, doubtful)
    } else {
        unsent
    };
    Final::Failed {
        kind,
        cause: shortened(cause),
    }
}

fn close_all(batch: &Batch, outcome: Outcome, kind: FailKind, cause: &str) -> Closing {
    let cause = shortened(cause);
    let end = Final::Failed {
        kind,
        cause: cause.clone(),
    };
    let settled = batch
        .contacts
        .iter()
        .map(|c| RowOutcome {
            contact: c.id,
            end: end.clone(),
        })
        .collect();
    Closing {
        outcome,
        answer: cause,
        settled,
        unsettled: Vec::new(),
        maybe_delivered: false,
        because: None,
    }
}

/// Closes a batch that has no rows left.
pub fn vanished() -> Closing {
    Closing {
        outcome: Outcome::Vanished,
        answer: "all of its rows were deleted or settled by others".into(),
        settled: Vec::new(),
        unsettled: Vec::new(),
        maybe_delivered: false,
        because: None,
    }
}
