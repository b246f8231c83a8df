//! A session that is kept at hand for a question that is asked all the time.
//!
//! To take a session out of its pool and to give it back costs more than such a question: the pool
//! asks the server about each session that comes back, to see that it is still good.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool, Result};
use tokio::time::Instant;

use crate::lock::lock;

/// Longer than this no session is kept, nor one for questions that are further apart.
const LONGEST: Duration = Duration::from_secs(1);

/// The place for one session of a pool. Clones share it.
#[derive(Debug)]
pub(super) struct Kept<Db: Database> {
    pool: Pool<Db>,
    place: Arc<Mutex<Place<Db>>>,
}

#[derive(Debug)]
struct Place<Db: Database> {
    held: Option<Held<Db>>,
    asked: Option<Instant>,
}

/// The session while a question is asked. Dropping it gives it back to its pool.
#[derive(Debug)]
pub(super) struct Held<Db: Database> {
    pub(super) session: PoolConnection<Db>,
    since: Instant,
}

impl<Db: Database> Kept<Db> {
    /// A place without a session.
    pub(super) fn new(pool: Pool<Db>) -> Self {
        let place = Place {
            held: None,
            asked: None,
        };
        Self {
            pool,
            place: Arc::new(Mutex::new(place)),
        }
    }

    /// Takes out the session, or a new one of the pool's.
    pub(super) async fn take(&self) -> Result<Held<Db>> {
        let held = lock(&self.place).held.take();
        if let Some(held) = held
            && held.since.elapsed() < LONGEST
        {
            return Ok(held);
        }
        Ok(Held {
            session: self.pool.acquire().await?,
            since: Instant::now(),
        })
    }

    /// Keeps the session for the next question, if that comes soon and nobody else may want it.
    pub(super) fn put(&self, held: Held<Db>) {
        let now = Instant::now();
        let mut place = lock(&self.place);
        let asked = place.asked.replace(now);
        let comes_soon = asked.is_some_and(|asked| now - asked < LONGEST);
        if comes_soon && self.is_spare() && !self.pool.is_closed() {
            place.held = Some(held);
        }
    }

    /// Gives the session back if somebody who comes now would have to wait.
    pub(super) fn give_way(&self) {
        if !self.is_spare() {
            self.give_back();
        }
    }

    pub(super) fn give_back(&self) {
        drop(lock(&self.place).held.take());
    }

    /// Gives the session up without a goodbye.
    pub(super) fn give_up(&self) {
        if let Some(held) = lock(&self.place).held.take() {
            drop(held.session.detach());
        }
    }

    fn is_spare(&self) -> bool {
        let most = self.pool.options().get_max_connections();
        self.pool.num_idle() > 0 || self.pool.size() < most
    }
}

impl<Db: Database> Clone for Kept<Db> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            place: Arc::clone(&self.place),
        }
    }
}
