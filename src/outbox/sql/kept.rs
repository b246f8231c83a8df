//! A session that is kept at hand for a question that is asked all the time.
//!
//! To take a session out of its pool and to give it back costs more than such a question: the pool
//! sends each one that comes back over to the server and waits for it, to see that it is still good.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool, Result};
use tokio::time::Instant;

use crate::lock::lock;

/// After so long the pool has a look at it, and after so long without a question it is closed.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// The place of the session that is kept. Clones share it.
#[derive(Debug)]
pub(in crate::outbox) struct Kept<Db: Database>(Arc<Mutex<Option<Held<Db>>>>);

/// The session while a question is asked. Whoever drops it gives it back to the pool.
#[derive(Debug)]
pub(in crate::outbox) struct Held<Db: Database> {
    pub(super) session: PoolConnection<Db>,
    since: Instant,
    asked: Instant,
}

impl<Db: Database> Kept<Db> {
    /// Takes the session out, or one of the pool's.
    pub(super) async fn take(&self, pool: &Pool<Db>) -> Result<Held<Db>> {
        let kept = lock(&self.0).take();
        let now = Instant::now();
        if let Some(mut held) = kept {
            if now - held.asked >= KEPT_FOR {
                // The server may have closed its end.
                held.session.close_on_drop();
            } else if now - held.since < KEPT_FOR {
                held.asked = now;
                return Ok(held);
            }
        }
        Ok(Held {
            session: pool.acquire().await?,
            since: now,
            asked: now,
        })
    }

    /// Keeps the session for the next question, unless others may wait for one.
    pub(super) fn put(&self, held: Held<Db>, pool: &Pool<Db>) {
        if pool.num_idle() > 0 || pool.size() < pool.options().get_max_connections() {
            *lock(&self.0) = Some(held);
        }
    }

    /// Gives it back to its pool.
    pub(in crate::outbox) fn give_back(&self) {
        drop(lock(&self.0).take());
    }
}

impl<Db: Database> Clone for Kept<Db> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Db: Database> Default for Kept<Db> {
    fn default() -> Self {
        Self(Arc::default())
    }
}
