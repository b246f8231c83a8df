//! The content of a request, checked.

use std::time::Duration;

use serde::Deserialize;

use crate::admin::refusal::{Refusal, Why};
use crate::contact::{ContactId, Violation};
use crate::mask::mask_within;
use crate::operators::{
    Chosen, Failed, LONGEST_PAUSE, PauseOrder, Reason, Requeue, Safety, lane_of,
};
use crate::outbox::{FailKind, FailureFilter, OrderScope, PendingFilter};

/// Pause lanes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseBody {
    pub(super) dry_run: bool,
    lane: Option<String>,
    user: Option<String>,
    #[serde(default)]
    all: bool,
    reason: Option<String>,
    for_seconds: Option<u32>,
}

impl PauseBody {
    pub(super) fn order(self) -> Result<PauseOrder, Refusal> {
        let lasts = self.for_seconds.map(u64::from).map(Duration::from_secs);
        if lasts.is_some_and(|time| time.is_zero()) {
            return Err(Refusal::wrong(
                Why::NoTime,
                "for_seconds is 0: write 1 or more",
            ));
        }
        if lasts.is_some_and(|time| time > LONGEST_PAUSE) {
            let most = LONGEST_PAUSE.as_secs();
            let said = format!("for_seconds is too large: write {most} or less (10 years)");
            return Err(Refusal::wrong(Why::NoTime, said));
        }
        Ok(PauseOrder {
            scope: scope(self.lane.as_deref(), self.user, self.all)?,
            lasts,
            reason: said(self.reason.as_deref())?,
        })
    }
}

/// Resume lanes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResumeBody {
    pub(super) dry_run: bool,
    lane: Option<String>,
    user: Option<String>,
    #[serde(default)]
    all: bool,
}

impl ResumeBody {
    pub(super) fn scope(self) -> Result<OrderScope, Refusal> {
        scope(self.lane.as_deref(), self.user, self.all)
    }
}

/// Cancel pending contacts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelBody {
    pub(super) dry_run: bool,
    lane: Option<String>,
    user: Option<String>,
    #[serde(default)]
    ids: Vec<i64>,
    created_since_seconds: Option<f64>,
    reason: Option<String>,
}

impl CancelBody {
    /// Returns which contacts are meant, and why.
    pub(super) fn chosen(self) -> Result<(Chosen, Option<Reason>), Refusal> {
        let created_since = self.created_since_seconds.map(age).transpose()?;
        let by_filter = self.lane.is_some() || self.user.is_some() || created_since.is_some();
        let chosen = match (&*self.ids, by_filter) {
            ([], false) => return Err(no_choice("say which: lane, user, ids or an age")),
            (_, false) => Chosen::named(ids(&self.ids)?, Vec::new()),
            ([], true) => {
                let (user_id, task_id) = parts(self.lane.as_deref(), self.user)?;
                Chosen::Filter(PendingFilter {
                    user_id,
                    task_id,
                    created_since,
                })
            }
            _ => return Err(no_choice("give ids or a filter, not both")),
        };
        Ok((chosen, said(self.reason.as_deref())?))
    }
}

/// Requeue failed contacts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequeueBody {
    pub(super) dry_run: bool,
    lane: Option<String>,
    user: Option<String>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    ids: Vec<i64>,
    #[serde(default)]
    kinds: Vec<String>,
    since_seconds: Option<f64>,
    #[serde(default)]
    even_unsafe: bool,
}

impl RequeueBody {
    pub(super) fn requeue(self, safety: &Safety) -> Result<Requeue, Refusal> {
        let (user_id, task_id) = parts(self.lane.as_deref(), self.user)?;
        let kinds = self.kinds.iter().map(|kind| kind_of(kind));
        let filter = FailureFilter {
            user_id,
            task_id,
            kinds: kinds.collect::<Result<_, _>>()?,
            since: self.since_seconds.map(age).transpose()?,
            ..FailureFilter::default()
        };
        let by_filter = filter != FailureFilter::default();
        let ways = [!self.ids.is_empty(), by_filter, self.all];
        let which = match ways.iter().filter(|way| **way).count() {
            0 => return Err(no_choice("say which: ids, lane, user, kinds or all")),
            1 if by_filter || self.all => Failed::Filter(filter),
            1 => Failed::named(ids(&self.ids)?),
            _ => {
                return Err(no_choice("give ids, or a filter, or all: one of the three"));
            }
        };
        Ok(Requeue::new(which, self.even_unsafe, safety.clone()))
    }
}

