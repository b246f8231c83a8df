//! How a connection is taken out of the pool, and what is done where the server allows fewer than the pool
//! may have.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{ConnectOptions, Error, Pool};
use tokio::sync::MutexGuard;
use tokio::time::{Instant, sleep, timeout};

use super::Servers;
use crate::outbox::allowance::Allowance;
use crate::outbox::error::{CONNECT_TIMEOUT, OutboxError};
use crate::outbox::network::{self, REFUSED_AGAIN};
use crate::outbox::server_kind::ServerKind;
use crate::telemetry::event::DatabaseAllowsFewer;

/// A new connection takes no longer, unless the server is slow or allows no more.
const USUAL: Duration = Duration::from_secs(1);

/// How long one more is waited for by who can do without. It is less than the pool itself waits: a pooler in
/// between may have no session for it, and says nothing.
const ONE_MORE: Duration = Duration::from_secs(4);

/// A server that takes no connection for so long is not there. One that restarts is back by then.
const SILENT: Duration = Duration::from_secs(30);

/// How often whoever is the next looks for a connection that came back.
const BACK_EVERY: Duration = Duration::from_millis(2);

impl<D: ServerKind> Servers<D> {
    /// Takes one of them out of the pool, waits for one, or makes one. When the server allows no more,
    /// one that comes back is waited for. The error is the server's, if it has refused one.
    pub(in crate::outbox) async fn acquire(&self) -> sqlx::Result<PoolConnection<D>> {
        let mut refused = None;
        let acquired = timeout(CONNECT_TIMEOUT, async {
            loop {
                match self.try_to_acquire().await {
                    Err(error) if D::allows_no_more(&error) => refused = Some(error),
                    // It was tried for one more. Those that there are have to do.
                    Err(Error::PoolTimedOut) if self.0.allowance().is_full(self.pool().size()) => {}
                    acquired => return acquired,
                }
            }
        });
        let acquired = acquired.await;
        acquired.unwrap_or_else(|_| Err(refused.unwrap_or(Error::PoolTimedOut)))
    }

    /// Takes one more beside one that the caller holds; `None`: there is none to be had, as when the
    /// server allows no more, or a pooler of sessions has none left.
    pub(in crate::outbox) async fn another(&self) -> sqlx::Result<Option<PoolConnection<D>>> {
        let (pool, allowance) = (self.pool(), self.0.allowance());
        if pool.num_idle() == 0 && allowance.is_used_up(pool.size()) {
            return Ok(None);
        }
        match timeout(ONE_MORE, self.try_to_acquire()).await {
            Ok(Err(error)) if D::allows_no_more(&error) => Ok(None),
            Ok(Err(Error::PoolTimedOut)) | Err(_) => {
                self.none_was_given(&pool, &allowance);
                Ok(None)
            }
            Ok(acquired) => acquired.map(Some),
        }
    }

    /// A server, or a pooler, has kept a connection waiting that was to be one more: those that there are
    /// have to do.
    fn none_was_given(&self, pool: &Pool<D>, allowance: &Allowance) {
        if let Some(most) = allowance.refused(pool.size()) {
            self.tell_of_fewer(most, &Error::PoolTimedOut);
        }
    }

    /// Lets something make a connection of its own and work on it, however long that takes, while the
    /// server is there. If it takes longer than usual, the server may allow no more connections: then
    /// those that nobody uses are closed.
    pub(in crate::outbox) async fn beside<T>(
        &self,
        making: impl Future<Output = Result<T, OutboxError>>,
    ) -> Result<T, OutboxError> {
        tokio::select! {
            biased;
            made = making => made,
            silent = self.silence() => Err(silent),
            never = self.make_room() => match never {},
        }
    }

    /// Ends when the server has been silent for long. A connection would not tell: its other end may have
    /// vanished.
    async fn silence(&self) -> OutboxError {
        let mut heard = Instant::now();
        loop {
            sleep(CONNECT_TIMEOUT).await;
            let options = self.options();
            match network::connect::<D>(&options, CONNECT_TIMEOUT).await {
                Err(silent @ OutboxError::Lost(_)) if heard.elapsed() > SILENT => return silent,
                Err(OutboxError::Lost(_)) => continue,
                Ok(session) => network::part(session).await,
                // It refuses the connection, so it is there.
                Err(_) => {}
            }
            heard = Instant::now();
        }
    }

