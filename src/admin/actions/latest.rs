//! The long action that is under way, or the last one: its progress and its result. So its user can
//! leave the page and come back. Only the last one is kept.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::lock::lock;

/// The place of the last one. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Latest(Arc<Mutex<Option<LongAction>>>);

/// A long action.
#[derive(Debug)]
struct LongAction {
    /// Its number, counted from the start of the courier.
    id: u64,
    about: About,
    done: u64,
    began: Instant,
    /// Its result, and when it ended; `None`: it is under way.
    end: Option<(Instant, Result<Value, String>)>,
}

/// The facts about an action when it begins.
#[derive(Clone, Debug, Serialize)]
pub(super) struct About {
    pub(super) action: &'static str,
    pub(super) user: String,
    /// Which contacts, in the words of the history.
    pub(super) which: String,
    /// How many contacts were counted.
    pub(super) total: u64,
}

/// The state of the action, for the page.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    id: u64,
    #[serde(flatten)]
    about: About,
    /// How many contacts are done.
    done: u64,
    began_seconds_ago: f64,
    /// `None`: it is under way.
    ended_seconds_ago: Option<f64>,
    /// The answer to its request.
    result: Option<Value>,
    error: Option<String>,
}

impl Latest {
    /// Begins an action, which takes the place of the one before.
    pub(super) fn begin(&self, about: About) -> Going {
        let mut latest = lock(&self.0);
        let id = latest.as_ref().map_or(1, |last| last.id + 1);
        *latest = Some(LongAction {
            id,
            about,
            done: 0,
            began: Instant::now(),
            end: None,
        });
        let latest = self.clone();
        Going { latest, id }
    }

    pub(super) fn told(&self) -> Option<Told> {
        let latest = lock(&self.0);
        let latest = latest.as_ref()?;
        let ago = |at: &Instant| at.elapsed().as_secs_f64();
        let result = latest.end.as_ref().map(|(_, result)| result);
        Some(Told {
            id: latest.id,
            about: latest.about.clone(),
            done: latest.done,
            began_seconds_ago: ago(&latest.began),
            ended_seconds_ago: latest.end.as_ref().map(|(at, _)| ago(at)),
            result: result.and_then(|result| result.clone().ok()),
            error: result.and_then(|result| result.clone().err()),
        })
    }
}

/// Reports the progress of a long action. If it is dropped before the end, the action was broken
/// off.
#[derive(Debug)]
pub(super) struct Going {
    latest: Latest,
    id: u64,
}

impl Going {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Notes that so many more contacts are done.
    pub(super) fn advance(&self, more: u64) {
        self.with(|action| action.done += more);
    }

    /// Notes the end.
    pub(super) fn end(&self, result: Result<Value, String>) {
        self.with(|action| {
            if action.end.is_none() {
                action.end = Some((Instant::now(), result));
            }
        });
    }

    fn with(&self, change: impl FnOnce(&mut LongAction)) {
        let mut latest = lock(&self.latest.0);
        // Only one action is under way at a time, so it is this one.
        if let Some(action) = latest.as_mut().filter(|action| action.id == self.id) {
            change(action);
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.end(Err(BROKEN_OFF.into()));
    }
}

pub(super) const BROKEN_OFF: &str = "it was broken off; `history` tells how far it came";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn about(total: u64) -> About {
        About {
            action: "cancel",
            user: "anna".into(),
            which: "lane u/t".into(),
            total,
        }
    }

    fn told(latest: &Latest) -> Value {
        serde_json::to_value(latest.told()).unwrap()
    }

    #[test]
    fn the_last_one_is_told_with_how_far_it_is_and_what_became_of_it() {
        let latest = Latest::default();
        assert_eq!(told(&latest), Value::Null);
        let going = latest.begin(about(700));
        going.advance(500);
        let now = told(&latest);
        assert_eq!((&now["done"], &now["total"]), (&json!(500), &json!(700)));
        assert_eq!(now["ended_seconds_ago"], Value::Null);
        going.end(Ok(json!({"cancelled": 700})));
        drop(going);
        assert_eq!(told(&latest)["result"], json!({"cancelled": 700}));
        assert_eq!(told(&latest)["error"], Value::Null);

        let next = latest.begin(about(3));
        assert_eq!(
            (&told(&latest)["id"], &told(&latest)["done"]),
            (&json!(2), &json!(0))
        );
        drop(next);
        assert_eq!(told(&latest)["error"], BROKEN_OFF);
        assert!(told(&latest)["ended_seconds_ago"].is_number());
    }
}