fn scope(lane: Option<&str>, user: Option<String>, all: bool) -> Result<OrderScope, Refusal> {
    match (parts(lane, user)?, lane, all) {
        ((Some(user), None), None, false) => {
            OrderScope::user(&user).map_err(|violation| no_user(&user, &violation))
        }
        (_, Some(text), false) => lane_of(text)
            .map(OrderScope::Lane)
            .ok_or_else(|| no_lane(text)),
        ((None, None), None, true) => Ok(OrderScope::All),
        _ => Err(no_choice("say which: lane, user or all, one of them")),
    }
}

/// Returns user and task of a lane, or the user alone.
fn parts(
    lane: Option<&str>,
    user: Option<String>,
) -> Result<(Option<String>, Option<String>), Refusal> {
    match (lane, user) {
        (Some(_), Some(_)) => Err(no_choice("give a lane or a user, not both")),
        (Some(text), None) => {
            let lane = lane_of(text).ok_or_else(|| no_lane(text))?;
            Ok((Some(lane.user_id().into()), Some(lane.task_id().into())))
        }
        (None, Some(user)) if user.is_empty() => {
            Err(Refusal::wrong(Why::BadUser, "user is empty: name one"))
        }
        (None, Some(user)) => match OrderScope::user(&user) {
            Ok(_) => Ok((Some(user), None)),
            Err(violation) => Err(no_user(&user, &violation)),
        },
        (None, None) => Ok((None, None)),
    }
}

fn no_user(user: &str, violation: &Violation) -> Refusal {
    let user = mask_within(user);
    Refusal::wrong(Why::BadUser, format!("{user:?} is no user: {violation}"))
}

fn no_choice(said: &str) -> Refusal {
    Refusal::wrong(Why::NoChoice, said)
}

fn no_lane(text: &str) -> Refusal {
    let text = mask_within(text);
    let said = format!("{text:?} is no lane: write USER_ID/TASK_ID");
    Refusal::wrong(Why::NoLane, said)
}

fn ids(ids: &[i64]) -> Result<Vec<ContactId>, Refusal> {
    match ids.iter().find(|id| **id < 1) {
        Some(id) => {
            let said = format!("{id} is no id of a contact: write whole numbers above 0");
            Err(Refusal::wrong(Why::NoId, said))
        }
        None => Ok(ids.iter().copied().map(ContactId).collect()),
    }
}

fn age(seconds: f64) -> Result<Duration, Refusal> {
    // Rounded up, so that the counted contacts are included.
    let age = Duration::try_from_secs_f64(seconds.ceil());
    age.map_err(|_| Refusal::wrong(Why::NoTime, format!("{seconds} is no number of seconds")))
}

fn kind_of(word: &str) -> Result<FailKind, Refusal> {
    let kind = FailKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    kind.ok_or_else(|| {
        let known = FailKind::ALL.map(FailKind::as_str).join(", ");
        let said = format!("{:?} is no kind: {known}", mask_within(word));
        Refusal::wrong(Why::NoKind, said)
    })
}

