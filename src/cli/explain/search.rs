//! Looking for a phone number in a table that has no index of numbers.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use anyhow::bail;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::contact::ContactId;
use crate::outbox::{Operations, PhoneSearch};

/// More contacts than these are not looked for: nobody reads their stories.
pub(super) const MOST: usize = 20;

/// The time for it: that of an operator's single question.
pub(super) const PATIENCE: Duration = Duration::from_secs(150);

/// Where the search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With the oldest contact.
    Whole,
    /// With enough that were found.
    Enough,
    /// With its time, before this contact.
    Time(ContactId),
}

/// Returns contacts with the number, the newest first, and where the search ended.
pub(super) async fn search(
    search: &PhoneSearch,
    patience: Duration,
    operations: &dyn Operations,
) -> anyhow::Result<(Vec<ContactId>, End)> {
    let began = Instant::now();
    let progress = Progress::begin(patience)?;
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let step = operations.find_phone(search, before).await?;
        found.extend(step.found);
        if found.len() > MOST {
            found.truncate(MOST);
            return Ok((found, End::Enough));
        }
        let Some(reached) = step.next else {
            return Ok((found, End::Whole));
        };
        progress.reached(reached);
        if began.elapsed() >= patience {
            return Ok((found, End::Time(reached)));
        }
        before = Some(reached);
    }
}

/// Fails with where it was looked, if nothing was found.
pub(super) fn nothing(search: &PhoneSearch, end: End) -> anyhow::Result<()> {
    let phone = crate::mask::mask(&search.phone);
    let lane = match &search.lane {
        Some(lane) => format!(" of lane {lane}"),
        None => String::new(),
    };
    match end {
        End::Whole | End::Enough => {
            bail!("no contact{lane} has the number {phone}: the whole table was read")
        }
        End::Time(id) => bail!(
            "no contact{lane} from id {id} on has the number {phone}; older ones were not read, as \
             the time is up: look for --key or an id, or ask the database"
        ),
    }
}

/// What a person sees meanwhile.
struct Progress(ProgressBar);

impl Progress {
    fn begin(patience: Duration) -> anyhow::Result<Self> {
        writeln!(
            stderr(),
            "numbers have no index: reading the whole table, the newest contacts first, for {} at most",
            humantime::format_duration(patience)
        )?;
        if !stderr().is_terminal() {
            return Ok(Self(ProgressBar::hidden()));
        }
        let style = ProgressStyle::with_template("{spinner} {msg}");
        let bar = ProgressBar::new_spinner()
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Ok(Self(bar))
    }

    fn reached(&self, id: ContactId) {
        let id = HumanCount(u64::try_from(id.0).unwrap_or_default());
        self.0.set_message(format!("down to id {id}"));
        self.0.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::{NewContact, Outbox, SqliteOutbox};

    async fn outbox(folder: &tempfile::TempDir, contacts: usize) -> SqliteOutbox {
        let file = folder.path().join("shop.db");
        let url = format!("sqlite://{}", file.display());
        let outbox = SqliteOutbox::connect(&url, 2).await.unwrap();
        outbox.migrate().await.unwrap();
        let contact = NewContact {
            user_id: "u".into(),
            task_id: "t".into(),
            phone: "13012121211".into(),
            ..NewContact::default()
        };
        let mut insertion = outbox.begin_insert().await.unwrap();
        insertion.add(&vec![contact; contacts]).await.unwrap();
        insertion.commit().await.unwrap();
        outbox
    }

    fn wanted(phone: &str) -> PhoneSearch {
        PhoneSearch {
            phone: phone.into(),
            lane: None,
        }
    }

    #[tokio::test]
    async fn a_search_ends_with_the_table_with_enough_or_with_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = outbox(&folder, MOST + 1).await;
        let there = search(&wanted("13012121211"), PATIENCE, &outbox).await;
        let (found, end) = there.unwrap();
        assert_eq!((found.len(), end), (MOST, End::Enough));
        assert!(found.is_sorted_by(|one, next| one > next), "{found:?}");
        let none = search(&wanted("13012121212"), PATIENCE, &outbox).await;
        assert_eq!(none.unwrap(), (vec![], End::Whole));
        let hasty = search(&wanted("13012121212"), Duration::ZERO, &outbox).await;
        assert_eq!(hasty.unwrap(), (vec![], End::Time(ContactId(1))));
    }

    #[test]
    fn nothing_found_says_where_it_was_looked_without_the_number() {
        let said = |end| {
            nothing(&wanted("13012121212"), end)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            said(End::Whole),
            "no contact has the number 130***1212: the whole table was read"
        );
        assert_eq!(
            said(End::Time(ContactId(7))),
            "no contact from id 7 on has the number 130***1212; older ones were not read, as the \
             time is up: look for --key or an id, or ask the database"
        );
    }
}
