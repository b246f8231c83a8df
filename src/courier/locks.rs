//! The lanes that wait for locks of other sessions, for people: only the courier itself knows them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::contact::{ContactId, Lane};
use crate::lock::lock;
use crate::outbox::LockedLane;

/// The most lanes that are reported one by one.
const MOST_REPORTED: usize = 30;

/// A lane that was put back because of a lock is tried again within this time, unless it is the turn
/// of others.
const BACK_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Locks {
    lanes: Mutex<HashMap<Lane, Waits>>,
    news: Notify,
}

/// How a lane waits.
#[derive(Clone, Copy, Debug)]
struct Waits {
    since: Instant,
    /// One of the contacts whose rows are locked, if that is known.
    contact: Option<ContactId>,
    /// The number of contacts that wait.
    contacts: usize,
    /// The lane is not at work. Without another note by then, nobody knows.
    until: Option<Instant>,
}

impl Locks {
    /// Notes that so many contacts of a lane at work wait for a lock, perhaps of this contact's row.
    pub(super) fn keep(&self, lane: &Lane, contact: Option<ContactId>, contacts: usize) {
        self.note(lane, (contact, contacts), None);
    }

    /// Notes the same of a lane that was put back because of it.
    pub(super) fn keep_back(&self, lane: &Lane, contact: Option<ContactId>, contacts: usize) {
        let until = Instant::now() + BACK_WITHIN;
        self.note(lane, (contact, contacts), Some(until));
    }

    /// Notes that a lane does not wait any more.
    pub(super) fn free(&self, lane: &Lane) {
        if lock(&self.lanes).remove(lane).is_some() {
            self.news.notify_one();
        }
    }

    /// Waits for news that people wait for.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Returns the lanes that wait, the longest waiting first, up to a bound, and how many more there
    /// are.
    pub(super) fn report(&self, now: Instant) -> (Vec<LockedLane>, usize) {
        let mut lanes = lock(&self.lanes);
        lanes.retain(|_, waits| waits.until.is_none_or(|until| now < until));
        let mut waiting: Vec<(&Lane, &Waits)> = lanes.iter().collect();
        waiting.sort_by_key(|(_, waits)| waits.since);
        let more = waiting.len().saturating_sub(MOST_REPORTED);
        let told = waiting.into_iter().take(MOST_REPORTED);
        let told = told.map(|(lane, waits)| LockedLane {
            user_id: lane.user_id().to_owned(),
            task_id: lane.task_id().to_owned(),
            contact_id: waits.contact,
            contacts: waits.contacts as u64,
            waited_seconds: now.saturating_duration_since(waits.since).as_secs_f64(),
        });
        (told.collect(), more)
    }

    fn note(
        &self,
        lane: &Lane,
        (contact, contacts): (Option<ContactId>, usize),
        until: Option<Instant>,
    ) {
        let now = Instant::now();
        let mut lanes = lock(&self.lanes);
        let known = lanes.get(lane).copied();
        let waits = Waits {
            since: known.map_or(now, |known| known.since),
            contact,
            contacts,
            until,
        };
        lanes.insert(lane.clone(), waits);
        if known.is_none_or(|known| (known.contact, known.contacts) != (contact, contacts)) {
            self.news.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(task: &str) -> Lane {
        Lane::new("u", task).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_is_told_from_its_first_note_until_it_is_free() {
        let locks = Locks::default();
        locks.keep(&lane("t"), None, 100);
        tokio::time::advance(Duration::from_secs(5)).await;
        locks.keep(&lane("t"), Some(ContactId(7)), 100);
        let told = LockedLane {
            user_id: "u".into(),
            task_id: "t".into(),
            contact_id: Some(ContactId(7)),
            contacts: 100,
            waited_seconds: 5.0,
        };
        assert_eq!(locks.report(Instant::now()), (vec![told], 0));
        locks.free(&lane("t"));
        assert_eq!(locks.report(Instant::now()), (Vec::new(), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_was_put_back_is_told_while_it_is_tried_again_and_again() {
        let locks = Locks::default();
        let is_told = || !locks.report(Instant::now()).0.is_empty();
        for _ in 0..3 {
            locks.keep_back(&lane("t"), None, 1);
            tokio::time::advance(BACK_WITHIN / 2).await;
            assert!(is_told());
        }
        tokio::time::advance(BACK_WITHIN / 2).await;
        assert!(!is_told());
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_lanes_those_are_told_that_wait_the_longest() {
        let locks = Locks::default();
        for nth in 0..MOST_REPORTED + 2 {
            locks.keep(&lane(&nth.to_string()), None, 1);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let (told, more) = locks.report(Instant::now());
        assert_eq!((told.len(), more), (MOST_REPORTED, 2));
        assert_eq!(told[0].task_id, "0");
    }
}