    async fn make_room(&self) -> Infallible {
        loop {
            sleep(REFUSED_AGAIN).await;
            let pool = self.pool();
            self.kept().give_back();
            while let Some(idle) = pool.try_acquire() {
                idle.close().await.ok();
            }
        }
    }

    /// Fails with the server's words, after a moment, if the server allows no more connections.
    async fn try_to_acquire(&self) -> sqlx::Result<PoolConnection<D>> {
        let (pool, allowance) = (self.pool(), self.0.allowance());
        let turn = self.wait_for_return(&pool, &allowance).await;
        let acquired = tokio::select! {
            biased;
            acquired = self.grow(&pool, &allowance) => acquired,
            error = self.refusal(&pool, &allowance) => Err(error),
        };
        drop(turn);
        if let Err(error) = &acquired
            && D::allows_no_more(error)
        {
            sleep(REFUSED_AGAIN).await;
            if let Some(most) = allowance.refused(pool.size()) {
                self.tell_of_fewer(most, error);
            }
        }
        acquired
    }

    /// Takes a connection out of the pool or makes one, and again if the server refuses it: those that
    /// were closed a moment ago may still count there. Any other error is an outage. The pool reports only
    /// errors of connections that it makes.
    async fn grow(
        &self,
        pool: &Pool<D>,
        allowance: &Arc<Allowance>,
    ) -> sqlx::Result<PoolConnection<D>> {
        loop {
            let grows = pool.num_idle() == 0 && pool.size() < self.0.max_connections;
            let growing = grows.then(|| allowance.growing());
            // What it takes to make a connection is large. In a box it does not move with each caller.
            let acquiring = Box::pin(pool.acquire());
            let acquired = if grows && allowance.is_full(pool.size()) {
                // One is tried for beside those that have to do: nobody waits for it for long.
                let one_more = timeout(ONE_MORE, acquiring).await;
                one_more.unwrap_or(Err(Error::PoolTimedOut))
            } else {
                acquiring.await
            };
            drop(growing);
            match acquired {
                Err(error) if D::allows_no_more(&error) => sleep(REFUSED_AGAIN).await,
                Err(error @ (Error::PoolTimedOut | Error::PoolClosed)) => return Err(error),
                Err(error) => {
                    // Another server may let us in.
                    self.0.search();
                    let outage = D::translate(error).into_outage(&self.place());
                    return Err(network::told(outage));
                }
                acquired => {
                    if grows && acquired.is_ok() {
                        allowance.allowed(pool.size());
                    }
                    return acquired;
                }
            }
        }
    }

    /// Waits in line until a connection has come back, if the server allows no more.
    async fn wait_for_return<'a>(
        &self,
        pool: &Pool<D>,
        allowance: &'a Arc<Allowance>,
    ) -> Option<MutexGuard<'a, ()>> {
        let is_full = || {
            pool.size() < self.0.max_connections
                && allowance.is_full(pool.size())
                && Arc::ptr_eq(allowance, &self.0.allowance())
        };
        // Whoever comes now takes none that others wait for.
        if !is_full() {
            return None;
        }
        let turn = allowance.turn().await;
        while pool.num_idle() == 0 && is_full() && allowance.is_used_up(pool.size()) {
            self.kept().give_back();
            sleep(BACK_EVERY).await;
        }
        // Who tries for one more keeps nobody waiting.
        (pool.num_idle() > 0).then_some(turn)
    }

    /// Returns the server's words if it allows no more connections, else never. The pool itself tries
    /// again and again and says nothing.
    async fn refusal(&self, pool: &Pool<D>, allowance: &Allowance) -> Error {
        loop {
            sleep(USUAL).await;
            if pool.size() >= self.0.max_connections && !allowance.is_growing() {
                continue;
            }
            let options = self.options();
            let connecting = Box::pin(options.connect());
            match timeout(CONNECT_TIMEOUT, connecting).await {
                Ok(Err(error)) if D::allows_no_more(&error) => return error,
                Ok(Ok(session)) => network::part(session).await,
                _ => {}
            }
        }
    }

    fn tell_of_fewer(&self, most: u32, error: &Error) {
        if most < self.0.max_connections && !self.0.told_of_fewer.swap(true, Ordering::AcqRel) {
            DatabaseAllowsFewer {
                server: &self.place(),
                most,
                max_connections: self.0.max_connections,
                error: &error.to_string(),
            }
            .emit();
        }
    }
}
