//! The search for lanes with work: once around all of them, until enough are found.
//!
//! A search goes on where the last one stopped. After some lanes of a user with many, it goes on to
//! the next user, so that one user's lanes do not hide another's. It remembers where it left the
//! first user.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::context::Context;
use crate::contact::Lane;
use crate::outbox::{LaneFound, LaneQuery, OutboxError};

/// Searches take at most one part in this many of the time.
pub(super) const SEARCH_SHARE: u32 = 5;

/// At most this many lanes are asked for at once.
const LARGEST_STEP: u32 = 1_024;

/// At most this many users with many lanes are remembered.
const MOST_USERS: usize = 1_000;

pub(super) struct Search {
    instance: Uuid,
    /// The lane behind which the next search begins.
    position: Option<Lane>,
    /// Where a search left each user's lanes to go on with another user's.
    left_at: HashMap<Arc<str>, Lane>,
}

/// The result of a search.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Lanes that may be put to work now, each once.
    pub(super) ripe: Vec<Lane>,
    /// The time until the next lingering lane is ripe.
    pub(super) ripe_in: Option<Duration>,
    seen: HashSet<Lane>,
    enough: usize,
}

impl Search {
    /// Begins at the first lane.
    pub(super) fn new(instance: Uuid) -> Self {
        Self {
            instance,
            position: None,
            left_at: HashMap::new(),
        }
    }

    /// Goes once around, or until it has found `enough` lanes that may start.
    pub(super) async fn around(
        &mut self,
        context: &Context,
        enough: usize,
        may_start: impl Fn(&Lane) -> bool,
    ) -> Result<Found, OutboxError> {
        let mut found = Found::new(enough);
        let left = self.over_users(context, &mut found, &may_start).await?;
        for from in left {
            let left = self.inside_user(context, from, &mut found, &may_start);
            let left = left.await?;
            if self.left_at.len() >= MOST_USERS {
                self.left_at.clear();
            }
            self.left_at.insert(left.user_id().into(), left);
        }
        Ok(found)
    }

    /// Goes from user to user. Returns where to go on inside the users with many lanes.
    async fn over_users(
        &mut self,
        context: &Context,
        found: &mut Found,
        may_start: &impl Fn(&Lane) -> bool,
    ) -> Result<Vec<Lane>, OutboxError> {
        let begun_at = self.position.take();
        let (mut behind, mut is_around) = (begun_at.clone(), begun_at.is_none());
        let (mut left, mut limit) = (Vec::new(), found.step());
        loop {
            let mut lanes = self.step(context, behind.as_ref(), limit).await?;
            let last = lanes.last().map(|found| found.lane.clone());
            let last = last.filter(|_| lanes.len() >= limit as usize);
            let next = last.map(|last| {
                let ours = |found: &&LaneFound| found.lane.user_id() == last.user_id();
                if lanes.iter().rev().take_while(ours).count() * 2 <= lanes.len() {
                    return last;
                }
                if let Some(from) = self.left_at.remove(last.user_id()) {
                    lanes.retain(|found| found.lane.user_id() != last.user_id());
                    left.push(from);
                } else {
                    left.push(last.clone());
                }
                last.behind_its_user()
            });
            found.take(lanes, may_start);
            let is_again =
                |next: &Lane| is_around && begun_at.as_ref().is_some_and(|at| next >= at);
            match next.filter(|next| !is_again(next)) {
                Some(next) if found.is_enough() => {
                    self.position = Some(next);
                    return Ok(left);
                }
                Some(next) => behind = Some(next),
                None if is_around => return Ok(left),
                None => (behind, is_around) = (None, true),
            }
            limit = (limit * 2).min(LARGEST_STEP);
        }
    }

    /// Goes over the lanes of one user, once around from this lane on. Returns where it stopped.
    async fn inside_user(
        &self,
        context: &Context,
        from: Lane,
        found: &mut Found,
        may_start: &impl Fn(&Lane) -> bool,
    ) -> Result<Lane, OutboxError> {
        let (mut behind, mut is_around, mut limit) = (from.clone(), false, found.step());
        while !found.is_enough() {
            let mut lanes = self.step(context, Some(&behind), limit).await?;
            lanes.retain(|found| found.lane.user_id() == from.user_id());
            let is_end = lanes.len() < limit as usize;
            let last = lanes.last().map(|found| found.lane.clone());
            found.take(lanes, may_start);
            behind = match last {
                Some(last) if is_around && last >= from => return Ok(from),
                Some(last) if !is_end => last,
                _ if is_around => return Ok(from),
                _ => {
                    is_around = true;
                    from.before_its_user()
                }
            };
            limit = (limit * 2).min(LARGEST_STEP);
        }
        Ok(behind)
    }

    async fn step(
        &self,
        context: &Context,
        behind: Option<&Lane>,
        limit: u32,
    ) -> Result<Vec<LaneFound>, OutboxError> {
        let tuning = context.tuning();
        let query = LaneQuery {
            instance: self.instance,
            after: behind.cloned(),
            limit,
            linger: context.linger(),
            batch_size: u32::try_from(tuning.batch_size).unwrap_or(u32::MAX),
            horizon: context.poll_interval * 2,
        };
        context.outbox.find_lanes(&query).await
    }
}

impl Found {
    fn new(enough: usize) -> Self {
        Self {
            enough,
            ..Self::default()
        }
    }

    fn is_enough(&self) -> bool {
        self.ripe.len() >= self.enough
    }

    /// Returns how many lanes to ask for at first.
    fn step(&self) -> u32 {
        u32::try_from(self.enough).map_or(LARGEST_STEP, |step| step.clamp(1, LARGEST_STEP))
    }

    fn take(&mut self, lanes: Vec<LaneFound>, may_start: &impl Fn(&Lane) -> bool) {
        for LaneFound { lane, ripe_in } in lanes {
            if !self.seen.insert(lane.clone()) || !may_start(&lane) {
                continue;
            }
            if ripe_in.is_zero() {
                self.ripe.push(lane);
            } else {
                self.ripe_in = Some(self.ripe_in.map_or(ripe_in, |least| least.min(ripe_in)));
            }
        }
    }
}
