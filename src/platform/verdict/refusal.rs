//! The refusal: its meaning for a batch, and for a row that was refused alone.

use super::closing::Closing;
use super::existence::{Existence, existence};
use super::outcome::Outcome;
use super::rules::Rules;
use super::words::{numbers, shortened};
use crate::batch::Batch;
use crate::contact::Contact;
use crate::mask;
use crate::platform::wire::Document;
use crate::settlement::{FailKind, Final, RowOutcome};

/// A refusal of a request as a whole.
pub(super) struct Refusal<'a> {
    pub(super) outcome: Outcome,
    /// The answer in words that may be kept.
    pub(super) words: &'a str,
    /// What the platform said, as it said it: a mask hides what a number belongs to.
    pub(super) said: &'a str,
    /// Whether a row that is refused alone in this way is surely not in the task.
    pub(super) judges_the_row: bool,
}

/// Whether the platform may have taken rows of a request that it refuses: it was asked to skip bad numbers
/// and go on, it lists some of them, and it does not count the others.
pub(super) fn may_have_gone_on(batch: &Batch, document: &Document) -> bool {
    batch.options.skip_error
        && !document.failures.is_empty()
        && document.task_number_count.is_none()
}

/// Closes a batch that was refused as a whole. Smaller batches are sent until the row to blame
/// stands alone.
pub(super) fn refused(batch: &Batch, refusal: &Refusal<'_>, rules: &Rules) -> Closing {
    let (settled, unsettled) = match batch.contacts.as_slice() {
        [contact] => {
            let end = refused_alone(batch, contact, refusal, rules);
            let contact = contact.id;
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
fn refused_alone(batch: &Batch, contact: &Contact, refusal: &Refusal<'_>, rules: &Rules) -> Final {
    // Words without a list may be about the task or the account, unless the task has taken a row
    // since.
    let judges =
        |said| refusal.judges_the_row && (said != Existence::BadNumber || batch.taken_since);
    let said = said_of(contact, batch, refusal.said, rules);
    let said = Some(said).filter(|said| judges(*said));
    end_of(
        said.unwrap_or(Existence::NotSaid),
        batch,
        contact,
        refusal.words,
    )
}

/// Returns how a row ends that the platform refused with these causes. If an earlier send may have
/// arrived, "already there" means success, and only words about what is wrong with the number itself tell
/// that it is not there. "Already elsewhere" does not: that send may have put it both there and into the
/// task. Nor do words that nobody knows, those about the task or the account, and causes that do not say the
/// same. Otherwise the first one counts. After a requeue, "already there" is a duplicate, and the rest is as
/// unsure.
pub(super) fn refusal_of_row(
    batch: &Batch,
    contact: &Contact,
    causes: &[&str],
    rules: &Rules,
) -> Final {
    let cause = causes.first().copied().unwrap_or_default();
    let said_by = |words: &str| said_of(contact, batch, words, rules);
    let said = said_by(cause);
    let mut others = causes.iter().skip(1);
    if batch.may_be_in(contact) && others.any(|other| said_by(other) != said) {
        return unconfirmed(&causes.join("; "));
    }
    end_of(said, batch, contact, cause)
}

/// Returns how a row ends that was refused with words that say this.
fn end_of(said: Existence, batch: &Batch, contact: &Contact, cause: &str) -> Final {
    match said {
        Existence::InTheTask if batch.maybe_delivered => Final::Succeeded,
        Existence::InTheTask => Final::Failed {
            kind: FailKind::Duplicate,
            cause: shortened(cause),
        },
        Existence::Elsewhere | Existence::NotSaid if batch.may_be_in(contact) => unconfirmed(cause),
        Existence::Elsewhere | Existence::NotSaid | Existence::BadNumber => rejected(cause),
    }
}

/// Returns what words say of a row. They may quote its number behind a mask: one of digits is known as a mask
/// whatever it hides, others only beside a fault of the number.
fn said_of(contact: &Contact, batch: &Batch, words: &str, rules: &Rules) -> Existence {
    let said = |words: &str| existence(&without_own(words, batch, contact), rules);
    let number = contact.phone.expose();
    let is_bad = || {
        let without = without_masks_of(number, words);
        without != words && said(&without) == Existence::BadNumber
    };
    match said(words) {
        Existence::NotSaid if is_bad() => Existence::BadNumber,
        said => said,
    }
}

/// Returns the words without the row's own number and task, which say nothing about another place. A
/// ciphertext says nothing either, whatever its letters are.
fn without_own(words: &str, batch: &Batch, contact: &Contact) -> String {
    let number = contact.phone.expose();
    let own = mask::canonical(mask::without_suffix(number));
    let is_own = |digits: &str| digits == batch.lane.task_id() || mask::canonical(digits) == own;
    // The digits of another spelling hold those of this one.
    let is_digits = number.bytes().all(|b| b.is_ascii_digit());
    let words = if is_digits {
        words.to_owned()
    } else {
        words.replace(number, " ")
    };
    let mut others = words.clone();
    for at in numbers(&words).filter(|at| is_own(&words[at.clone()])) {
        let blanks = " ".repeat(at.len());
        others.replace_range(at, &blanks);
    }
    others
}

/// Returns the words without the masks of a number.
fn without_masks_of(number: &str, words: &str) -> String {
    let is_between = |c: char| ":：,，;；。!！?？()（）[]【】\"'".contains(c);
    // A number may hold blanks.
    let words = without_parts(words, is_between, |part| is_mask_of(number, part));
    let is_between = |c: char| is_between(c) || c.is_whitespace();
    without_parts(&words, is_between, |part| is_mask_of(number, part))
}

/// Returns the words with a blank in place of each part that is so.
fn without_parts(
    words: &str,
    is_between: impl Fn(char) -> bool,
    is_so: impl Fn(&str) -> bool,
) -> String {
    let mut kept = String::with_capacity(words.len());
    for piece in words.split_inclusive(&is_between) {
        let part = piece.trim_end_matches(&is_between);
        let shown = if is_so(part.trim()) { " " } else { part };
        kept.extend([shown, &piece[part.len()..]]);
    }
    kept
}

/// What hides a part of a number, at least.
const HIDES: [&str; 5] = ["*", "＊", "••", "xxx", "XXX"];

/// Whether a text is the number's beginning and end, or one of them, with such signs in between. A sign and digits
/// may be the number of something else.
fn is_mask_of(number: &str, text: &str) -> bool {
    let numbers = [number, mask::without_suffix(number)];
    let is_its = |begin: &str, end: &str| {
        let mut numbers = numbers.iter();
        numbers.any(|number| number.starts_with(begin) && number.ends_with(end))
    };
    let shows_digits = text.contains(|c: char| c.is_ascii_digit());
    let is_only_digits = !text.contains(|c: char| c.is_alphabetic() || c == '+' || !c.is_ascii());
    if shows_digits && is_only_digits {
        return false;
    }
    let mut hidden = HIDES.iter().filter_map(|signs| {
        let (begin, rest) = text.split_once(signs)?;
        let sign = signs.chars().next()?;
        Some((begin, rest.trim_start_matches(sign)))
    });
    hidden.any(|(begin, end)| is_its(begin, end))
}

fn rejected(cause: &str) -> Final {
    Final::Failed {
        kind: FailKind::Rejected,
        cause: shortened(cause),
    }
}

fn unconfirmed(words: &str) -> Final {
    let cause = format!(
        "may or may not be in the task: an earlier request may have put it there, and the last answer does not tell: {words}"
    );
    Final::Failed {
        kind: FailKind::Unconfirmed,
        cause: shortened(&cause),
    }
}
