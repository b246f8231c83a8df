//! The servers of a database: which of them is used, and the connections to it.
//!
//! An address may name several servers of which one at a time takes writes. The one that does is
//! looked for in their order; whoever writes is connected to no other. It guarantees:
//!
//! - **No old connection after trouble.** When a call finds no server, or one that takes no writes,
//!   every connection made before is given up at once and without a goodbye: a server that has
//!   vanished would never answer it, and one that was demoted would go on refusing.
//! - **Nobody waits for the dead.** A connection that was idle is tried before it is used, within
//!   [`CHECK_WITHIN`], and one that fails condemns all others of its age.
//! - **No busy loop.** One search at a time, with a rest after each round.
//! - **Fewer connections will do.** A server that allows fewer than the pool may have is worked with by
//!   those that it allows: see [`Allowance`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Duration;

use sqlx::pool::{MaybePoolConnection, PoolConnectionMetadata};
use sqlx::{Connection, Error, Pool, SqlSafeStr, Transaction};
use tokio::time::{Instant, timeout};

use super::allowance::Allowance;
use super::error::{CONNECT_TIMEOUT, OutboxError};
use super::kept::{Held, Kept};
use super::server_kind::{Options, ServerKind};
use super::to_its_end::to_its_end;
use crate::address::{Address, Renew};
use crate::lock::lock;

use crate::telemetry::event::{DatabaseAddressChanged, DatabaseMoved};

mod acquiring;
mod host;

pub use self::host::Access;
use self::host::{Host, find};

/// A connection that was used this lately is taken for good, and so is a server that has lately
/// taken writes.
const FRESH: Duration = Duration::from_secs(1);

/// A server that answers does so within this time, when all that it is asked is how it is.
const CHECK_WITHIN: Duration = Duration::from_secs(2);

/// How often the files that an address comes from are looked at for a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// After a round in which no server was found that would do.
const REST: Duration = Duration::from_secs(1);

/// The servers of one address, and the connections to the one that is used now.
#[derive(Debug)]
pub(super) struct Servers<D: ServerKind>(Arc<Shared<D>>);

impl<D: ServerKind> Clone for Servers<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Shared<D: ServerKind> {
    /// Their number and places never change.
    hosts: RwLock<Vec<Host<D>>>,
    access: Access,
    context: D::Context,
    max_connections: u32,
    present: RwLock<Present<D>>,
    searching: AtomicBool,
    /// Why the server that is used now would not do when it was asked last.
    refusal: Mutex<Option<String>>,
    /// When it was asked last and would do.
    checked: Mutex<Instant>,
    /// Whether it was told that a server allows fewer connections than are set.
    told_of_fewer: AtomicBool,
}

/// The server that is used now.
#[derive(Debug)]
struct Present<D: ServerKind> {
    host: usize,
    pool: Pool<D>,
    kept: Kept<D>,
    allowance: Arc<Allowance>,
    /// All connections of the pool were made after this.
    since: Instant,
}

impl<D: ServerKind> Present<D> {
    fn new(host: usize, pool: Pool<D>) -> Self {
        Self {
            host,
            kept: Kept::new(pool.clone()),
            pool,
            allowance: Arc::default(),
            since: Instant::now(),
        }
    }
}

/// Servers of which one was found that will do.
#[derive(Debug)]
pub(super) struct Found<D: ServerKind> {
    hosts: Vec<Host<D>>,
    at: usize,
    access: Access,
    context: D::Context,
}

impl<D: ServerKind> Found<D> {
    /// Finds the first of the servers that will do; fails within seconds for each that cannot be
    /// reached.
    pub(super) async fn find(
        hosts: Vec<Options<D>>,
        access: Access,
        context: D::Context,
    ) -> Result<Self, OutboxError> {
        let host = |options| Host {
            place: D::place(&options),
            options,
        };
        let hosts: Vec<Host<D>> = hosts.into_iter().map(host).collect();
        let at = find(&hosts, 0, access, &context).await?;
        Ok(Self {
            hosts,
            at,
            access,
            context,
        })
    }

    /// How to connect to the one that was found.
    pub(super) fn options(&self) -> &Options<D> {
        &self.hosts[self.at].options
    }

    /// Changes how to connect to each of them.
    pub(super) fn adapted(mut self, adapt: impl Fn(Options<D>) -> Options<D>) -> Self {
        for host in &mut self.hosts {
            host.options = adapt(host.options.clone());
        }
        self
    }

    /// The servers in use, with so many connections at most.
    pub(super) fn used(self, max_connections: u32) -> Servers<D> {
        let Self {
            hosts,
            at,
            access,
            context,
        } = self;
        Servers(Arc::new_cyclic(|shared| Shared {
            present: RwLock::new(Present::new(
                at,
                pool(&hosts[at].options, max_connections, shared),
            )),
            hosts: RwLock::new(hosts),
            access,
            context,
            max_connections,
            searching: AtomicBool::new(false),
            refusal: Mutex::default(),
            checked: Mutex::new(Instant::now()),
            told_of_fewer: AtomicBool::new(false),
        }))
    }
}

