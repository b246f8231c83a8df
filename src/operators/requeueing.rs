//! Sends failed contacts on their way again.
//!
//! This guarantees that only failed contacts are touched, and that a contact whose second send is
//! not safe is left out unless the operator asks for it explicitly.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::chosen::{Missed, TOLD, missed};
use super::history::note;
use super::progress::Progress;
use super::words::contacts;
use crate::contact::{ContactId, Lane, RequestDefaults, Suffix};
use crate::mask::mask_typed;
use crate::outbox::{
    Action, AskedFor, FailKind, FailedContact, FailureCount, FailureFilter, Names, Operations,
    OutboxError, SentAs,
};

/// How many contacts one transaction requeues.
const CHUNK: u32 = 500;

/// The failed contacts that are meant.
#[derive(Clone, Debug)]
pub enum Failed {
    Named(Vec<ContactId>),
    /// The contacts that pass. A contact that an operator has cancelled goes out again only if its
    /// kind is named.
    Filter(FailureFilter),
}

impl Failed {
    /// Contacts by name, each id once.
    pub fn named(mut ids: Vec<ContactId>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self::Named(ids)
    }

    fn in_words(&self) -> String {
        match self {
            Self::Named(ids) => format!("{} by id", contacts(ids.len() as u64)),
            Self::Filter(filter) if *filter == FailureFilter::default() => {
                "everything that failed".into()
            }
            Self::Filter(filter) => in_words(filter),
        }
    }
}

/// A filter of failed contacts in words.
fn in_words(filter: &FailureFilter) -> String {
    let age = |age: &Duration| humantime::format_duration(*age).to_string();
    let kinds: Vec<&str> = filter.kinds.iter().map(|kind| kind.as_str()).collect();
    let (lane, user, task) = match (&filter.user_id, &filter.task_id) {
        (Some(user), Some(task)) => (Some(format!("{user}/{task}")), None, None),
        (user, task) => (None, user.clone(), task.clone()),
    };
    let asked = [
        ("lane", lane),
        ("user", user),
        ("task", task.map(|task| id_or_masked(&task))),
        ("kind", (!kinds.is_empty()).then(|| kinds.join(","))),
        ("cause", filter.cause.as_deref().map(mask_typed)),
        ("since", filter.since.as_ref().map(age)),
        ("until", filter.until.as_ref().map(age)),
    ];
    let asked = asked.into_iter();
    let words = asked.filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    format!("failed: {}", words.collect::<Vec<_>>().join(", "))
}

/// Returns the id of a task. What no task can have is a text that somebody typed, with numbers masked.
fn id_or_masked(task: &str) -> String {
    if Lane::new("any", task).is_ok() {
        task.to_owned()
    } else {
        mask_typed(task)
    }
}

/// How contacts would be sent now.
#[derive(Clone, Debug)]
pub struct Safety(pub RequestDefaults);

impl Safety {
    /// Whether a second send may put the person into the task twice.
    ///
    /// The first send may have arrived. Then the second is refused as a duplicate only if the
    /// platform gets the same number: neither of them with a suffix, or both with the courier's.
    /// The journal says how the first one was sent, because the settings may have changed since.
    fn is_unsafe(&self, maybe_in_task: bool, asked: AskedFor, sent: Option<SentAs>) -> bool {
        if !maybe_in_task {
            return false;
        }
        let encryption = asked.encryption.unwrap_or(self.0.encryption);
        let suffix = self.0.suffix(asked.number_add_suffix, encryption);
        suffix == Suffix::Platform || sent != Some(SentAs { suffix, encryption })
    }
}

/// The contacts to requeue.
#[derive(Clone, Debug)]
pub struct Requeue {
    pub which: Failed,
    /// Whether contacts go, too, that the platform may put into their task twice.
    pub even_unsafe: bool,
    pub safety: Safety,
    /// When the contacts were chosen: ages are counted back from this instant.
    noted: Instant,
}

impl Requeue {
    pub fn new(which: Failed, even_unsafe: bool, safety: Safety) -> Self {
        Self {
            which,
            even_unsafe,
            safety,
            noted: Instant::now(),
        }
    }

    /// Which contacts, in words for the history.
    pub fn in_words(&self) -> String {
        let all_the_same = if self.even_unsafe {
            ", even unsafe"
        } else {
            ""
        };
        self.which.in_words() + all_the_same
    }

