//! The contacts that failed, and filters for them.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::cancelling::is_of_a_cancel;
use super::columns::{seconds, to_total};
use crate::contact::{ContactId, Phone, Suffix};
use crate::mask;
use crate::outbox::rows::{Columns, to_count};
use crate::outbox::span::to_duration;
use crate::settlement::FailKind;

/// Selects failed contacts; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureFilter {
    pub user_id: Option<String>,
    pub task_id: Option<String>,
    /// The kinds of failure; empty: any.
    pub kinds: Vec<FailKind>,
    /// Text that the cause contains, in capitals or not.
    pub cause: Option<String>,
    /// The greatest age of the failure.
    pub since: Option<Duration>,
    /// The least age of the failure.
    pub until: Option<Duration>,
}

impl FailureFilter {
    /// The filter that means the same span of time when so much time has passed.
    pub fn after(&self, passed: Duration) -> Self {
        let older = |age: Duration| age.saturating_add(passed);
        Self {
            since: self.since.map(older),
            until: self.until.map(older),
            ..self.clone()
        }
    }
}

/// The place where reading of failures goes on: behind the last one seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureCursor {
    /// Its `finished_at`, as the database wrote it.
    pub(in crate::outbox) finished_at: String,
    /// Its id.
    pub(in crate::outbox) id: i64,
}

/// Some failed contacts.
#[derive(Clone, Debug, PartialEq)]
pub struct FailurePage {
    /// The last that failed first.
    pub failures: Vec<FailedContact>,
    /// Where the next page begins; `None`: there is no more.
    pub next: Option<FailureCursor>,
}

/// A contact that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailedContact {
    pub id: ContactId,
    pub user_id: String,
    pub task_id: String,
    #[serde(serialize_with = "masked")]
    pub phone: Phone,
    #[serde(rename = "fail_kind")]
    pub kind: String,
    #[serde(rename = "fail_cause")]
    pub cause: String,
    pub attempts: u32,
    /// The last batch that held it.
    pub batch_id: Option<String>,
    /// The app's own key.
    pub idempotency_key: Option<String>,
    /// When it failed: UTC, for people.
    pub finished_at: String,
    #[serde(rename = "finished_seconds_ago", serialize_with = "seconds")]
    pub finished_ago: Duration,
    /// Whether its personal data was taken out, so that it cannot be sent again.
    #[serde(skip_serializing_if = "is_false")]
    pub redacted: bool,
    #[serde(skip)]
    pub options: AskedFor,
    /// Whether a request may have put it into the task: the last one, or one before it was
    /// requeued.
    #[serde(skip)]
    pub maybe_in_task: bool,
    #[serde(skip)]
    pub sent: Option<SentAs>,
}

/// The two options of a row that decide whether a second send is safe; null: the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskedFor {
    pub number_add_suffix: Option<bool>,
    pub encryption: Option<bool>,
}

/// The same two options of all requests that may have put the contact into the task, according to the
/// journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentAs {
    pub suffix: Suffix,
    pub encryption: bool,
}

/// Failed contacts that have all of these fields in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureCount {
    pub kind: String,
    pub options: AskedFor,
    /// Whether a request may have put them into their tasks: the last one, or one before they were
    /// requeued.
    pub maybe_in_task: bool,
    /// `None`: no request may have put them there, or the journal does not tell of all, or they went in
    /// different ways.
    pub sent: Option<SentAs>,
    /// Whether their personal data was taken out, so that they cannot be sent again.
    pub redacted: bool,
    /// Whether operators have ended them.
    pub cancelled: bool,
    pub contacts: u64,
}

/// The property that failed contacts are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailuresBy {
    Cause,
    Lane,
    Kind,
}

impl FailuresBy {
    /// The word of the statements.
    pub(in crate::outbox) const fn as_str(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Lane => "lane",
            Self::Kind => "kind",
        }
    }
}

/// Failed contacts, counted by a property that they share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureGroups {
    /// The largest group first.
    pub groups: Vec<FailureGroup>,
    /// How many further groups there are; if not all are told apart, at least so many.
    pub more: u64,
    pub all_told_apart: bool,
    /// How many contacts the further groups have.
    pub contacts_of_more: u64,
}

/// Failed contacts of one cause, lane or kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureGroup {
    /// The cause without the numbers that it may quote, `USER/TASK` or the kind.
    pub shared: String,
    pub contacts: u64,
    /// How long ago the last of them failed.
    pub last_ago: Duration,
}

/// The most groups that are told apart: nobody reads more.
const TOLD_APART: usize = 10_000;

/// The groups while their parts are read: causes that differ only by the number that they quote are
/// one.
#[derive(Debug, Default)]
pub(in crate::outbox) struct Grouping {
    groups: HashMap<String, (u64, Duration)>,
    /// The contacts of the groups that are not told apart.
    rest: Option<u64>,
}

impl Grouping {
    pub(in crate::outbox) fn add(&mut self, row: &impl Columns, by: FailuresBy) {
        let shared = row.text("shared").unwrap_or_default();
        let shared = match by {
            FailuresBy::Cause => mask::hide_within(&shared),
            FailuresBy::Lane | FailuresBy::Kind => shared,
        };
        let contacts = to_total(row, "contacts");
        let last_ago = to_duration(row.seconds("last_ago"));
        if self.groups.len() >= TOLD_APART && !self.groups.contains_key(&shared) {
            self.rest = Some(self.rest.unwrap_or_default() + contacts);
            return;
        }
        let group = self.groups.entry(shared).or_insert((0, last_ago));
        group.0 += contacts;
        group.1 = group.1.min(last_ago);
    }

