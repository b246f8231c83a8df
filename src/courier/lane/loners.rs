//! Batches that fail by themselves, while others pass: most of them hold a single row.
//!
//! Each batch waits for its own time, so it holds up no other batch of its lane. The courier
//! remembers these times while the lane has no place.

use tokio::time::Instant;

use crate::courier::notes::Notes;
use crate::courier::underway::Underway;

#[derive(Default)]
pub(super) struct Loners(Vec<(Instant, Underway)>);

impl Loners {
    /// Lets a batch wait for its time.
    pub(super) fn put(&mut self, underway: Underway, resend_at: Instant, notes: &Notes) {
        underway.note(Some(resend_at), notes);
        self.0.push((resend_at, underway));
    }

    /// Takes out a batch whose time has come and that may go, if there is one. Of those that were turned away,
    /// one of which nothing is known goes first.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        may_go: impl Fn(&Underway) -> bool,
    ) -> Option<Underway> {
        let due = |(at, one): &(Instant, Underway)| *at <= now && may_go(one);
        let unknown =
            |waiting: &(Instant, Underway)| due(waiting) && waiting.1.failing.is_unexplained();
        let place = self.0.iter().position(unknown);
        let due = place.or_else(|| self.0.iter().position(due))?;
        Some(self.0.remove(due).1)
    }

    /// Takes all of them out.
    pub(super) fn take_all(&mut self) -> Vec<(Instant, Underway)> {
        std::mem::take(&mut self.0)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Underway> {
        self.0.iter_mut().map(|(_, underway)| underway)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Underway> {
        self.0.iter().map(|(_, underway)| underway)
    }

    /// Returns the first time that one waits for, and how often that one has failed.
    pub(super) fn first(&self) -> Option<(Instant, u32)> {
        let times = self.0.iter().map(|(at, one)| (*at, one.failing.times()));
        times.min()
    }
}
