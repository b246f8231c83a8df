//! Lists for the statements: JSON texts, each of which fits into a packet of the server.

use serde::Serialize;
use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Result};

use crate::outbox::plan::json;

/// At most so many bytes in a list, unless a record alone has more: half of the smallest packet
/// ([`super::session::LEAST_PACKET`]).
const MOST: usize = 512 * 1024;

/// The records, in their order, as lists of few enough bytes. None, if there are no records.
pub(super) fn lists<R: Serialize>(records: &[R]) -> impl Iterator<Item = String> {
    cut(records, MOST).map(|(list, _)| list)
}

/// The same with how many records are in each.
pub(super) fn counted<R: Serialize>(records: &[R]) -> impl Iterator<Item = (String, usize)> {
    cut(records, MOST)
}

fn cut<R: Serialize>(records: &[R], most: usize) -> impl Iterator<Item = (String, usize)> {
    let mut texts = records.iter().map(json).peekable();
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

/// Runs a statement over all records, if there are any. Answers how many rows it found to write.
pub(super) async fn execute(
    session: &mut MySqlConnection,
    statement: &'static str,
    records: &[impl Serialize],
) -> Result<u64> {
    let mut rows = 0;
    for list in lists(records) {
        let done = sqlx::query(statement).bind(list).execute(&mut *session);
        rows += done.await?.rows_affected();
    }
    Ok(rows)
}

/// The rows that a statement finds for all records.
pub(super) async fn fetch(
    session: &mut MySqlConnection,
    statement: &'static str,
    records: &[impl Serialize],
) -> Result<Vec<MySqlRow>> {
    let mut rows = Vec::new();
    for list in lists(records) {
        let found = sqlx::query(statement).bind(list).fetch_all(&mut *session);
        rows.extend(found.await?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_to(records: &[&str], most: usize) -> Vec<(String, usize)> {
        cut(records, most).collect()
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