impl<D: ServerKind> Servers<D> {
    /// The connections to the server that is used now.
    fn pool(&self) -> Pool<D> {
        self.0.read(|present| {
            present.kept.give_way();
            present.pool.clone()
        })
    }

    /// Begins a transaction on one of them. It is begun to its end even if the caller goes away: the
    /// driver takes a session for free whose BEGIN was broken off. What is written on it later as a
    /// single statement would not be committed, and would keep its rows locked.
    pub(super) async fn begin_with(
        &self,
        begin: &'static str,
    ) -> sqlx::Result<Transaction<'static, D>> {
        let session = MaybePoolConnection::PoolConnection(self.acquire().await?);
        to_its_end(Transaction::begin(session, Some(begin.into_sql_str()))).await
    }

    /// Takes the one that is kept at hand, or another one.
    pub(super) async fn take(&self) -> sqlx::Result<Held<D>> {
        let kept = self.kept();
        let held = match kept.take() {
            Some(held) => held,
            // A question that finds one does not carry what it would take to make one.
            None => Held::new(Box::pin(self.acquire()).await?),
        };
        Ok(held.with_place(kept))
    }

    fn kept(&self) -> Kept<D> {
        self.0.read(|present| present.kept.clone())
    }

    /// Closes all of them; what is under way is finished first.
    pub(super) async fn close(&self) {
        let pool = self.pool();
        let closing = pool.close();
        self.kept().give_back();
        closing.await;
    }

    /// How to make another connection to it.
    pub(super) fn options(&self) -> Options<D> {
        self.0.host(|host| host.options.clone())
    }

    /// Where it is.
    pub(super) fn place(&self) -> String {
        self.0.host(|host| host.place.clone())
    }

    /// Takes over what changes in the files that the address comes from, for new connections; `options`
    /// makes those of each server out of an address. Ends with the servers.
    pub(super) fn follow(
        &self,
        renew: Arc<dyn Renew>,
        options: impl Fn(&Address) -> Result<Vec<Options<D>>, OutboxError> + Send + 'static,
    ) {
        let shared = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                let renewed = match renew.renewed() {
                    None => continue,
                    Some(Ok(address)) => options(&address).map_err(|error| error.to_string()),
                    Some(Err(why)) => Err(why),
                };
                let why = match renewed.map(|options| shared.renew(options)) {
                    Ok(true) => None,
                    Ok(false) => Some("it is another database now, which takes a restart".into()),
                    Err(why) => Some(why),
                };
                DatabaseAddressChanged {
                    why: why.as_deref(),
                }
                .emit();
            }
        });
    }

    /// How many connections there are at most.
    pub(super) fn max_connections(&self) -> u32 {
        self.0.max_connections
    }

    /// A call that began then has failed. If the connection is to blame, those made before are given
    /// up, and where there are several servers they are searched for one that will do. Returns the
    /// error in words that say which server it was.
    pub(super) fn failed(&self, began: Instant, error: OutboxError) -> OutboxError {
        let place = self.place();
        let refusal = lock(&self.0.refusal).clone();
        let told = match error {
            OutboxError::Lost(_) | OutboxError::NoConnection if refusal.is_some() => {
                OutboxError::ReadOnly(refusal.unwrap_or_default())
            }
            OutboxError::NoConnection => OutboxError::Lost(format!("no connection to {place}")),
            OutboxError::Lost(why) => OutboxError::Lost(format!("{why} ({place})")),
            OutboxError::ReadOnly(why) => OutboxError::ReadOnly(format!("{why} ({place})")),
            OutboxError::Untrusted(why) => OutboxError::Untrusted(format!("{why} ({place})")),
            other => return other,
        };
        self.0.give_up(began);
        told
    }
}

