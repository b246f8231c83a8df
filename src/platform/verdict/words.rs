//! The platform's words, masked and shortened so that they may be kept.

use std::ops::Range;

use super::reply::Answer;
use crate::batch::Batch;
use crate::mask;
use crate::visible;

/// Returns the answer in words for the journal and the log: short, with every number in it masked,
/// even a number of the batch that does not look like one.
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

/// The most characters of the platform's words that are kept; the longest documented words have 20.
const LONGEST_WORDS: usize = 500;

/// The most characters of the platform's words that are looked at: masking makes them shorter.
const LOOKED_AT: usize = 4 * LONGEST_WORDS;

/// Returns words about a batch with every number masked, and each of the batch's own numbers,
/// whatever it looks like.
pub fn masked(batch: &Batch, words: &str) -> String {
    let numbers = || batch.contacts.iter().map(|contact| contact.phone.expose());
    // Control characters are taken out first: one inside a number would keep it from being masked.
    // A line break becomes a blank, so that it joins nothing.
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
    // The cut may have gone through a number, which is then not masked.
    let longest = numbers().map(|number| number.chars().count()).max();
    let uncertain = 2 * longest.unwrap_or_default();
    let certain = masked.chars().count().saturating_sub(uncertain);
    masked.chars().take(certain).collect()
}

/// Returns where each number of a text stands.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut behind = 0;
    std::iter::from_fn(move || {
        let begin = behind + text[behind..].find(|c: char| c.is_ascii_digit())?;
        let end = text[begin..].find(|c: char| !c.is_ascii_digit());
        behind = end.map_or(text.len(), |end| begin + end);
        Some(begin..behind)
    })
}

pub(super) fn shortened(text: &str) -> String {
    text.chars()
        .filter(|c| !visible::acts(*c))
        .take(LONGEST_WORDS)
        .collect()
}
