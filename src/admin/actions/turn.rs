//! Work that goes on even if its client goes away, one at a time.

use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::lock::lock;

/// A turn: one piece of work at a time. Cheap to clone; the work ends with the last of the clones.
#[derive(Clone)]
pub(super) struct Turn {
    /// Free while nothing is under way.
    free: Arc<Semaphore>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Turn {
    pub(super) fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(1)),
            tasks: Arc::default(),
        }
    }

    /// Begins the work, and returns the channel of its result; `None`: other work is under way.
    pub(super) fn begin<T, F>(&self, work: F) -> Option<oneshot::Receiver<T>>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let (tell, told) = oneshot::channel();
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let result = work.await;
            drop(permit);
            // The client may be gone.
            tell.send(result).ok();
        });
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_any_longer_keeps_its_turn_until_it_ends() {
        let turn = Turn::new();
        let (end, ends) = oneshot::channel::<()>();
        let (over, is_over) = oneshot::channel();
        let told = turn.begin(async move {
            ends.await.ok();
            over.send(()).ok();
        });
        drop(told.unwrap());
        assert!(turn.begin(async {}).is_none());
        end.send(()).unwrap();
        is_over.await.unwrap();
        let next = turn.begin(async { 1 }).expect("it is over");
        assert_eq!(next.await, Ok(1));
        assert!(turn.begin(async {}).is_some());
    }
}
