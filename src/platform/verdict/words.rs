//! The platform's words, as they may be kept: masked and short.

use super::reply::Answer;
use crate::batch::Batch;
use crate::mask;
use crate::visible;

/// Returns the answer in words for the journal and the log: short, and any number in it is masked, also
/// one of the batch that looks like none.
pub(super) fn words(batch: &Batch, answer: &Answer) -> String {
    let http = answer.http;
    let said = match &answer.document {
        None => format!("HTTP {http} without the documented JSON"),
        Some(document) if document.message.is_empty() => {
            format!("HTTP {http}, code {}", document.code)
        }
        Some(document) => format!("{} {}", document.code, masked(batch, &document.message)),
    };
    shortened(&said)
}

/// How much of the platform's words is kept; the longest documented one has 20 characters.
const LONGEST_WORDS: usize = 500;

/// So much of the platform's words is looked at, for what is masked gets shorter.
const LOOKED_AT: usize = 4 * LONGEST_WORDS;

/// Words about a batch in which every number is masked, and each of its own whatever it looks like.
pub fn masked(batch: &Batch, words: &str) -> String {
    let numbers = || batch.contacts.iter().map(|contact| contact.phone.expose());
    // What is not kept is taken out first: it could divide a number, which then shows whole.
    // A line break stays as a blank, so that it joins nothing.
    let blank = |c| {
        if matches!(c, '\t' | '\r' | '\n') {
            ' '
        } else {
            c
        }
    };
    let mut kept = words.chars().map(blank).filter(|c| !visible::acts(*c));
    let looked_at: String = kept.by_ref().take(LOOKED_AT).collect();
    let masked = mask::mask_all(&looked_at, numbers());
    if kept.next().is_none() {
        return masked;
    }
    // The cut may have gone through a number, which is not masked then.
    let longest = numbers().map(|number| number.chars().count()).max();
    let uncertain = 2 * longest.unwrap_or_default();
    let certain = masked.chars().count().saturating_sub(uncertain);
    masked.chars().take(certain).collect()
}

pub(super) fn shortened(text: &str) -> String {
    text.chars()
        .filter(|c| !visible::acts(*c))
        .take(LONGEST_WORDS)
        .collect()
}
