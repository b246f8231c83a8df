//! The refusal: its meaning for a batch, and for a row that was refused alone.

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
    /// Whether a row that is refused alone in this way is surely not in the task.
    pub(super) judges_the_row: bool,
}

/// Closes a batch that was refused as a whole. Smaller batches are sent until the row to blame
/// stands alone.
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

/// Returns the end of a row whose request carried no other row and was refused.
fn refused_alone(batch: &Batch, refusal: &Refusal<'_>, rules: &Rules) -> Final {
    let judges = refusal.judges_the_row;
    let existence = existence(refusal.words, rules);
    if judges && existence != Existence::NotSaid {
        return refusal_of_row(batch, refusal.words, rules);
    }
    // Words without a list may be about the task or the account, unless the task has taken a row
    // since.
    if !batch.maybe_delivered || judges && batch.taken_since {
        return rejected(refusal.words);
    }
    unconfirmed(refusal.words)
}

/// Returns the end of a row that the platform refused with this cause. If an earlier send may have
/// arrived, "already there" means success. "Already elsewhere" then proves nothing: the earlier
/// send may have put the number both there and into the task.
pub(super) fn refusal_of_row(batch: &Batch, cause: &str, rules: &Rules) -> Final {
    match (existence(cause, rules), batch.maybe_delivered) {
        (Existence::InTheTask, true) => Final::Succeeded,
        (Existence::InTheTask, false) => Final::Failed {
            kind: FailKind::Duplicate,
            cause: shortened(cause),
        },
        (Existence::Elsewhere, true) => unconfirmed(cause),
        (Existence::Elsewhere, false) | (Existence::NotSaid, _) => rejected(cause),
    }
}

fn rejected(cause: &str) -> Final {
    Final::Failed {
        kind: FailKind::Rejected,
        cause: shortened(cause),
    }
}

fn unconfirmed(words: &str) -> Final {
    let cause = format!(
        "may or may not be in the task: an earlier answer was lost, and the last one does not tell: {words}"
    );
    Final::Failed {
        kind: FailKind::Unconfirmed,
        cause: shortened(&cause),
    }
}

/// Whether words say that a number is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existence {
    InTheTask,
    /// In a list of the platform's, or in a request that came twice.
    Elsewhere,
    NotSaid,
}

/// Places other than the task: a blacklist, the pool of customers, another task.
const PLACES: [&str; 6] = ["黑名单", "公海", "客户池", "CRM", "其他任务", "其它任务"];

/// Words behind a duplicate marker that mean a repeated operation.
const OPERATIONS: [&str; 3] = ["提交", "请求", "操作"];

fn existence(words: &str, rules: &Rules) -> Existence {
    let mut found = Existence::NotSaid;
    for marker in &rules.duplicate_markers {
        let mut from = 0;
        while let Some(at) = words[from..].find(marker.as_str()) {
            let (at, behind) = (from + at, from + at + marker.len());
            let begins = words[from..at].rfind(ends_clause);
            let begins = begins.map_or(from, |end| from + end);
            let ends = words[behind..].find(ends_clause);
            let ends = ends.map_or(words.len(), |end| behind + end);
            if !is_elsewhere(&words[begins..ends], &words[behind..ends]) {
                return Existence::InTheTask;
            }
            found = Existence::Elsewhere;
            // No clause is looked at twice, however often a marker stands in it.
            from = ends;
        }
    }
    found
}

fn ends_clause(c: char) -> bool {
    c.is_ascii_punctuation() || "，。；、：！？（）".contains(c)
}

/// Whether a clause with a duplicate marker names another place than the task, or an operation
/// behind the marker.
fn is_elsewhere(clause: &str, behind: &str) -> bool {
    let clause = clause.to_uppercase();
    PLACES.iter().any(|place| clause.contains(place))
        || OPERATIONS.iter().any(|word| behind.contains(word))
}