    /// Counts the contacts.
    pub async fn count(&self, operations: &dyn Operations) -> Result<RequeueTally, OutboxError> {
        let (mut missed, mut unmatched) = (Vec::new(), 0);
        let found = match &self.which {
            Failed::Filter(filter) => {
                let filter = filter.after(self.noted.elapsed());
                operations.count_failures(&filter).await?
            }
            Failed::Named(ids) => {
                let failed = operations.failures_named(ids).await?;
                missed = missed_of(ids, &failed, operations).await?;
                unmatched = ids.len().saturating_sub(failed.len()) as u64;
                failed.into_iter().map(one).collect()
            }
        };
        let (left, found): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|count| self.leaves_cancelled() && count.cancelled);
        let mut tally = RequeueTally::of(&found, &self.safety, self.even_unsafe);
        let left = left.iter().filter(|count| !count.redacted);
        tally.cancelled = left.map(|count| count.contacts).sum();
        tally.missed = missed;
        tally.unmatched = unmatched;
        Ok(tally)
    }

    /// Whether contacts are left out that operators have cancelled: the filter does not name a kind.
    fn leaves_cancelled(&self) -> bool {
        matches!(&self.which, Failed::Filter(filter) if filter.kinds.is_empty())
    }

    /// Requeues, in small transactions. Returns how many contacts.
    pub async fn carry_out(
        &self,
        operations: &dyn Operations,
        action: &Action,
        progress: Progress<'_>,
    ) -> Result<u64, OutboxError> {
        let mut requeued = 0;
        let mut some = async |failed: Vec<FailedContact>| -> Result<(), OutboxError> {
            let ids = self.to_requeue(&failed);
            if !ids.is_empty() {
                let may_go = |failed: &FailedContact| self.goes(failed);
                let now = operations.requeue(&ids, &may_go, Some(action)).await?;
                requeued += now;
                progress(now);
            }
            Ok(())
        };
        match &self.which {
            Failed::Named(ids) => {
                for ids in ids.chunks(CHUNK as usize) {
                    some(operations.failures_named(ids).await?).await?;
                }
            }
            Failed::Filter(filter) => {
                let filter = filled(filter);
                let mut after = None;
                loop {
                    let filter = filter.after(self.noted.elapsed());
                    let page = operations.failures(&filter, after.as_ref(), CHUNK).await?;
                    some(page.failures).await?;
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
            }
        }
        note(operations, action, Some(0)).await;
        Ok(requeued)
    }

    fn to_requeue(&self, failed: &[FailedContact]) -> Vec<ContactId> {
        let goes = failed.iter().filter(|failed| self.goes(failed));
        goes.map(|failed| failed.id).collect()
    }

    fn goes(&self, failed: &FailedContact) -> bool {
        let is_unsafe = || {
            self.safety
                .is_unsafe(failed.maybe_in_task, failed.options, failed.sent)
        };
        let is_left = failed.redacted || self.leaves_cancelled() && failed.was_cancelled();
        !is_left && (self.even_unsafe || !is_unsafe())
    }
}

/// Completes the filter with the kinds that it means.
fn filled(filter: &FailureFilter) -> FailureFilter {
    let mut filter = filter.clone();
    if filter.kinds.is_empty() {
        let kinds = FailKind::ALL.into_iter();
        filter.kinds = kinds.filter(|kind| *kind != FailKind::Cancelled).collect();
    }
    filter
}

/// Returns the first ids that name no failed contact, and the status of their contact, if it is there.
async fn missed_of(
    ids: &[ContactId],
    failed: &[FailedContact],
    operations: &dyn Operations,
) -> Result<Vec<Missed<ContactId>>, OutboxError> {
    let failed: HashSet<ContactId> = failed.iter().map(|contact| contact.id).collect();
    let others = ids.iter().copied().filter(|id| !failed.contains(id));
    let others: Vec<ContactId> = others.take(TOLD).collect();
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let there = operations.named(Names::Ids(&others)).await?;
    Ok(missed(
        &others,
        &there,
        |contact| Some(contact.id),
        |_| false,
    ))
}

fn one(failed: FailedContact) -> FailureCount {
    FailureCount {
        cancelled: failed.was_cancelled(),
        kind: failed.kind,
        options: failed.options,
        maybe_in_task: failed.maybe_in_task,
        sent: failed.sent,
        redacted: failed.redacted,
        contacts: 1,
    }
}

