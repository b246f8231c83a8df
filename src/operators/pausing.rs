//! Pauses a lane, a user or everything, and resumes it.

use std::time::Duration;

use serde_json::json;

use super::history::{by, why};
use super::reason::Reason;
use crate::outbox::{Action, Operations, OrderScope, OutboxError, Pause, PendingFilter, Resumed};

/// The longest pause with an end: 10 years. More is surely a slip of the hand.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(87_660);

/// An order to pause.
#[derive(Debug)]
pub struct PauseOrder {
    pub scope: OrderScope,
    /// How long; `None`: until an operator resumes.
    pub lasts: Option<Duration>,
    pub reason: Option<Reason>,
}

impl PauseOrder {
    /// Which lanes, for how long and why, in words.
    pub fn in_words(&self) -> String {
        let lasts = self.lasts.map(humantime::format_duration);
        let lasts = lasts.map_or_else(String::new, |lasts| format!(", for {lasts}"));
        let why = why(self.reason.as_ref());
        format!("{}{lasts}{why}", self.scope)
    }

    /// The pause, how many contacts wait in it, and the pause that it replaced, for programs; `None`
    /// for the former: they could not be counted.
    pub fn json(&self, pending: Option<u64>, replaced: Option<&Pause>) -> serde_json::Value {
        let seconds = self.lasts.map(|lasts| lasts.as_secs_f64());
        json!({
            "paused": self.scope, "for_seconds": seconds, "pending": pending, "replaced": replaced,
        })
    }

    /// Puts the pause in force.
    pub async fn carry_out(
        &self,
        operations: &dyn Operations,
        action: &Action,
    ) -> Result<(), OutboxError> {
        let reason = by(action, self.reason.as_ref());
        operations
            .pause(&self.scope, &reason, self.lasts, action)
            .await
    }
}

/// Counts the pending contacts in a scope.
pub async fn pending_in(
    operations: &dyn Operations,
    scope: &OrderScope,
) -> Result<u64, OutboxError> {
    let (user_id, task_id) = match scope {
        OrderScope::All => (None, None),
        OrderScope::User(user) => (Some(user.clone()), None),
        OrderScope::Lane(lane) => (
            Some(lane.user_id().to_owned()),
            Some(lane.task_id().to_owned()),
        ),
    };
    let filter = PendingFilter {
        user_id,
        task_id,
        created_since: None,
    };
    let lanes = operations.count_pending(&filter).await?;
    Ok(lanes.iter().map(|lane| lane.contacts).sum())
}

/// The pauses that concern a scope.
#[derive(Debug, Default)]
pub struct Paused {
    /// The pauses that a resume of the scope ends.
    pub within: Vec<Pause>,
    /// The wider pauses, which keep the whole scope paused.
    pub wider: Vec<Pause>,
}

impl Paused {
    /// The pause of this very scope, which another one replaces.
    pub fn replaced(&self, scope: &OrderScope) -> Option<&Pause> {
        self.within.iter().find(|pause| pause.scope == *scope)
    }

    /// The pauses within a scope that are not its own: somebody paused a part of it.
    pub fn of_parts(&self, scope: &OrderScope) -> impl Iterator<Item = &Pause> {
        self.within
            .iter()
            .filter(move |pause| pause.scope != *scope)
    }

    /// Reads the pauses.
    pub async fn find(
        operations: &dyn Operations,
        scope: &OrderScope,
    ) -> Result<Self, OutboxError> {
        let mut found = Self::default();
        for pause in operations.pauses().await? {
            if is_within(&pause.scope, scope) {
                found.within.push(pause);
            } else if is_within(scope, &pause.scope) {
                found.wider.push(pause);
            }
        }
        Ok(found)
    }
}

/// The result of a resume.
#[derive(Debug)]
pub struct Resumption {
    pub ended: Resumed,
    /// The pauses that were in force within the scope before.
    pub pauses: Vec<Pause>,
    /// The wider pauses, which keep the whole scope paused.
    pub wider: Vec<Pause>,
}

impl Resumption {
    /// The scope and the result, for programs.
    pub fn json(&self, scope: &OrderScope) -> serde_json::Value {
        json!({
            "resumed": scope, "pauses_ended": self.ended.pauses, "holds_ended": self.ended.holds,
            "ended": self.pauses, "still_paused_by": self.wider,
        })
    }
}

/// Ends all pauses within a scope and has its lanes tried at once.
pub async fn resume(
    operations: &dyn Operations,
    scope: &OrderScope,
    action: &Action,
) -> Result<Resumption, OutboxError> {
    let before = Paused::find(operations, scope).await?;
    let ended = operations.resume(scope, action).await?;
    let paused = Paused::find(operations, scope).await?;
    Ok(Resumption {
        ended,
        pauses: before.within,
        wider: paused.wider,
    })
}

/// Whether the first scope is a part of the second, or the same.
fn is_within(part: &OrderScope, whole: &OrderScope) -> bool {
    match (part, whole) {
        (_, OrderScope::All) => true,
        (OrderScope::User(part), OrderScope::User(user)) => part == user,
        (OrderScope::Lane(part), _) => whole.covers(part),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::Lane;

    #[test]
    fn the_history_has_what_is_paused_for_how_long_and_why() {
        let mut order = PauseOrder {
            scope: OrderScope::All,
            lasts: Some(Duration::from_hours(2)),
            reason: Reason::read(" maintenance ").unwrap(),
        };
        assert_eq!(
            order.in_words(),
            format!("{}, for 2h: maintenance", OrderScope::All)
        );
        (order.lasts, order.reason) = (None, None);
        assert_eq!(order.in_words(), OrderScope::All.to_string());
    }

    #[test]
    fn a_lane_is_a_part_of_its_user_and_both_are_parts_of_all() {
        let user = |user: &str| OrderScope::User(user.into());
        let lane = |user, task| OrderScope::Lane(Lane::new(user, task).unwrap());
        for (part, whole, is_part) in [
            (OrderScope::All, OrderScope::All, true),
            (user("u"), OrderScope::All, true),
            (lane("u", "t"), OrderScope::All, true),
            (OrderScope::All, user("u"), false),
            (user("u"), user("u"), true),
            (user("u"), user("v"), false),
            (user("u"), lane("u", "t"), false),
            (lane("u", "t"), user("u"), true),
            (lane("u", "t"), user("v"), false),
            (lane("u", "t"), lane("u", "t"), true),
            (lane("u", "t"), lane("u", "x"), false),
        ] {
            assert_eq!(is_within(&part, &whole), is_part, "{part} in {whole}");
        }
    }
}
