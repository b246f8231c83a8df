//! Lists for the statements: JSON texts, each of which fits into a packet of the server.

/// The most bytes of a list, unless a single record has more: half of the smallest packet
/// ([`super::facts::LEAST_PACKET`]).
const MOST: usize = 512 * 1024;

/// Returns the records, which are JSON texts, in their order, as lists of few enough bytes, each
/// with its number of records. Without records there is no list.
pub(super) fn lists(records: Vec<String>) -> impl Iterator<Item = (String, usize)> {
    cut(records, MOST)
}

fn cut(records: Vec<String>, most: usize) -> impl Iterator<Item = (String, usize)> {
    let mut texts = records.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut list = format!("[{}", texts.next()?);
        let mut count = 1;
        while let Some(text) = texts.next_if(|text| list.len() + text.len() + 2 <= most) {
            list.push(',');
            list.push_str(&text);
            count += 1;
        }
        list.push(']');
        Some((list, count))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::plan::json;

    fn cut_to(records: &[&str], most: usize) -> Vec<(String, usize)> {
        cut(records.iter().map(json).collect(), most).collect()
    }

    #[test]
    fn a_list_ends_where_the_next_record_would_not_fit() {
        let records = ["aa", "bb", "cc"];
        let whole = r#"["aa","bb","cc"]"#;
        assert_eq!(cut_to(&records, whole.len()), [(whole.to_owned(), 3)]);
        assert_eq!(
            cut_to(&records, whole.len() - 1),
            [
                (r#"["aa","bb"]"#.to_owned(), 2),
                (r#"["cc"]"#.to_owned(), 1)
            ]
        );
    }

    #[test]
    fn a_record_that_is_too_long_stands_alone() {
        let long = "x".repeat(20);
        let lists = cut_to(&["a", &long, "b"], 10);
        let counts: Vec<usize> = lists.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [1, 1, 1]);
    }

    #[test]
    fn of_nothing_there_is_no_list() {
        assert!(cut_to(&[], 10).is_empty());
    }
}