impl<D: ServerKind> Shared<D> {
    fn read<T>(&self, look: impl FnOnce(&Present<D>) -> T) -> T {
        // The value is replaced whole, so a panic elsewhere cannot have left it half written.
        look(&self.present.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn allowance(&self) -> Arc<Allowance> {
        self.read(|present| Arc::clone(&present.allowance))
    }

    /// Returns a part of what is known about the server in use.
    fn host<T>(&self, part: impl FnOnce(&Host<D>) -> T) -> T {
        let at = self.read(|present| present.host);
        part(&self.known()[at])
    }

    fn known(&self) -> RwLockReadGuard<'_, Vec<Host<D>>> {
        // As above.
        self.hosts.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects by these options from now on; the connections there are stay. Returns `false` if they
    /// are of other servers or databases: a courier does not move.
    fn renew(&self, options: Vec<Options<D>>) -> bool {
        let same = |(host, new): (&Host<D>, &Options<D>)| {
            host.place == D::place(new) && D::database(&host.options) == D::database(new)
        };
        // Whoever changes the server locks what is present first, and then these: they are let go of here.
        let hosts = {
            let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
            if hosts.len() != options.len() || !hosts.iter().zip(&options).all(same) {
                return false;
            }
            for (host, options) in hosts.iter_mut().zip(options) {
                host.options = options;
            }
            hosts.clone()
        };
        self.read(|present| {
            let options = hosts[present.host].options.clone();
            present.pool.set_connect_options(options);
        });
        true
    }

    /// Gives up all connections that were made before `began`, and looks for another server.
    fn give_up(self: &Arc<Self>, began: Instant) {
        // What is known about the server may be over.
        *lock(&self.refusal) = None;
        self.change(self.read(|present| present.host), began);
        self.search();
    }

    /// Uses a server from now on, with new connections, unless those there are newer than `began`.
    fn change(self: &Arc<Self>, host: usize, began: Instant) {
        let mut present = self.present.write().unwrap_or_else(PoisonError::into_inner);
        if present.since > began && present.host == host {
            return;
        }
        let options = self.known()[host].options.clone();
        let pool = pool(&options, self.max_connections, &Arc::downgrade(self));
        let new = Present::new(host, pool);
        let old = std::mem::replace(&mut *present, new);
        drop(present);
        // Whoever is about to connect there finds the other one.
        old.pool.set_connect_options(options);
        old.kept.give_up();
        while let Some(idle) = old.pool.try_acquire() {
            drop(idle.detach());
        }
        // What is under way ends as it will; the pool goes with the last that uses it.
    }

    /// Looks for a server that will do, until there is one, if there is a choice.
    fn search(self: &Arc<Self>) {
        if self.known().len() < 2 || self.searching.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(shared) = shared.upgrade() {
                let began = Instant::now();
                let from = shared.read(|present| present.host);
                let hosts = shared.known().clone();
                if let Ok(host) = find(&hosts, from, shared.access, &shared.context).await {
                    if host != from {
                        shared.change(host, began);
                        let (from, to) = (&hosts[from].place, &hosts[host].place);
                        DatabaseMoved { from, to }.emit();
                    }
                    shared.searching.store(false, Ordering::Release);
                    return;
                }
                drop(shared);
                tokio::time::sleep(REST).await;
            }
        });
    }

    /// A connection was made: it may be to another server than the last one, whatever its name.
    async fn made(self: &Arc<Self>, session: &mut D::Connection) -> sqlx::Result<()> {
        D::prepare(session, &self.context).await?;
        self.check(session).await
    }

    /// A connection is about to be used.
    async fn is_good(
        self: &Arc<Self>,
        session: &mut D::Connection,
        connection: PoolConnectionMetadata,
    ) -> sqlx::Result<bool> {
        let began = Instant::now();
        let checked = *lock(&self.checked);
        if connection.idle_for < FRESH && began.duration_since(checked) < FRESH {
            return Ok(true);
        }
        let checked = within(CHECK_WITHIN, self.check(session)).await;
        if checked.is_err() {
            self.change(self.read(|present| present.host), began);
            self.search();
        }
        checked.map(|()| true)
    }

    /// Fails if the server will not do, or the connection is broken.
    async fn check(self: &Arc<Self>, session: &mut D::Connection) -> sqlx::Result<()> {
        if self.access == Access::Read {
            return session.ping().await;
        }
        let refusal = D::refuses_writes(session).await?;
        if let Some(why) = refusal {
            let why = self.host(|host| format!("{} {why}", host.place));
            *lock(&self.refusal) = Some(why.clone());
            self.search();
            return Err(Error::Configuration(why.into()));
        }
        *lock(&self.refusal) = None;
        *lock(&self.checked) = Instant::now();
        Ok(())
    }
}

/// Limits the time that a server has for its answer.
async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    let answer = timeout(limit, answer).await;
    answer.unwrap_or_else(|_| Err(Error::Io(std::io::ErrorKind::TimedOut.into())))
}

/// A pool whose connections are all good ones.
fn pool<D: ServerKind>(options: &Options<D>, max: u32, shared: &Weak<Shared<D>>) -> Pool<D> {
    let (made, used) = (Weak::clone(shared), Weak::clone(shared));
    D::pool_options()
        .max_connections(max.max(1))
        .acquire_timeout(CONNECT_TIMEOUT)
        // The driver's own test has no limit of time.
        .test_before_acquire(false)
        .after_connect(move |session, _| {
            let shared = made.upgrade();
            Box::pin(async move {
                match shared {
                    Some(shared) => shared.made(session).await,
                    None => Err(Error::PoolClosed),
                }
            })
        })
        .before_acquire(move |session, connection| {
            let shared = used.upgrade();
            Box::pin(async move {
                match shared {
                    Some(shared) => shared.is_good(session, connection).await,
                    None => Err(Error::PoolClosed),
                }
            })
        })
        // A call that was given up has left its answer on the way. The driver would wait for it without a
        // limit, with one of the pool's places in its hands.
        .after_release(|session, _| {
            Box::pin(async move {
                let answer = within(CONNECT_TIMEOUT, session.flush()).await;
                answer.map(|()| true)
            })
        })
        .connect_lazy_with(options.clone())
}