/// The counts of a requeue.
#[derive(Debug, Default)]
pub struct RequeueTally {
    pub kinds: BTreeMap<String, u64>,
    /// How many of them have no number any more, so that there is nothing to send.
    pub redacted: u64,
    /// How many of them are not safe to send again.
    pub not_safe: u64,
    /// How many more pass the filter and are left out, because operators have cancelled them.
    pub cancelled: u64,
    pub to_requeue: u64,
    /// How many of the ids name no failed contact.
    pub unmatched: u64,
    /// The first ids that name no failed contact, with the status of the contact; `None`: it is not
    /// there.
    pub missed: Vec<Missed<ContactId>>,
}

impl RequeueTally {
    fn of(found: &[FailureCount], safety: &Safety, even_unsafe: bool) -> Self {
        let mut tally = Self::default();
        for count in found {
            *tally.kinds.entry(count.kind.clone()).or_default() += count.contacts;
            if count.redacted {
                tally.redacted += count.contacts;
                continue;
            }
            let not_safe = safety.is_unsafe(count.maybe_in_task, count.options, count.sent);
            if not_safe {
                tally.not_safe += count.contacts;
            }
            if even_unsafe || !not_safe {
                tally.to_requeue += count.contacts;
            }
        }
        tally
    }

    /// The counts and the result, for programs.
    pub fn json(&self, requeued: u64, dry_run: bool) -> serde_json::Value {
        let missed = self.missed.iter();
        let missed = missed.map(|(id, status)| json!({"id": id.0, "status": status}));
        let missed: Vec<serde_json::Value> = missed.collect();
        json!({
            "unmatched": self.unmatched, "missed": missed,
            "failed": self.kinds, "redacted": self.redacted, "unsafe": self.not_safe,
            "cancelled_left_out": self.cancelled, "to_requeue": self.to_requeue, "requeued": requeued, "dry_run": dry_run,
        })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};

    use super::*;
    use crate::operators::action;
    use crate::outbox::{Outbox, SqliteOutbox};

    fn safety(courier_appends_suffix: bool) -> Safety {
        Safety(RequestDefaults {
            courier_appends_suffix,
            ..RequestDefaults::default()
        })
    }

    fn asked(number_add_suffix: Option<bool>, encryption: Option<bool>) -> AskedFor {
        AskedFor {
            number_add_suffix,
            encryption,
        }
    }

    const fn sent(suffix: Suffix, encryption: bool) -> SentAs {
        SentAs { suffix, encryption }
    }

    #[test]
    fn the_history_tells_which_were_meant() {
        let lane = FailureFilter {
            user_id: Some("u".into()),
            task_id: Some("t".into()),
            kinds: vec![FailKind::Expired, FailKind::Rejected],
            since: Some(Duration::from_hours(2)),
            ..FailureFilter::default()
        };
        for (which, words) in [
            (Failed::named(vec![ContactId(7); 2]), "1 contact by id"),
            (
                Failed::Filter(FailureFilter::default()),
                "everything that failed",
            ),
            (
                Failed::Filter(lane),
                "failed: lane u/t, kind expired,rejected, since 2h",
            ),
            (
                Failed::Filter(FailureFilter {
                    task_id: Some("20251127".into()),
                    cause: Some("13012121211 on 2026-11-28".into()),
                    ..FailureFilter::default()
                }),
                "failed: task 20251127, cause 130***1211 on 2026-11-28",
            ),
        ] {
            assert_eq!(which.in_words(), words);
        }
    }

