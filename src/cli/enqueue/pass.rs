//! The two passes over the file: check all, then insert all.

use std::collections::HashSet;

use anyhow::anyhow;

use super::contact::{Rules, contact};
use super::problem::Problem;
use super::source::Source;
use crate::contact::Lane;
use crate::outbox::{Inserted, NewContact, Outbox};

/// How many problems are listed.
const MOST_LISTED: usize = 20;

/// How many contacts are handed to the database at once.
const CHUNK: usize = 1000;

/// A chunk ends with the contact that brings it to so many bytes.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// The result of the first pass.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Rows that may be inserted.
    pub(super) rows: u64,
    /// The lanes of these rows.
    pub(super) lanes: HashSet<Lane>,
    /// How many problems there are.
    pub(super) problems: u64,
    /// The first problems.
    pub(super) first_problems: Vec<Problem>,
}

/// The first pass: every rule on every row.
pub(super) fn check(source: &mut Source, rules: &Rules) -> anyhow::Result<Checked> {
    let mut checked = Checked::default();
    for row in source.rows("checking")? {
        let result = row?
            .map_err(|problem| vec![problem])
            .and_then(|record| contact(record, rules));
        match result {
            Ok((lane, _)) => {
                checked.rows += 1;
                checked.lanes.insert(lane);
            }
            Err(problems) => {
                for problem in problems {
                    checked.problems += 1;
                    if checked.first_problems.len() < MOST_LISTED {
                        checked.first_problems.push(problem);
                    }
                }
            }
        }
    }
    Ok(checked)
}

/// The second pass: inserts the checked rows, in one transaction.
pub(super) async fn insert(
    source: &mut Source,
    rules: &Rules,
    checked: &Checked,
    outbox: &dyn Outbox,
) -> anyhow::Result<Inserted> {
    let changed = || anyhow!("the file was changed while it was read; nothing was enqueued");
    let mut insertion = outbox.begin_insert().await?;
    let mut inserted = Inserted::default();
    let mut add = async |chunk: &[NewContact]| -> anyhow::Result<u64> {
        let part = insertion.add(chunk).await?;
        inserted.new += part.new;
        inserted.known += part.known;
        Ok(u64::try_from(chunk.len())?)
    };
    let mut seen = 0;
    let (mut chunk, mut bytes) = (Vec::with_capacity(CHUNK), 0);
    for row in source.rows("enqueueing")? {
        let record = row?.map_err(|_| changed())?;
        let (lane, contact) = contact(record, rules).map_err(|_| changed())?;
        if !checked.lanes.contains(&lane) {
            return Err(changed());
        }
        bytes += contact.bytes();
        chunk.push(contact);
        if chunk.len() == CHUNK || bytes >= CHUNK_BYTES {
            seen += add(&chunk).await?;
            chunk.clear();
            bytes = 0;
        }
    }
    if !chunk.is_empty() {
        seen += add(&chunk).await?;
    }
    if seen != checked.rows {
        return Err(changed());
    }
    insertion.commit().await?;
    Ok(inserted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::FakeOutbox;
    use crate::contact::RequestDefaults;
    use std::fs::OpenOptions;
    use std::io::Write;

    fn rules() -> Rules {
        Rules {
            defaults: RequestDefaults::default(),
            user_id: Some("u".into()),
            task_id: None,
        }
    }

    fn file(rows: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        file.write_all(format!("\u{feff}phone,task_id,idempotency_key\n{rows}").as_bytes())
            .unwrap();
        file
    }

    fn many(count: u32) -> String {
        (0..count).fold(String::new(), |rows, n| {
            rows + &format!("130{n:08},task{},k{n}\n", n % 20)
        })
    }

    #[tokio::test]
    async fn a_good_file_goes_in_as_a_whole_and_known_keys_are_counted() {
        let file = file(&many(2500));
        let outbox = FakeOutbox::default();
        let mut source = Source::open(file.path(), None).unwrap();
        let checked = check(&mut source, &rules()).unwrap();
        assert_eq!(
            (checked.rows, checked.lanes.len(), checked.problems),
            (2500, 20, 0)
        );
        let first = insert(&mut source, &rules(), &checked, &outbox)
            .await
            .unwrap();
        assert_eq!(
            first,
            Inserted {
                new: 2500,
                known: 0
            }
        );
        let again = insert(&mut source, &rules(), &checked, &outbox)
            .await
            .unwrap();
        assert_eq!(
            again,
            Inserted {
                new: 0,
                known: 2500
            }
        );
        assert_eq!(outbox.contacts.lock().unwrap().len(), 2500);
    }

    #[tokio::test]
    async fn long_rows_go_in_by_small_chunks_and_too_long_ones_are_told_with_their_line() {
        let rules = Rules {
            task_id: Some("t".into()),
            ..rules()
        };
        let row = |n: u32, letters: usize| format!("130{n:08},{}\n", "x".repeat(letters));
        let rows = |last: usize| {
            let long = (0..200).fold(String::new(), |rows, n| rows + &row(n, 60_000));
            let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
            let text = format!("phone,extra\n{long}{}", row(200, last));
            file.write_all(text.as_bytes()).unwrap();
            file
        };
        let outbox = FakeOutbox::default();
        let file = rows(60_000);
        let mut source = Source::open(file.path(), None).unwrap();
        let checked = check(&mut source, &rules).unwrap();
        let inserted = insert(&mut source, &rules, &checked, &outbox).await;
        assert_eq!(inserted.unwrap().new, 201);
        assert!(*outbox.longest_chunk.lock().unwrap() <= CHUNK_BYTES + 65_536);
        let file = rows(70_000);
        let checked = check(&mut Source::open(file.path(), None).unwrap(), &rules).unwrap();
        let problem = &checked.first_problems[0];
        assert_eq!((checked.problems, problem.line), (1, 202));
        assert_eq!(
            problem.message,
            "the contact is 70011 bytes long, longer than delivery.max_contact_bytes = 65536"
        );
    }

    #[tokio::test]
    async fn a_database_that_fails_half_way_is_left_as_it_was() {
        let file = file(&many(2500));
        let outbox = FakeOutbox {
            room: Some(1500),
            ..FakeOutbox::default()
        };
        let mut source = Source::open(file.path(), None).unwrap();
        let checked = check(&mut source, &rules()).unwrap();
        let error = insert(&mut source, &rules(), &checked, &outbox)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "the database refused the row: disk full");
        assert!(outbox.contacts.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_file_that_changes_between_the_passes_is_not_inserted() {
        for late in ["13000000000,task1,x\n", "13000000000,a/b,x\n"] {
            let file = file(&many(10));
            let outbox = FakeOutbox::default();
            let mut source = Source::open(file.path(), None).unwrap();
            let checked = check(&mut source, &rules()).unwrap();
            let mut append = OpenOptions::new().append(true).open(file.path()).unwrap();
            append.write_all(late.as_bytes()).unwrap();
            let error = insert(&mut source, &rules(), &checked, &outbox)
                .await
                .unwrap_err();
            assert!(error.to_string().contains("was changed"), "{error}");
            assert!(outbox.contacts.lock().unwrap().is_empty());
        }
    }

    #[test]
    fn the_first_twenty_problems_are_kept_and_all_are_counted() {
        let file = file(&"1,a/b,\n".repeat(30));
        let mut source = Source::open(file.path(), None).unwrap();
        let checked = check(&mut source, &rules()).unwrap();
        assert_eq!((checked.problems, checked.first_problems.len()), (30, 20));
        assert_eq!(checked.first_problems[19].line, 21);
    }
}
