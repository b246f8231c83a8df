//! How many connections a server allows, where it allows fewer than the pool may have.
//!
//! A pool below its size makes a new connection rather than wait for one that comes back. When the
//! server refuses more, the connections that there are count as a full pool: callers wait in line for
//! one of them. Once in a while one caller tries whether the server allows one more.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Mutex as Line, MutexGuard};
use tokio::time::Instant;

use crate::lock::lock;

/// How long the server is believed before one caller tries again.
const BELIEVED: Duration = Duration::from_mins(1);

/// What is known of one server. It says nothing until the server has refused a connection.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    /// How many connections are being made.
    growing: AtomicU32,
    known: Mutex<Option<Known>>,
    line: Line<()>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    most: u32,
    until: Instant,
}

/// A connection is being made, until this is dropped.
#[derive(Debug)]
pub(super) struct Growing(Arc<Allowance>);

impl Drop for Growing {
    fn drop(&mut self) {
        self.0.growing.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Allowance {
    pub(super) fn growing(self: &Arc<Self>) -> Growing {
        self.growing.fetch_add(1, Ordering::AcqRel);
        Growing(Arc::clone(self))
    }

    pub(super) fn is_growing(&self) -> bool {
        self.growing.load(Ordering::Acquire) > 0
    }

    /// Whether the server allowed no more than so many connections when it was asked last.
    pub(super) fn is_full(&self, size: u32) -> bool {
        lock(&self.known).is_some_and(|known| size >= known.most)
    }

    /// Whether the server allows no more than so many connections, as far as is known. When that was
    /// learned long ago, the first that asks may try. So nobody asks who finds an idle connection.
    pub(super) fn is_used_up(&self, size: u32) -> bool {
        let mut known = lock(&self.known);
        let Some(known) = known.as_mut().filter(|known| size >= known.most) else {
            return false;
        };
        let now = Instant::now();
        let is_believed = now < known.until;
        if !is_believed {
            known.until = now + BELIEVED;
        }
        is_believed
    }

    /// Waits for its turn to wait for a connection.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.line.lock().await
    }

    /// The server has refused a connection while the pool had so many, those counted that are being
    /// made. Returns how many are left to work with; `None`: none.
    pub(super) fn refused(&self, size: u32) -> Option<u32> {
        let most = size.saturating_sub(self.growing.load(Ordering::Acquire));
        let known = (most > 0).then(|| Known {
            most,
            until: Instant::now() + BELIEVED,
        });
        *lock(&self.known) = known;
        known.map(|known| known.most)
    }

    /// The server has allowed a connection, with which the pool has so many. If they are more than it
    /// allowed before, the next that asks may try, too.
    pub(super) fn allowed(&self, size: u32) {
        let there = size.saturating_sub(self.growing.load(Ordering::Acquire));
        if let Some(known) = lock(&self.known)
            .as_mut()
            .filter(|known| there > known.most)
        {
            known.most = there;
            known.until = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_refused_nothing_is_never_used_up() {
        let allowance = Arc::new(Allowance::default());
        let growing = allowance.growing();
        allowance.allowed(8);
        drop(growing);
        assert!(!allowance.is_used_up(8));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_connection_makes_those_that_there_are_a_full_pool() {
        let allowance = Arc::new(Allowance::default());
        // Three connections, and two that are being made beside the refused one.
        let growing = [allowance.growing(), allowance.growing()];
        assert_eq!(allowance.refused(5), Some(3));
        drop(growing);
        assert!(allowance.is_used_up(3));
        // One has broken: it may be made again.
        assert!(!allowance.is_used_up(2));
    }

    #[tokio::test(start_paused = true)]
    async fn once_in_a_while_a_single_caller_tries_for_more() {
        let allowance = Arc::new(Allowance::default());
        assert_eq!(allowance.refused(3), Some(3));
        tokio::time::advance(BELIEVED).await;
        assert!(allowance.is_full(3) && !allowance.is_full(2));
        assert!(!allowance.is_used_up(3), "looking at it is no try");
        assert!(allowance.is_used_up(3), "one tries, the others wait");
        allowance.allowed(4);
        assert!(!allowance.is_used_up(3));
        assert!(!allowance.is_used_up(4), "it allows more: the next tries");
        assert!(allowance.is_used_up(4), "one at a time");
    }

    #[test]
    fn without_any_connection_there_is_nothing_to_wait_for() {
        let allowance = Arc::new(Allowance::default());
        let growing = allowance.growing();
        assert_eq!(allowance.refused(1), None);
        drop(growing);
        assert!(!allowance.is_used_up(0));
    }
}
