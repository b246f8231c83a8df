//! The existence: whether the platform's words say that a number is there already, and where, or that it
//! is nowhere.

use super::fault;
use super::neutral::BESIDE_A_MARKER;
use super::rules::Rules;
use super::words::{all_sentences, ends_sentence};

/// What words say about whether a number is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existence {
    InTheTask,
    /// The sentence says more than that: the number may be in a list of the platform's, or a request
    /// came twice.
    Elsewhere,
    /// Words that tell what is wrong with the number itself, so that it is nowhere.
    BadNumber,
    /// Other words. They may be about the task, the account or the request, and nobody knows all words
    /// for a number that is there.
    NotSaid,
}

pub(super) fn existence(words: &str, rules: &Rules) -> Existence {
    let markers = rules.duplicate_markers.iter();
    let markers = markers.map(|marker| marker.trim_matches(ends_sentence));
    let markers: Vec<&str> = markers.filter(|marker| !marker.is_empty()).collect();
    // Such a marker is several sentences, so nothing can stand beside it in its own.
    let mut several = markers
        .iter()
        .filter(|marker| marker.contains(ends_sentence));
    if several.any(|marker| words.contains(marker)) {
        return Existence::InTheTask;
    }
    if markers.iter().any(|marker| words.contains(marker)) {
        // The place may stand in a sentence of its own.
        let says_no_more = |sentence: &str| {
            BESIDE_A_MARKER.is_all_beside(&markers, sentence) && !asks_for_one(&markers, sentence)
        };
        return if all_sentences(words, says_no_more) {
            Existence::InTheTask
        } else {
            Existence::Elsewhere
        };
    }
    if fault::is_told(words) {
        Existence::BadNumber
    } else {
        Existence::NotSaid
    }
}

/// Whether a sentence asks to find out whether a marker is true: `请确认号码已存在`.
fn asks_for_one(markers: &[&str], sentence: &str) -> bool {
    const ASKING: [&str; 5] = ["确认", "核实", "核对", "检查", "确保"];
    let is_asked = |before: &str| ASKING.iter().any(|word| before.ends_with(word));
    markers.iter().any(|marker| {
        sentence
            .match_indices(marker)
            .any(|(at, _)| is_asked(&sentence[..at]))
    })
}
