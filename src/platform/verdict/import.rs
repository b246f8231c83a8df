//! Reads what an answer with a fail list and counts says about each row, and whether the counts add
//! up.

use super::attribution::{Attribution, attribute, names_the_only_row};
use super::closing::Closing;
use super::outcome::Outcome;
use super::refusal::{Refusal, may_have_gone_on, refusal_of_row, refused};
use super::rules::Rules;
use super::success;
use crate::batch::Batch;
use crate::contact::ContactId;
use crate::platform::wire::Document;
use crate::settlement::{FailKind, Final, RowOutcome};

/// Reads an import that the platform reports as a success.
pub(super) fn read(batch: &Batch, document: &Document, rules: &Rules) -> Closing {
    let found = attribute(batch, &document.failures);
    let mut settled = listed(batch, &found, rules);
    let mut open = not_listed(batch, &found);
    let answer = summary(batch, document);
    if let Some(ends) = ends_of_all(batch, &found, &open, document, rules) {
        settled.extend(ends);
        return closing(Outcome::Imported, answer, settled, Vec::new());
    }
    if counts_more_than_it_can(&found, open.len(), document) {
        return contradicted(batch, document, &found, settled, open);
    }
    let accounted = found.unattributed.is_empty()
        && !may_have_ended_early(batch, document)
        && document
            .task_number_count
            .is_none_or(|count| usize::try_from(count).is_ok_and(|count| count == open.len()));
    if accounted {
        settled.extend(open.iter().map(|&contact| succeeded(contact)));
        return closing(Outcome::Imported, answer, settled, Vec::new());
    }
    if counts_less_by_the_unattributed(&found, open.len(), document) {
        let sure = not_meant(batch, &found);
        open.retain(|contact| !sure.contains(contact));
        settled.extend(sure.into_iter().map(succeeded));
    }
    if !can_be_asked_again(batch) {
        settled.extend(open.iter().map(|&contact| unaccounted(batch, contact)));
        return closing(Outcome::Unaccounted, answer, settled, Vec::new());
    }
    closing(Outcome::Unaccounted, answer, settled, open)
}

/// Whether the import may have ended at the rows that are listed, although it is told as a success: it does not
/// count the others, and was to end there, or says that it failed.
fn may_have_ended_early(batch: &Batch, document: &Document) -> bool {
    let message = &document.message;
    let says_so = success::has_words_of_failure(message)
        && !success::is_claimed(message)
        && !success::is_of_a_part(message, batch);
    document.task_number_count.is_none()
        && !document.failures.is_empty()
        && (!batch.options.skip_error || says_so)
}

/// Whether smaller batches can find out about open rows: a single row has only one reading.
fn can_be_asked_again(batch: &Batch) -> bool {
    batch.contacts.len() > 1 && batch.options.resend_is_safe()
}

/// Whether the count is higher than possible if each entry of the list is right.
fn counts_more_than_it_can(found: &Attribution<'_>, open: usize, document: &Document) -> bool {
    let most = open.saturating_sub(found.unattributed.len());
    let count = document.task_number_count.unwrap_or(0);
    usize::try_from(count).is_ok_and(|count| count > most)
}

/// Whether the counts say that each entry without a row means a different unlisted row. Then the
/// rows that none of these entries fits are in the task.
fn counts_less_by_the_unattributed(
    found: &Attribution<'_>,
    open: usize,
    document: &Document,
) -> bool {
    let counted = open.checked_sub(found.unattributed.len());
    let counted = counted.and_then(|counted| u64::try_from(counted).ok());
    let is_counted = counted.is_some() && document.task_number_count == counted;
    is_counted && !found.unattributed.is_empty() && found.is_narrow()
}

/// Closes a batch in which some rows are both counted and listed as failed, and nobody can tell
/// which. Two things are certain all the same: the number of a row that was already there is in the
/// task; and if all rows are counted, the unlisted ones are in the task.
fn contradicted(
    batch: &Batch,
    document: &Document,
    found: &Attribution<'_>,
    listed: Vec<RowOutcome>,
    open: Vec<ContactId>,
) -> Closing {
    let (mut settled, listed): (Vec<RowOutcome>, Vec<RowOutcome>) = listed
        .into_iter()
        .partition(|row| row.end == Final::Succeeded);
    let mut unsure: Vec<ContactId> = listed.into_iter().map(|row| row.contact).collect();
    let all = u64::try_from(batch.contacts.len()).ok();
    if document.task_number_count == all && found.unattributed.is_empty() {
        settled.extend(open.into_iter().map(succeeded));
    } else {
        unsure.extend(open);
    }
    unsure.sort_unstable();
    let answer = summary(batch, document);
    if !can_be_asked_again(batch) {
        let why = "the platform counted more rows as imported than it did not list as failed";
        let doubtful = |contact| unconfirmed(batch, contact, why);
        settled.extend(unsure.into_iter().map(doubtful));
        unsure = Vec::new();
    }
    let outcome = if unsure.is_empty() {
        Outcome::Imported
    } else {
        Outcome::Unaccounted
    };
    closing(outcome, answer, settled, unsure)
}

