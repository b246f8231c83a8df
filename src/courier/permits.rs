//! Permits: at most so many requests at once, a number that can change.

use std::sync::Mutex;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::lock::lock;

/// One permit per request that may be under way. Waiters get theirs in the order in which they
/// came.
#[derive(Debug)]
pub(super) struct Permits {
    free: Semaphore,
    count: Mutex<Count>,
}

#[derive(Debug)]
struct Count {
    /// How many there shall be.
    size: usize,
    /// Permits that were in use when the size shrank, and go out of use when they come back.
    surplus: usize,
}

/// The right to have one request under way.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    /// `None` only while it is dropped.
    permit: Option<SemaphorePermit<'a>>,
    permits: &'a Permits,
}

impl Permits {
    pub(super) fn new(size: usize) -> Self {
        Self {
            free: Semaphore::new(size),
            count: Mutex::new(Count { size, surplus: 0 }),
        }
    }

    pub(super) async fn acquire(&self) -> Permit<'_> {
        Permit {
            // The semaphore is never closed.
            permit: self.free.acquire().await.ok(),
            permits: self,
        }
    }

    /// Changes the number of permits. Requests under way go on, even if they are too many.
    pub(super) fn resize(&self, size: usize) {
        let mut count = lock(&self.count);
        let more = size.saturating_sub(count.size);
        let less = count.size.saturating_sub(size);
        count.size = size;
        // A permit that was to go out of use stays in place of a new one.
        let stay = more.min(count.surplus);
        self.free.add_permits(more - stay);
        let gone = self.free.forget_permits(less);
        count.surplus = count.surplus - stay + (less - gone);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut count = lock(&self.permits.count);
        if count.surplus > 0 {
            count.surplus -= 1;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Duration, timeout};

    async fn all(permits: &Permits) -> Vec<Permit<'_>> {
        let mut taken = Vec::new();
        while let Ok(permit) = timeout(Duration::ZERO, permits.acquire()).await {
            taken.push(permit);
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn those_under_way_go_out_of_use_when_they_come_back() {
        let permits = Permits::new(5);
        let mut taken = all(&permits).await;
        assert_eq!(taken.len(), 5);
        permits.resize(2);
        taken.truncate(2);
        assert_eq!(all(&permits).await.len(), 0, "three were too many");
        taken.truncate(1);
        assert_eq!(all(&permits).await.len(), 1);
        drop(taken);
        assert_eq!(all(&permits).await.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_one_when_there_are_more() {
        let permits = Permits::new(1);
        let taken = all(&permits).await;
        let (_second, ()) = tokio::join!(permits.acquire(), async { permits.resize(2) });
        drop(taken);
        assert_eq!(all(&permits).await.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn shrinking_and_growing_again_while_all_are_under_way_changes_nothing() {
        let permits = Permits::new(4);
        let taken = all(&permits).await;
        permits.resize(1);
        permits.resize(3);
        drop(taken);
        assert_eq!(all(&permits).await.len(), 3);
        permits.resize(6);
        assert_eq!(all(&permits).await.len(), 6);
    }
}
