//! Counts as people read them.

use indicatif::HumanCount;

/// A count with a noun: `1 contact`, `12,000 contacts`.
pub fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", HumanCount(n), if n == 1 { one } else { many })
}

/// The most common nouns.
pub fn contacts(n: u64) -> String {
    count(n, "contact", "contacts")
}

/// The same for batches.
pub fn batches(n: u64) -> String {
    count(n, "batch", "batches")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_their_nouns() {
        assert_eq!(contacts(1), "1 contact");
        assert_eq!(batches(12_000), "12,000 batches");
    }
}
