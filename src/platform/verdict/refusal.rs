//! The refusal: what it says about a batch, and about a row that was refused alone.

use super::closing::Closing;
use super::outcome::Outcome;
use super::rules::Rules;
use super::words::shortened;
use crate::batch::Batch;
use crate::settlement::{FailKind, Final, RowOutcome};

/// A refusal of a request as a whole.
pub(super) struct Refusal<'a> {
    pub(super) outcome: Outcome,
    pub(super) words: &'a str,
    /// Whether a row that is refused alone in this way is known not to be in the task.
    pub(super) judges_the_row: bool,
}

/// Closes a batch that was refused as a whole. Smaller batches are sent until the row that is to
/// blame stands alone.
pub(super) fn refused(batch: &Batch, refusal: &Refusal<'_>, rules: &Rules) -> Closing {
    let (settled, unsettled) = match batch.contacts.as_slice() {
        [contact] => {
            let contact = contact.id;
            let end = refused_alone(batch, refusal, rules);
            (vec![RowOutcome { contact, end }], Vec::new())
        }
        _ => (Vec::new(), batch.contact_ids()),
    };
    Closing {
        outcome: refusal.outcome,
        answer: refusal.words.to_owned(),
        settled,
        unsettled,
        maybe_delivered: false,
        because: None,
    }
}

/// Returns how a row ends whose request was refused and carried no other row.
fn refused_alone(batch: &Batch, refusal: &Refusal<'_>, rules: &Rules) -> Final {
    let judges = refusal.judges_the_row;
    if judges && says_duplicate(refusal.words, rules) {
        return refusal_of_row(batch, refusal.words, rules);
    }
    // Words without a list may be about the task or the account, unless it has taken a row since.
    if !batch.maybe_delivered || judges && batch.taken_since {
        return rejected(refusal.words);
    }
    let cause = format!(
        "may or may not be in the task: an earlier answer was lost, and the last one does not tell: {}",
        refusal.words
    );
    Final::Failed {
        kind: FailKind::Unconfirmed,
        cause: shortened(&cause),
    }
}

/// Returns how a row ends that the platform refused with this cause. If an earlier send may have
/// arrived, "already there" means success.
pub(super) fn refusal_of_row(batch: &Batch, cause: &str, rules: &Rules) -> Final {
    match (says_duplicate(cause, rules), batch.maybe_delivered) {
        (true, true) => Final::Succeeded,
        (true, false) => Final::Failed {
            kind: FailKind::Duplicate,
            cause: shortened(cause),
        },
        (false, _) => rejected(cause),
    }
}

fn rejected(cause: &str) -> Final {
    Final::Failed {
        kind: FailKind::Rejected,
        cause: shortened(cause),
    }
}

fn says_duplicate(cause: &str, rules: &Rules) -> bool {
    let mut markers = rules.duplicate_markers.iter();
    markers.any(|marker| cause.contains(marker))
}