    #[tokio::test]
    async fn what_was_counted_is_requeued_however_long_the_question_and_the_work_take() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("shop.db").display());
        let outbox = SqliteOutbox::connect(&url, 2).await.unwrap();
        outbox.migrate().await.unwrap();
        let mut session = SqliteConnection::connect(&url).await.unwrap();
        let failed = "INSERT INTO contact_outbox
                (user_id, task_id, phone, status, fail_kind, fail_cause, finished_at)
            VALUES ('u', 't', '13012121211', 'failed', 'expired', 'late',
                strftime('%Y-%m-%d %H:%M:%f', 'now', '-8 seconds'))";
        sqlx::raw_sql(failed).execute(&mut session).await.unwrap();
        let filter = FailureFilter {
            since: Some(Duration::from_secs(10)),
            ..FailureFilter::default()
        };
        let requeue = Requeue::new(Failed::Filter(filter), false, safety(false));
        assert_eq!(requeue.count(&outbox).await.unwrap().to_requeue, 1);
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let action = action("requeue", "db1", "anna", &requeue.in_words());
        let done = requeue.carry_out(&outbox, &action, &mut |_| ()).await;
        assert_eq!(done.unwrap(), 1);
    }

    #[test]
    fn a_second_send_is_safe_if_it_is_the_same_number_to_the_platform() {
        let suffix = asked(Some(true), None);
        let nothing = asked(None, None);
        let (by_platform, by_courier) = (safety(false), safety(true));
        for (safety, asked, sent, is_safe) in [
            (&by_platform, nothing, Some(sent(Suffix::None, false)), true),
            (
                &by_platform,
                nothing,
                Some(sent(Suffix::Platform, false)),
                false,
            ),
            (
                &by_platform,
                nothing,
                Some(sent(Suffix::Courier, false)),
                false,
            ),
            (&by_platform, nothing, Some(sent(Suffix::None, true)), false),
            (&by_platform, nothing, None, false),
            (
                &by_platform,
                suffix,
                Some(sent(Suffix::Platform, false)),
                false,
            ),
            (
                &by_platform,
                suffix,
                Some(sent(Suffix::Courier, false)),
                false,
            ),
            (
                &by_courier,
                suffix,
                Some(sent(Suffix::Courier, false)),
                true,
            ),
            (
                &by_courier,
                suffix,
                Some(sent(Suffix::Platform, false)),
                false,
            ),
            (&by_courier, suffix, Some(sent(Suffix::None, false)), false),
            (&by_courier, suffix, None, false),
        ] {
            let is_unsafe = safety.is_unsafe(true, asked, sent);
            assert_eq!(is_unsafe, !is_safe, "{asked:?} {sent:?}");
            assert!(!safety.is_unsafe(false, asked, sent));
        }
    }

    #[test]
    fn the_platform_appends_the_suffix_of_a_ciphertext_whatever_the_settings_say() {
        let encrypted = asked(Some(true), Some(true));
        let sent = Some(sent(Suffix::Courier, true));
        assert!(safety(true).is_unsafe(true, encrypted, sent));
    }

    #[test]
    fn where_a_row_says_nothing_the_settings_of_today_decide_how_it_would_be_sent() {
        let today = Safety(RequestDefaults {
            number_add_suffix: true,
            courier_appends_suffix: true,
            ..RequestDefaults::default()
        });
        let (nothing, none) = (asked(None, None), Some(sent(Suffix::None, false)));
        assert!(today.is_unsafe(true, nothing, none));
        let courier = Some(sent(Suffix::Courier, false));
        assert!(!today.is_unsafe(true, nothing, courier));
        assert!(!today.is_unsafe(true, asked(Some(false), None), none));
    }

    #[test]
    fn what_is_unsafe_is_counted_apart_and_left_out() {
        let found = [
            ("unconfirmed", asked(Some(true), None), 3, false),
            ("unconfirmed", asked(None, None), 2, false),
            ("expired", asked(Some(true), None), 10, false),
            ("expired", asked(None, None), 4, true),
        ]
        .map(|(kind, options, contacts, redacted)| FailureCount {
            kind: kind.into(),
            options,
            maybe_in_task: kind == "unconfirmed",
            sent: Some(sent(Suffix::None, false)),
            redacted,
            cancelled: false,
            contacts,
        });
        let tally = RequeueTally::of(&found, &safety(false), false);
        assert_eq!((tally.not_safe, tally.to_requeue), (3, 12));
        assert_eq!(tally.kinds["unconfirmed"], 5);
        let tally = RequeueTally::of(&found, &safety(false), true);
        assert_eq!((tally.not_safe, tally.to_requeue), (3, 15));
        assert_eq!(
            tally.json(0, true).to_string(),
            r#"{"cancelled_left_out":0,"dry_run":true,"failed":{"expired":14,"unconfirmed":5},"missed":[],"redacted":4,"requeued":0,"to_requeue":15,"unmatched":0,"unsafe":3}"#
        );
    }
}
