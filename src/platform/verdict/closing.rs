//! The closing: the end of a batch, and the ends that no answer decides.

use super::outcome::Outcome;
use super::wait::Wait;
use super::words::shortened;
use crate::batch::Batch;
use crate::contact::ContactId;
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
    let cause = format!(
        "may or may not be in the task: requests with this contact alone fail while others pass; \
         last: {why}"
    );
    close_all(batch, Outcome::GivenUp, FailKind::Unconfirmed, &cause)
}

/// Closes a batch that was tried for longer than `retry.give_up_after`.
pub fn give_up(batch: &Batch, why: &str) -> Closing {
    if batch.maybe_delivered {
        let cause = format!("may or may not be in the task: gave up asking again; last: {why}");
        return close_all(batch, Outcome::GivenUp, FailKind::Unconfirmed, &cause);
    }
    let cause = format!("not delivered: gave up after retry.give_up_after; last: {why}");
    close_all(batch, Outcome::GivenUp, FailKind::Expired, &cause)
}

/// Closes a batch whose lane has been waiting for a person for longer than
/// `retry.give_up_on_holds_after`.
pub fn give_up_on_hold(batch: &Batch, wait: &Wait) -> Closing {
    if batch.maybe_delivered {
        let (reason, why) = (wait.reason.as_str(), &wait.message);
        let cause = format!(
            "may or may not be in the task: gave up on the lane's hold ({reason}) after \
             retry.give_up_on_holds_after; last: {why}"
        );
        return close_all(batch, Outcome::GivenUp, FailKind::Unconfirmed, &cause);
    }
    close_all(
        batch,
        Outcome::GivenUp,
        FailKind::Expired,
        &given_up_unsent(wait),
    )
}

/// Returns the ends of contacts that fail unsent for the same reason.
pub fn expire_on_hold(contacts: &[ContactId], wait: &Wait) -> Vec<RowOutcome> {
    let end = Final::Failed {
        kind: FailKind::Expired,
        cause: shortened(&given_up_unsent(wait)),
    };
    let ended = contacts.iter().map(|contact| RowOutcome {
        contact: *contact,
        end: end.clone(),
    });
    ended.collect()
}

fn given_up_unsent(wait: &Wait) -> String {
    let (reason, why) = (wait.reason.as_str(), &wait.message);
    format!(
        "not delivered: gave up on the lane's hold ({reason}) after retry.give_up_on_holds_after; \
         last: {why}"
    )
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
