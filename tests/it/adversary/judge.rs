//! The judge: what each row says, against what the platform holds and has said.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::books::Entry;
use super::mood::{Mood, Task};
use super::numbers::{is_good, kept};
use super::platform::Site;
use crate::world::{Lane, World};

/// A row as it stood when it was last seen.
#[derive(Clone, Debug)]
struct Row {
    lane: Lane,
    phone: String,
    status: String,
    kind: Option<String>,
    cause: Option<String>,
}

/// What the judge has seen of the rows, by key: some are deleted later.
#[derive(Debug, Default)]
pub(super) struct Judge {
    rows: BTreeMap<String, Row>,
    /// Lanes in which an app changes rows in flight. What was sent is not what stands there.
    pub(super) changed: HashSet<Lane>,
}

impl Judge {
    /// Looks at all rows. One that is final may not say anything else later, unless it is requeued.
    pub(super) async fn look(&mut self, world: &World<'_>) {
        let columns = [
            "idempotency_key",
            "user_id",
            "task_id",
            "phone",
            "status",
            "fail_kind",
            "fail_cause",
        ];
        for row in world.table(&columns, "FROM contact_outbox").await {
            let [key, user, task, phone, status, kind, cause] =
                <[_; 7]>::try_from(row).expect("seven columns");
            let key = key.expect("a key");
            let row = Row {
                lane: Lane(user.unwrap(), task.unwrap()),
                phone: phone.unwrap(),
                status: status.unwrap(),
                kind,
                cause,
            };
            if let Some(before) = self.rows.get(&key)
                && before.status == "succeeded"
            {
                assert_eq!(row.status, "succeeded", "it was final: {before:?} {row:?}");
            }
            self.rows.insert(key, row);
        }
    }

    /// How many rows it has seen.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Every row says what is so, or that nobody can know.
    pub(super) fn no_row_lies(&self, site: &Site) {
        let mut lies = Vec::new();
        let mut by_number: HashMap<(&Lane, String), Vec<&Row>> = HashMap::new();
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        for row in self.rows.values() {
            let task = site.task(&row.lane);
            let end = row.kind.as_deref().unwrap_or(&row.status);
            *ends.entry(format!("{:?} {end}", task.mood)).or_default() += 1;
            let number = kept(&row.phone, task.normalises);
            let entry = entry(site, &row.lane, &number);
            if !self.changed.contains(&row.lane)
                && let Err(lie) = row.is_true(task, &number, &entry)
            {
                lies.push(format!("{lie}: {task:?} {row:?} {entry:?}"));
            }
            by_number.entry((&row.lane, number)).or_default().push(row);
        }
        for ((lane, number), rows) in by_number {
            let (task, entry) = (site.task(lane), entry(site, lane, &number));
            let known = |row: &&&Row| {
                let end = row.kind.as_deref().unwrap_or(&row.status);
                ["succeeded", "unconfirmed", "duplicate", "pending"].contains(&end)
            };
            if task.mood.is_honest() && entry.held > 0 && !rows.iter().any(|row| known(&row)) {
                lies.push(format!(
                    "held, and nobody knows: {task:?} {rows:?} {entry:?}"
                ));
            }
            if entry.held > 1 {
                lies.push(format!("held twice: {task:?} {rows:?} {entry:?}"));
            }
        }
        assert!(
            lies.is_empty(),
            "{} lies, such as\n{}\n{ends:#?}",
            lies.len(),
            lies[..lies.len().min(8)].join("\n")
        );
    }

    /// How many rows of the lanes are final that need nobody.
    pub(super) fn finals(&self, site: &Site) -> usize {
        let is_final =
            |row: &&Row| row.status != "pending" && !site.task(&row.lane).mood.waits_for_a_person();
        self.rows.values().filter(is_final).count()
    }
}

fn entry(site: &Site, lane: &Lane, number: &str) -> Entry {
    let entry = site.books.numbers.get(&(lane.clone(), number.to_owned()));
    entry.cloned().unwrap_or_default()
}

impl Row {
    fn is_true(&self, task: Task, number: &str, entry: &Entry) -> Result<(), &'static str> {
        let honest = task.mood.is_honest();
        match (self.status.as_str(), self.kind.as_deref()) {
            ("pending", None) => Ok(()),
            ("succeeded", None) if honest => {
                check(entry.held > 0, "succeeded, and the platform has not got it")
            }
            ("succeeded", None) => check(
                entry.held > 0 || entry.carried > 0,
                "succeeded, and it was never sent",
            ),
            ("failed", Some("rejected")) if honest => {
                check(
                    !is_good(number),
                    "rejected, and the platform did not refuse it",
                )?;
                check(entry.carried > 0, "rejected, and it was never sent")
            }
            ("failed", Some("duplicate")) if honest => {
                check(entry.held > 0, "a duplicate of nothing")
            }
            ("failed", Some("unconfirmed")) if task.mood == Mood::Good => {
                Err("unconfirmed, and the platform has told")
            }
            ("failed", Some("unconfirmed")) if honest => check(
                entry.unclear > 0,
                "unconfirmed, and each request with it was answered",
            ),
            ("failed", Some("rejected" | "duplicate" | "unconfirmed")) => {
                check(entry.carried > 0, "it was never sent")
            }
            ("failed", Some("invalid")) => {
                let long = self
                    .cause
                    .as_deref()
                    .is_some_and(|c| c.contains("bytes long"));
                check(long, "no rule is broken")
            }
            _ => Err("no such end"),
        }
    }
}

fn check(holds: bool, lie: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(lie) }
}
