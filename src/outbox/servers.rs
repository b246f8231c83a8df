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

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Duration;

use sqlx::pool::{MaybePoolConnection, PoolConnection, PoolConnectionMetadata};
use sqlx::{ConnectOptions, Connection, Error, Pool, SqlSafeStr, Transaction};
use tokio::sync::MutexGuard;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::allowance::Allowance;
use super::error::{CONNECT_TIMEOUT, OutboxError};
use super::kept::{Held, Kept};
use super::network::{self, REFUSED_AGAIN};
use super::server_kind::{Options, ServerKind};
use crate::address::{Address, Renew};
use crate::lock::lock;
use crate::telemetry::event::{DatabaseAddressChanged, DatabaseAllowsFewer, DatabaseMoved};

/// A connection that was used this lately is taken for good, and so is a server that has lately
/// taken writes.
const FRESH: Duration = Duration::from_secs(1);

/// A server that answers does so within this time, when all that it is asked is how it is.
const CHECK_WITHIN: Duration = Duration::from_secs(2);

/// Where there are other servers to be tried, none is waited for longer.
const LOOK_WITHIN: Duration = Duration::from_secs(3);

/// How often the files that an address comes from are looked at for a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// After a round in which no server was found that would do.
const REST: Duration = Duration::from_secs(1);

/// A new connection takes no longer, unless the server is slow or allows no more.
const USUAL: Duration = Duration::from_secs(1);

/// How often whoever is the next looks for a connection that came back.
const BACK_EVERY: Duration = Duration::from_millis(2);

/// What whoever connects wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Write: only a server that takes writes will do.
    Write,
    /// Read: a server that takes writes if there is one, else any.
    Read,
}

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

#[derive(Debug)]
struct Host<D: ServerKind> {
    place: String,
    options: Options<D>,
}

// A kind of server is never cloned itself, which is what the derived one would ask for.
impl<D: ServerKind> Clone for Host<D> {
    fn clone(&self) -> Self {
        Self {
            place: self.place.clone(),
            options: self.options.clone(),
        }
    }
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

    /// Takes one of them out of the pool, waits for one, or makes one. When the server allows no more,
    /// one that comes back is waited for. The error is the server's, if it has refused one.
    pub(super) async fn acquire(&self) -> sqlx::Result<PoolConnection<D>> {
        let mut refused = None;
        let acquired = timeout(CONNECT_TIMEOUT, async {
            loop {
                match self.try_to_acquire().await {
                    Err(error) if D::allows_no_more(&error) => refused = Some(error),
                    acquired => return acquired,
                }
            }
        });
        let acquired = acquired.await;
        acquired.unwrap_or_else(|_| Err(refused.unwrap_or(Error::PoolTimedOut)))
    }

    /// Takes one more beside one that the caller holds; `None`: there is none to be had, as when the
    /// server allows no more.
    pub(super) async fn another(&self) -> sqlx::Result<Option<PoolConnection<D>>> {
        let (pool, allowance) = (self.pool(), self.0.allowance());
        if pool.num_idle() == 0 && allowance.is_used_up(pool.size()) {
            return Ok(None);
        }
        match timeout(CONNECT_TIMEOUT, self.try_to_acquire()).await {
            Ok(Err(error)) if D::allows_no_more(&error) => Ok(None),
            Ok(acquired) => acquired.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Lets something make a connection of its own. If that takes longer than usual, the server may
    /// allow no more: then those that nobody uses are closed.
    pub(super) async fn beside<T>(&self, making: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            made = making => made,
            never = self.make_room() => match never {},
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

    /// Begins a transaction on one of them. It is begun to its end even if the caller goes away: the
    /// driver takes a session for free whose BEGIN was broken off. What is written on it later as a
    /// single statement would not be committed, and would keep its rows locked.
    pub(super) async fn begin_with(
        &self,
        begin: &'static str,
    ) -> sqlx::Result<Transaction<'static, D>> {
        let session = MaybePoolConnection::PoolConnection(self.acquire().await?);
        let beginning = tokio::spawn(Transaction::begin(session, Some(begin.into_sql_str())));
        beginning
            .await
            .unwrap_or_else(|ended| match ended.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime is ending.
                Err(_) => Err(Error::PoolClosed),
            })
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
    /// were closed a moment ago may still count there.
    async fn grow(
        &self,
        pool: &Pool<D>,
        allowance: &Arc<Allowance>,
    ) -> sqlx::Result<PoolConnection<D>> {
        loop {
            let grows = pool.num_idle() == 0 && pool.size() < self.0.max_connections;
            let growing = grows.then(|| allowance.growing());
            // What it takes to make a connection is large. In a box it does not move with each caller.
            let acquired = Box::pin(pool.acquire()).await;
            drop(growing);
            match acquired {
                Err(error) if D::allows_no_more(&error) => sleep(REFUSED_AGAIN).await,
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

/// The first server that will do, beginning with the one at `from`.
async fn find<D: ServerKind>(
    hosts: &[Host<D>],
    from: usize,
    access: Access,
    context: &D::Context,
) -> Result<usize, OutboxError> {
    let mut errors = Vec::new();
    let mut readable = None;
    for at in (from..hosts.len()).chain(0..from) {
        let host = &hosts[at];
        match look(host, hosts.len() > 1, context).await {
            Ok(None) => return Ok(at),
            Ok(Some(why)) => {
                readable = readable.or(Some(at));
                errors.push(OutboxError::ReadOnly(format!("{} {why}", host.place)));
            }
            Err(error) => errors.push(error),
        }
    }
    match readable {
        Some(at) if access == Access::Read => Ok(at),
        _ => Err(all_of(hosts, from, errors)),
    }
}

/// Why none of the servers will do.
fn all_of<D: ServerKind>(
    hosts: &[Host<D>],
    from: usize,
    mut errors: Vec<OutboxError>,
) -> OutboxError {
    if errors.len() == 1 {
        return errors.remove(0);
    }
    let places = hosts.iter().cycle().skip(from).map(|host| &host.place);
    let why = places.zip(&errors).map(|(place, error)| match error {
        OutboxError::ReadOnly(why) => why.clone(),
        error => format!("{place}: {error}"),
    });
    let why = why.collect::<Vec<_>>().join("; ");
    let why = format!("none of its servers takes writes: {why}");
    if errors.iter().any(OutboxError::is_transient) {
        OutboxError::Lost(why)
    } else {
        OutboxError::Failed(why)
    }
}

/// Asks a server why it takes no writes; `None`: it does.
async fn look<D: ServerKind>(
    host: &Host<D>,
    is_one_of_several: bool,
    context: &D::Context,
) -> Result<Option<String>, OutboxError> {
    let within = if is_one_of_several {
        LOOK_WITHIN
    } else {
        CONNECT_TIMEOUT
    };
    let began = Instant::now();
    let mut session = network::connect::<D>(&host.options, within).await?;
    let asked = async {
        D::prepare(&mut session, context)
            .await
            .map_err(D::translate)?;
        let refusal = D::refuses_writes(&mut session).await;
        network::part(session).await;
        refusal.map_err(D::translate)
    };
    timeout_at(began + within, asked)
        .await
        .unwrap_or_else(|_| Err(network::too_slow(within)))
}
