//! The judge compares each row with what the platform holds and has said.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::books::Entry;
use super::mood::{Mood, Task};
use super::numbers::{is_good, kept};
use super::platform::Site;
use crate::world::{Lane, World};

/// A row as it was last seen.
#[derive(Clone, Debug)]
struct Row {
    lane: Lane,
    phone: String,
    status: String,
    kind: Option<String>,
    cause: Option<String>,
    /// Whether the platform appends a suffix of its own to each copy of the number.
    is_suffixed: bool,
    /// Whether its personal data was erased. Its number is as it was seen before.
    is_erased: bool,
}

/// The rows that the judge has seen, by key: some are deleted later.
#[derive(Debug, Default)]
pub(super) struct Judge {
    rows: BTreeMap<String, Row>,
    /// Lanes in which an app changes rows in flight. The rows may differ from what was sent.
    pub(super) changed: HashSet<Lane>,
    /// Rows that were requeued after an end that was none in doubt, by key.
    requeued: HashSet<String>,
    /// How many requests had carried the numbers of rows when the rows were cancelled, by key.
    cancelled: HashMap<String, u32>,
}

impl Judge {
    /// Looks at all rows. A final row may not change its end later, unless it is requeued. Returns
    /// the final rows, by key, with their numbers.
    pub(super) async fn look(&mut self, world: &World<'_>) -> Vec<(String, String)> {
        let columns = [
            "idempotency_key",
            "user_id",
            "task_id",
            "phone",
            "status",
            "fail_kind",
            "fail_cause",
            "redacted_at",
            "number_add_suffix",
        ];
        let mut finals = Vec::new();
        for row in world.table(&columns, "FROM contact_outbox").await {
            let [
                key,
                user,
                task,
                phone,
                status,
                kind,
                cause,
                redacted,
                suffix,
            ] = <[_; 9]>::try_from(row).expect("nine columns");
            let key = key.expect("a key");
            let row = Row {
                lane: Lane(user.unwrap(), task.unwrap()),
                phone: phone.unwrap(),
                status: status.unwrap(),
                kind,
                cause,
                is_suffixed: suffix.is_some(),
                is_erased: redacted.is_some(),
            };
            if row.status != "pending" {
                finals.push((key.clone(), row.phone.clone()));
            }
            let row = match self.rows.get(&key) {
                Some(before) => row.after(before),
                None => row,
            };
            self.rows.insert(key, row);
        }
        finals
    }

    /// Notes the rows that may be sent once more after an end.
    pub(super) async fn requeues(&mut self, world: &World<'_>) {
        let requeued =
            "FROM contact_outbox WHERE id IN (SELECT contact_id FROM contact_requeue) AND id NOT IN
            (SELECT contact_id FROM contact_requeue WHERE fail_kind = 'unconfirmed')";
        let keys = world.table(&["idempotency_key"], requeued).await;
        self.requeued.extend(keys.into_iter().flatten().flatten());
    }

    /// Notes the cancelled rows. From now on no request may carry them.
    pub(super) fn cancels(&mut self, site: &Site) {
        for (key, row) in &self.rows {
            if row.kind.as_deref() == Some("cancelled") {
                let number = kept(&row.phone, site.task(&row.lane).normalises);
                let carried = entry(site, &row.lane, &number).carried;
                self.cancelled.entry(key.clone()).or_insert(carried);
            }
        }
    }

    /// Checks that every row tells the truth, or that nobody can know it.
    pub(super) fn no_row_lies(&self, site: &Site) {
        let mut lies = Vec::new();
        let mut by_number: HashMap<(&Lane, String), Vec<(&String, &Row)>> = HashMap::new();
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        for (key, row) in &self.rows {
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
            by_number
                .entry((&row.lane, number))
                .or_default()
                .push((key, row));
        }
        for ((lane, number), rows) in by_number {
            let (task, entry) = (site.task(lane), entry(site, lane, &number));
            let known = |(key, row): &&(&String, &Row)| {
                let end = row.kind.as_deref().unwrap_or(&row.status);
                // One that was a duplicate before may have been cancelled.
                let is_unclear = end == "cancelled" && self.requeued.contains(*key);
                is_unclear || ["succeeded", "unconfirmed", "duplicate", "pending"].contains(&end)
            };
            if let [(key, row)] = rows[..]
                && row.kind.as_deref() == Some("cancelled")
                && (self.cancelled.get(key) != Some(&entry.carried)
                    || entry.held > 0 && task.mood.is_honest() && !self.requeued.contains(key))
            {
                lies.push(format!("cancelled, and sent: {task:?} {row:?} {entry:?}"));
            }
            if task.mood.is_honest() && entry.held > 0 && !rows.iter().any(|row| known(&row)) {
                lies.push(format!(
                    "held, and nobody knows: {task:?} {rows:?} {entry:?}"
                ));
            }
            // After a liar's refusal such a row goes once more, though the task has it.
            let is_suffixed = rows.iter().any(|(_, row)| row.is_suffixed);
            let most = if is_suffixed { rows.len() } else { 1 };
            if entry.held as usize > most && (task.mood.is_honest() || !is_suffixed) {
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

    /// Returns how many rows are final in lanes that need no person.
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
    /// Returns the row as it is now, after it was seen as `before`. An erased row keeps its end.
    fn after(mut self, before: &Self) -> Self {
        let end = (&before.status, &before.kind);
        if before.status == "succeeded" || before.is_erased {
            let now = (&self.status, &self.kind);
            assert_eq!(now, end, "it was final: {before:?} {self:?}");
        }
        if self.is_erased {
            assert_ne!(self.status, "pending", "erased: {before:?} {self:?}");
            let is_masked = !is_good(&before.phone) || self.phone.contains('*');
            assert!(before.is_erased || is_masked, "{before:?} {self:?}");
            self.phone.clone_from(&before.phone);
        }
        self
    }

    fn is_true(&self, task: Task, number: &str, entry: &Entry) -> Result<(), &'static str> {
        let honest = task.mood.is_honest();
        match (self.status.as_str(), self.kind.as_deref()) {
            ("pending", None) | ("failed", Some("cancelled")) => Ok(()),
            ("succeeded", None) if honest => {
                check(entry.held > 0, "succeeded, and the platform has not got it")
            }
            ("succeeded", None) => check(
                entry.held > 0 || entry.carried > 0,
                "succeeded, and it was never sent",
            ),
            ("failed", Some("rejected")) if task.mood == Mood::Ends => {
                check(entry.held == 0, "rejected, and the platform has got it")?;
                check(entry.carried > 0, "rejected, and it was never sent")
            }
            // No other row of the lane has its number. So whatever says that it is there, its own requests
            // have put it there.
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
            // The row is not sent again where a second send is unsafe. Where the task has ended, no
            // answer tells of the row. Its courier may have been killed before it read the answer.
            ("failed", Some("unconfirmed")) if self.is_suffixed || task.mood == Mood::Ends => {
                Ok(())
            }
            ("failed", Some("unconfirmed")) if honest => check(
                entry.unclear > 0 || entry.perhaps_there > 0,
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
