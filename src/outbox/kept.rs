//! A session that is kept at hand for questions that are asked all the time.
//!
//! Taking a session out of its pool and giving it back costs more than such a question: the pool
//! checks each session that comes back by asking the server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};
use tokio::time::Instant;

use crate::lock::lock;

/// No session is kept for longer than this, nor for questions that are further apart.
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
    /// Where to put it after the question.
    place: Option<Kept<Db>>,
}

impl<Db: Database> Held<Db> {
    /// A session that goes back to its pool after the question.
    pub(super) fn new(session: PoolConnection<Db>) -> Self {
        Self {
            session,
            since: Instant::now(),
            place: None,
        }
    }

    /// The same, to be kept at hand in a place of the same pool.
    pub(super) fn with_place(self, place: Kept<Db>) -> Self {
        Self {
            place: Some(place),
            ..self
        }
    }

    /// Keeps the session at hand after a question that was answered.
    pub(super) fn keep(mut self) {
        if let Some(place) = self.place.take() {
            place.put(self);
        }
    }
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

    /// Takes out the kept session, unless it was kept for too long.
    pub(super) fn take(&self) -> Option<Held<Db>> {
        let held = lock(&self.place).held.take();
        held.filter(|held| held.since.elapsed() < LONGEST)
    }

    /// Keeps the session for the next question, if that comes soon and nobody else may want the
    /// session.
    fn put(&self, held: Held<Db>) {
        let now = Instant::now();
        let mut place = lock(&self.place);
        let asked = place.asked.replace(now);
        let comes_soon = asked.is_some_and(|asked| now - asked < LONGEST);
        if comes_soon && self.is_spare() && !self.pool.is_closed() {
            place.held = Some(held);
        }
    }

    /// Gives the session back if another caller would have to wait for one now.
    pub(super) fn give_way(&self) {
        if !self.is_spare() {
            self.give_back();
        }
    }

    pub(super) fn give_back(&self) {
        drop(lock(&self.place).held.take());
    }

    /// Drops the connection without closing it in order.
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
