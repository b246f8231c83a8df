//! The platform's words, as they may be kept: masked and short.

use super::reply::Answer;
use crate::mask;
use crate::visible;

/// Returns the answer in words for the journal and the log: short, and any number in it is masked.
pub(super) fn words(answer: &Answer) -> String {
    let http = answer.http;
    let said = match &answer.document {
        None => format!("HTTP {http} without the documented JSON"),
        Some(document) if document.message.is_empty() => {
            format!("HTTP {http}, code {}", document.code)
        }
        Some(document) => format!("{} {}", document.code, mask::mask_within(&document.message)),
    };
    shortened(&said)
}

/// How much of the platform's words is kept; the longest documented one has 20 characters.
const LONGEST_WORDS: usize = 500;

pub(super) fn shortened(text: &str) -> String {
    text.chars()
        .filter(|c| !visible::acts(*c))
        .take(LONGEST_WORDS)
        .collect()
}
