//! Suggests the word that somebody probably meant: for unknown settings and column names.

/// Returns the candidate that `word` most likely misspells, if one is close enough.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(word.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["phone", "name", "task_id"];
        assert_eq!(nearest("fone", known), Some("phone"));
        assert_eq!(nearest("Task-ID", known), Some("task_id"));
        assert_eq!(nearest("birthday", known), None);
    }
}
