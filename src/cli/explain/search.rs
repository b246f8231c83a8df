//! Searches for a phone number in a table that has no index of numbers.

use std::collections::HashSet;
use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use anyhow::bail;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::contact::{ContactId, Lane};
use crate::outbox::{Names, Operations, OutboxError};

/// The most contacts that are searched for: nobody reads more stories.
pub(super) const MOST: usize = 20;

/// The time limit of a search: that of an operator's single question.
pub(super) const PATIENCE: Duration = Duration::from_secs(150);

/// The contacts that are searched for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The number, in any way of writing it.
    pub(super) phone: String,
    /// The lane; `None`: any.
    pub(super) lane: Option<Lane>,
}

/// The end of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The oldest contact was reached.
    Whole,
    /// Enough contacts were found.
    Enough,
    /// The time was over, before this contact.
    Time(ContactId),
}

/// Returns contacts with the number, the newest first, and where the search ended.
pub(super) async fn search(
    wanted: &Wanted,
    patience: Duration,
    operations: &dyn Operations,
) -> anyhow::Result<(Vec<ContactId>, End)> {
    let began = Instant::now();
    let progress = Progress::begin(patience)?;
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let step = operations.find_number(&wanted.phone, before).await?;
        found.extend(of_lane(step.found, wanted.lane.as_ref(), operations).await?);
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

/// Returns the contacts among these that are of a lane.
async fn of_lane(
    found: Vec<ContactId>,
    lane: Option<&Lane>,
    operations: &dyn Operations,
) -> Result<Vec<ContactId>, OutboxError> {
    let Some(lane) = lane.filter(|_| !found.is_empty()) else {
        return Ok(found);
    };
    let there = operations.named(Names::Ids(&found)).await?;
    let of_lane = there.into_iter().filter(|contact| contact.lane == *lane);
    let of_lane: HashSet<ContactId> = of_lane.map(|contact| contact.id).collect();
    Ok(found
        .into_iter()
        .filter(|id| of_lane.contains(id))
        .collect())
}

/// Fails if nothing was found; the error says how far the search went.
pub(super) fn nothing(wanted: &Wanted, end: End) -> anyhow::Result<()> {
    let phone = crate::mask::mask(&wanted.phone);
    let lane = match &wanted.lane {
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

/// The progress that a person sees meanwhile.
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

    fn wanted(phone: &str) -> Wanted {
        Wanted {
            phone: phone.into(),
            lane: None,
        }
    }

    #[tokio::test]
    async fn a_number_is_found_in_whatever_shape_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = outbox(&folder, 2).await;
        for shape in ["130-1212-1211", "+86 13012121211", "13012121211_x1"] {
            let (found, _) = search(&wanted(shape), PATIENCE, &outbox).await.unwrap();
            assert_eq!(found, [2, 1].map(ContactId), "{shape}");
        }
        for (task, ids) in [("t", vec![ContactId(2), ContactId(1)]), ("x", vec![])] {
            let lane = Some(Lane::new("u", task).unwrap());
            let wanted = Wanted {
                lane,
                ..wanted("13012121211")
            };
            let (found, _) = search(&wanted, PATIENCE, &outbox).await.unwrap();
            assert_eq!(found, ids, "{task}");
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