/// Returns a reason that is not empty.
fn said(reason: Option<&str>) -> Result<Option<Reason>, Refusal> {
    let read = Reason::read(reason.unwrap_or_default());
    read.map_err(|error| Refusal::wrong(Why::LongReason, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::RequestDefaults;

    fn read<T: serde::de::DeserializeOwned>(json: &str) -> T {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    #[test]
    fn lanes_are_named_in_one_way() {
        for (json, words) in [
            (r#"{"dry_run":true,"lane":"u/t"}"#, Some("lane u/t")),
            (r#"{"dry_run":true,"user":"u"}"#, Some("user u")),
            (r#"{"dry_run":true,"all":true}"#, Some("all lanes")),
            (
                r#"{"dry_run":true,"all":true,"for_seconds":7200}"#,
                Some("all lanes, for 2h"),
            ),
            (r#"{"dry_run":true}"#, None),
            (r#"{"dry_run":true,"lane":"u"}"#, None),
            (r#"{"dry_run":true,"user":""}"#, None),
            (r#"{"dry_run":true,"user":"u/t"}"#, None),
            (r#"{"dry_run":true,"lane":"u/t","user":"u"}"#, None),
            (r#"{"dry_run":true,"lane":"u/t","all":true}"#, None),
            (r#"{"dry_run":true,"user":"u","all":true}"#, None),
            (r#"{"dry_run":true,"all":true,"for_seconds":0}"#, None),
            (
                r#"{"dry_run":true,"all":true,"for_seconds":315576001}"#,
                None,
            ),
        ] {
            let order = read::<PauseBody>(json).order();
            let told = order.ok().map(|order| order.in_words());
            assert_eq!(told.as_deref(), words, "{json}");
        }
    }

    #[test]
    fn a_reason_is_as_long_as_that_of_a_command_at_the_most() {
        for (characters, is_refused) in [(500, false), (501, true)] {
            let reason = "号".repeat(characters);
            let json = format!(r#"{{"dry_run":true,"all":true,"reason":"{reason}"}}"#);
            let pause = read::<PauseBody>(&json).order().err();
            let json = format!(r#"{{"dry_run":true,"user":"u","reason":"{reason}"}}"#);
            let cancel = read::<CancelBody>(&json).chosen().err();
            for refused in [pause, cancel] {
                assert_eq!(refused.is_some(), is_refused, "{characters}: {refused:?}");
                let why = format!("{refused:?}");
                assert_eq!(why.contains("LongReason"), is_refused, "{why}");
            }
        }
    }

    #[test]
    fn pending_contacts_are_chosen_by_name_or_by_a_filter() {
        for (json, words) in [
            (
                r#"{"dry_run":true,"ids":[7,7,8]}"#,
                Some("2 contacts by id"),
            ),
            (r#"{"dry_run":true,"lane":"u/t"}"#, Some("lane u/t")),
            (
                r#"{"dry_run":true,"user":"u","created_since_seconds":3600.2}"#,
                Some("user u, inserted in the last 1h 1s"),
            ),
            (r#"{"dry_run":true}"#, None),
            (r#"{"dry_run":true,"ids":[0]}"#, None),
            (r#"{"dry_run":true,"ids":[7],"lane":"u/t"}"#, None),
            (r#"{"dry_run":true,"created_since_seconds":-1}"#, None),
            (r#"{"dry_run":true,"user":"u/t"}"#, None),
        ] {
            let chosen = read::<CancelBody>(json).chosen();
            let told = chosen.ok().map(|(chosen, _)| chosen.in_words());
            assert_eq!(told.as_deref(), words, "{json}");
        }
    }

    #[test]
    fn failed_contacts_are_chosen_in_one_of_three_ways() {
        let safety = Safety(RequestDefaults::default());
        for (json, words) in [
            (r#"{"dry_run":true,"ids":[7,7]}"#, Some("1 contact by id")),
            (
                r#"{"dry_run":true,"all":true}"#,
                Some("everything that failed"),
            ),
            (
                r#"{"dry_run":true,"lane":"u/t","kinds":["expired"],"even_unsafe":true}"#,
                Some("failed: lane u/t, kind expired, even unsafe"),
            ),
            (r#"{"dry_run":true}"#, None),
            (r#"{"dry_run":true,"kinds":["succeeded"]}"#, None),
            (r#"{"dry_run":true,"ids":[7],"all":true}"#, None),
            (r#"{"dry_run":true,"user":"u","all":true}"#, None),
        ] {
            let requeue = read::<RequeueBody>(json).requeue(&safety);
            let told = requeue.ok().map(|requeue| requeue.in_words());
            assert_eq!(told.as_deref(), words, "{json}");
        }
    }
}