    /// Returns the largest groups, at most `limit` of them.
    pub(in crate::outbox) fn most(self, limit: u32) -> FailureGroups {
        let group = |(shared, (contacts, last_ago))| FailureGroup {
            shared,
            contacts,
            last_ago,
        };
        let mut groups: Vec<FailureGroup> = self.groups.into_iter().map(group).collect();
        groups.sort_by(|one, other| {
            let by_size = other.contacts.cmp(&one.contacts);
            by_size.then_with(|| one.shared.cmp(&other.shared))
        });
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = groups.split_off(limit.min(groups.len()));
        FailureGroups {
            groups,
            // The number of groups behind `rest` is not known; it is more than none.
            more: more.len() as u64 + u64::from(self.rest.is_some()),
            all_told_apart: self.rest.is_none(),
            contacts_of_more: more.iter().map(|group| group.contacts).sum::<u64>()
                + self.rest.unwrap_or_default(),
        }
    }
}

pub(in crate::outbox) fn failure_count(row: &impl Columns) -> FailureCount {
    let kind = row.text("fail_kind").unwrap_or_default();
    FailureCount {
        cancelled: kind == FailKind::Cancelled.as_str()
            || row.flag("cancelled").unwrap_or_default(),
        kind,
        options: asked_for(row),
        maybe_in_task: row.flag("maybe_in_task").unwrap_or_default(),
        sent: sent_as(row),
        redacted: row.flag("redacted").unwrap_or_default(),
        contacts: to_total(row, "contacts"),
    }
}

fn asked_for(row: &impl Columns) -> AskedFor {
    AskedFor {
        number_add_suffix: row.flag("number_add_suffix"),
        encryption: row.flag("encryption"),
    }
}

/// Returns nothing if any part of it cannot be read.
fn sent_as(row: &impl Columns) -> Option<SentAs> {
    let suffix = match row.text("sent_suffix")?.as_str() {
        "none" => Suffix::None,
        "platform" => Suffix::Platform,
        "courier" => Suffix::Courier,
        _ => return None,
    };
    let encryption = row.text("sent_encryption")?.parse().ok()?;
    Some(SentAs { suffix, encryption })
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands in a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

pub(super) fn masked<S: Serializer>(phone: &Phone, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(phone)
}

/// The kinds of a filter as one text with commas, as the statements take them.
pub(in crate::outbox) fn kinds_of(filter: &FailureFilter) -> Option<String> {
    let words: Vec<&str> = filter.kinds.iter().map(|kind| kind.as_str()).collect();
    (!words.is_empty()).then(|| words.join(","))
}

/// A page out of at most `limit` rows, which come with `cursor_at` as the database wrote it.
pub(in crate::outbox) fn failure_page(rows: &[impl Columns], limit: u32) -> FailurePage {
    let full = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let last = rows.last().filter(|_| full);
    FailurePage {
        failures: rows.iter().map(failed).collect(),
        next: last.and_then(|row| {
            Some(FailureCursor {
                finished_at: row.text("cursor_at")?,
                id: row.integer("id")?,
            })
        }),
    }
}

/// Returns a key for people's eyes: an app may have made it of the number. A key without it stays.
pub(super) fn shown_key(key: String, phone: &Phone) -> String {
    mask::mask_number(&key, phone.expose()).unwrap_or(key)
}

/// Returns the words of a failure with numbers masked. The platform may have quoted the contact's; ours
/// about a cancelled contact end with what an operator typed.
pub(super) fn shown_cause(row: &impl Columns, phone: &Phone) -> Option<String> {
    let (cause, number) = (row.text("fail_cause")?, phone.expose());
    if is_of_a_cancel(row.text("fail_kind").as_deref(), &cause) {
        let without_own = mask::mask_number(&cause, number).unwrap_or(cause);
        return Some(mask::mask_typed(&without_own));
    }
    Some(mask::mask_own(&cause, number))
}

impl FailedContact {
    /// Whether an operator has ended it, also if it may be in its task by an earlier send.
    pub fn was_cancelled(&self) -> bool {
        is_of_a_cancel(Some(&self.kind), &self.cause)
    }
}

/// Whether a failed contact may be sent on its way again.
pub type MayGo<'a> = &'a (dyn Fn(&FailedContact) -> bool + Send + Sync);

/// A failed contact out of a row.
pub(in crate::outbox) fn failed(row: &impl Columns) -> FailedContact {
    let phone = Phone::new(row.text("phone").unwrap_or_default());
    FailedContact {
        id: ContactId(row.integer("id").unwrap_or_default()),
        user_id: row.text("user_id").unwrap_or_default(),
        task_id: row.text("task_id").unwrap_or_default(),
        cause: shown_cause(row, &phone).unwrap_or_default(),
        idempotency_key: row
            .text("idempotency_key")
            .map(|key| shown_key(key, &phone)),
        phone,
        kind: row.text("fail_kind").unwrap_or_default(),
        attempts: to_count(row.integer("attempts")),
        batch_id: row.text("batch_id"),
        finished_at: row.text("finished").unwrap_or_default(),
        finished_ago: to_duration(row.seconds("finished_ago")),
        redacted: row.flag("redacted").unwrap_or_default(),
        options: asked_for(row),
        maybe_in_task: row.flag("maybe_in_task").unwrap_or_default(),
        sent: sent_as(row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_groups_that_are_not_told_apart_the_least_is_told() {
        let groups =
            [("one", 7), ("two", 5)].map(|(shared, n)| (shared.into(), (n, Duration::ZERO)));
        let grouping = Grouping {
            groups: groups.into(),
            rest: Some(30),
        };
        let most = grouping.most(1);
        assert_eq!(
            (most.groups.len(), most.more, most.contacts_of_more),
            (1, 2, 35)
        );
        assert!(!most.all_told_apart);
    }
}