/// How all rows end that no entry could be told to be about: they have failed if nothing was imported,
/// there are as many such rows as such entries, and the entries all say the same. No row has succeeded
/// that is neither counted nor named.
fn ends_of_all(
    batch: &Batch,
    found: &Attribution<'_>,
    open: &[ContactId],
    document: &Document,
    rules: &Rules,
) -> Option<Vec<RowOutcome>> {
    let (first, others) = found.unattributed.split_first()?;
    let all_failed =
        document.task_number_count == Some(0) && found.unattributed.len() == open.len();
    let are_alike = others.iter().all(|other| other.cause == first.cause);
    let contacts = batch.contacts.iter();
    let contacts = contacts.filter(|contact| open.contains(&contact.id));
    let ends = contacts.map(|contact| RowOutcome {
        contact: contact.id,
        end: refusal_of_row(batch, contact, &[first.cause], rules),
    });
    let ends: Vec<RowOutcome> = ends.collect();
    let succeeds = ends.iter().any(|row| row.end == Final::Succeeded);
    (all_failed && are_alike && !succeeds).then_some(ends)
}

/// Whether the list of failures names every row: then it leaves none that may have been taken.
pub(super) fn lists_all(batch: &Batch, document: &Document) -> bool {
    attribute(batch, &document.failures).rows.len() == batch.contacts.len()
}

/// A refusal. With a list, the rows that it names are to blame and the others go again. If there is
/// none, or it names nobody, the rows to blame are searched for.
pub(super) fn read_refusal(
    batch: &Batch,
    document: &Document,
    refusal: &Refusal<'_>,
    rules: &Rules,
) -> Closing {
    let found = attribute(batch, &document.failures);
    let maybe_delivered = may_have_gone_on(batch, document) || is_of_a_part(batch, document);
    let names_nobody = found.rows.is_empty() && !maybe_delivered;
    // A single row is judged by what names it.
    let is_in_doubt = match batch.contacts.as_slice() {
        [contact] => batch.may_be_in(contact) || found.rows.is_empty(),
        _ => false,
    };
    if names_nobody || is_in_doubt && !names_the_only_row(batch, &document.failures) {
        return refused(batch, refusal, rules);
    }
    let mut settled = listed(batch, &found, rules);
    let mut open = not_listed(batch, &found);
    if maybe_delivered && !batch.options.resend_is_safe() {
        settled.extend(open.drain(..).map(|contact| unaccounted(batch, contact)));
    }
    Closing {
        outcome: Outcome::Refused,
        answer: refusal.words.to_owned(),
        settled,
        unsettled: open,
        maybe_delivered,
        because: None,
    }
}

/// Whether a refusal without a list tells that some rows are to blame, and does not count the others.
fn is_of_a_part(batch: &Batch, document: &Document) -> bool {
    batch.contacts.len() > 1
        && document.failures.is_empty()
        && document.task_number_count.is_none()
        && success::is_of_a_part(&document.message, batch)
}

fn closing(
    outcome: Outcome,
    answer: String,
    settled: Vec<RowOutcome>,
    unsettled: Vec<ContactId>,
) -> Closing {
    Closing {
        outcome,
        answer,
        settled,
        unsettled,
        maybe_delivered: true,
        because: None,
    }
}

fn listed(batch: &Batch, found: &Attribution<'_>, rules: &Rules) -> Vec<RowOutcome> {
    let outcome = |(&row, causes): (&usize, &Vec<&str>)| {
        batch.contacts.get(row).map(|contact| RowOutcome {
            contact: contact.id,
            end: refusal_of_row(batch, contact, causes, rules),
        })
    };
    found.rows.iter().filter_map(outcome).collect()
}

fn not_listed(batch: &Batch, found: &Attribution<'_>) -> Vec<ContactId> {
    contacts_at(batch, |row| !found.rows.contains_key(&row))
}

/// Returns the rows that no entry of the list could mean.
fn not_meant(batch: &Batch, found: &Attribution<'_>) -> Vec<ContactId> {
    contacts_at(batch, |row| {
        !found.rows.contains_key(&row) && !found.could_be(row)
    })
}

/// Returns the contacts at the positions for which `holds` is true.
fn contacts_at(batch: &Batch, holds: impl Fn(usize) -> bool) -> Vec<ContactId> {
    let rows = batch.contacts.iter().enumerate();
    rows.filter(|(row, _)| holds(*row))
        .map(|(_, contact)| contact.id)
        .collect()
}

fn succeeded(contact: ContactId) -> RowOutcome {
    RowOutcome {
        contact,
        end: Final::Succeeded,
    }
}

fn unaccounted(batch: &Batch, contact: ContactId) -> RowOutcome {
    let why = "the platform's answer does not tell whether it was imported";
    unconfirmed(batch, contact, why)
}

fn unconfirmed(batch: &Batch, contact: ContactId, why: &str) -> RowOutcome {
    let again = if batch.options.resend_is_safe() {
        ""
    } else {
        "; not sent again, for with number_add_suffix=true a second send could call the person \
         twice"
    };
    RowOutcome {
        contact,
        end: Final::Failed {
            kind: FailKind::Unconfirmed,
            cause: format!("may or may not be in the task: {why}{again}"),
        },
    }
}

fn summary(batch: &Batch, document: &Document) -> String {
    let sent = batch.contacts.len();
    let failed = document.failures.len();
    match document.task_number_count {
        Some(count) => format!("{sent} sent, {count} counted, {failed} listed as failed"),
        None => format!("{sent} sent, {failed} listed as failed"),
    }
}
