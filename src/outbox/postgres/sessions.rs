//! The sessions on PostgreSQL: how they are made, and what they run with.
//!
//! The settings go along with the connection. A pooler in between may drop them, or hand each
//! transaction to another server session. So whatever a transaction that writes must not do without
//! is set once more at its beginning, in the same round trip; what else is needed is looked at before
//! the courier starts (`Setup::check_fitness`).

use std::path::PathBuf;
use std::str::FromStr;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{PgConnection, Result};
use tokio::time::Instant;

use super::error::translate;
use super::language::Postgres;
use super::statements::UNLIMITED;
use crate::address::{Address, DatabaseKind, Tls};
use crate::outbox::error::CONNECT_TIMEOUT;
use crate::outbox::kept::Held;
use crate::outbox::sql::sessions::Sessions;
use crate::outbox::sql::writing_session::WritingSession;
use crate::outbox::{OutboxError, network};

/// What every session of ours runs with. The journal must survive the loss of power. A statement
/// that waits for longer than this waits for something that is broken.
const SESSION: [(&str, &str); 5] = [
    ("synchronous_commit", "on"),
    ISOLATION,
    // Nothing is waited for within a transaction: a courier that is silent in the middle of one
    // stands still, and must not keep its lanes locked from those that take them over.
    ("idle_in_transaction_session_timeout", "5s"),
    // Longer than that, so that who stands still is gone by then.
    ("lock_timeout", "8s"),
    ("statement_timeout", "120s"),
];

/// How many prepared statements a session keeps: more than the program has.
const STATEMENTS: usize = 100;

/// Of statements outside of a transaction. A stricter default of the database's or the role's would have them
/// fail for what others do at the same time.
pub(super) const ISOLATION: (&str, &str) = ("default_transaction_isolation", "read committed");

/// All of our statements want the index that was made for them. A planner with other ideas has
/// statistics from when the table was empty, or full: a queue's statistics are always stale.
pub(super) const STEADY_PLANS: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    // The planner's penalty for a scan that it cannot avoid would start the JIT compiler.
    ("jit", "off"),
];

/// The same as [`SESSION`], for one transaction. A statement has to see the commits that happened
/// while the statement before it waited for a lock, whatever the default isolation of the database
/// or the user is.
macro_rules! begin {
    (lock: $lock:literal, idle: $idle:literal) => {
        begin!(durable: "on", lock: $lock, idle: $idle)
    };
    (durable: $durable:literal, lock: $lock:literal, idle: $idle:literal) => {
        concat!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = ",
            $durable,
            "; SET LOCAL lock_timeout = '",
            $lock,
            "'; SET LOCAL idle_in_transaction_session_timeout = '",
            $idle,
            "'; SET LOCAL statement_timeout = '120s'"
        )
    };
}

/// Begins a transaction that writes.
const BEGIN: &str = begin!(lock: "8s", idle: "5s");

/// The same for a caller that tries again rather than keep others waiting.
pub(super) const BEGIN_BRIEFLY: &str = begin!(lock: "1s", idle: "5s");

/// The same for a lease, whose end does not wait for the disk.
const BEGIN_LEASE: &str = begin!(durable: "off", lock: "1s", idle: "5s");

/// The same where somebody may take time between two statements.
const BEGIN_UNHURRIED: &str = begin!(lock: "8s", idle: "0");

/// Whether the sessions' own settings have one of this name. They go along after those of the address.
pub(super) fn sets(name: &str) -> bool {
    let mut own = SESSION.iter().chain(&STEADY_PLANS);
    own.any(|(own, _)| *own == name)
}

/// The options of sessions on each of the servers of an address.
pub(super) fn each(address: &Address) -> Result<Vec<PgConnectOptions>, OutboxError> {
    network::each(address, options)
}

/// The options of sessions on one of them.
pub(super) fn options(url: &str, address: &Address) -> Result<PgConnectOptions, OutboxError> {
    let options = PgConnectOptions::from_str(url).map_err(translate)?;
    let host = network::without_brackets(options.get_host());
    let distance = network::distance(options.get_socket().map(PathBuf::as_path), &host);
    let tls = network::tls(address, DatabaseKind::Postgres, distance)?;
    let options = options
        .host(&host)
        .application_name("contact-courier")
        // The server's default works as well, and poolers do not know this setting.
        .extra_float_digits(None)
        .ssl_mode(mode(tls))
        // Without a cache, the driver would prepare each statement anew and leave it in the server.
        .statement_cache_capacity(STATEMENTS)
        .options(SESSION)
        .options(STEADY_PLANS);
    let options = match &address.ca_file {
        Some(file) => options.ssl_root_cert(file),
        None => options,
    };
    Ok(match &address.password {
        Some(password) => options.password(password.expose_secret()),
        None => options,
    })
}

/// How the way is secured, in the driver's words.
fn mode(tls: Tls) -> PgSslMode {
    match tls {
        Tls::Off => PgSslMode::Disable,
        Tls::Prefer => PgSslMode::Prefer,
        Tls::Require => PgSslMode::Require,
        Tls::VerifyCa => PgSslMode::VerifyCa,
        Tls::Verify => PgSslMode::VerifyFull,
    }
}

/// Returns the security that the driver's options stand for.
pub(super) fn tls(options: &PgConnectOptions) -> Tls {
    match options.get_ssl_mode() {
        PgSslMode::Disable | PgSslMode::Allow => Tls::Off,
        PgSslMode::Prefer => Tls::Prefer,
        PgSslMode::Require => Tls::Require,
        PgSslMode::VerifyCa => Tls::VerifyCa,
        PgSslMode::VerifyFull => Tls::Verify,
    }
}

/// One connection by itself.
pub(super) async fn open(options: &PgConnectOptions) -> Result<PgConnection, OutboxError> {
    let mut session = network::connect::<sqlx::Postgres>(options, CONNECT_TIMEOUT).await?;
    prepare(&mut session).await.map_err(translate)?;
    Ok(session)
}

/// Gives a new connection the settings that could not go along with it.
pub(super) async fn prepare(session: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql(UNLIMITED).execute(session).await?;
    Ok(())
}

#[async_trait]
impl Sessions for Postgres {
    type Writing = WritingSession<sqlx::Postgres>;

    fn place(&self) -> Option<String> {
        Some(self.servers.place())
    }

    fn failed(&self, began: Instant, error: OutboxError) -> OutboxError {
        self.servers.failed(began, error)
    }

    fn writers(&self) -> usize {
        network::writers(self.servers.max_connections())
    }

    async fn reading(&self) -> Result<PoolConnection<sqlx::Postgres>> {
        self.servers.acquire().await
    }

    async fn at_hand(&self) -> Result<Held<sqlx::Postgres>> {
        self.servers.take().await
    }

    async fn begin(&self) -> Result<Self::Writing> {
        let begun = self.servers.begin_with(BEGIN).await;
        begun.map(WritingSession::All)
    }

    async fn begin_briefly(&self) -> Result<Self::Writing> {
        let begun = self.servers.begin_with(BEGIN_BRIEFLY).await;
        begun.map(WritingSession::All)
    }

    async fn begin_lease(&self) -> Result<Self::Writing> {
        let begun = self.servers.begin_with(BEGIN_LEASE).await;
        begun.map(WritingSession::All)
    }

    async fn begin_one(&self) -> Result<Self::Writing> {
        self.reading().await.map(WritingSession::One)
    }

    async fn commit(&self, writing: Self::Writing) -> Result<()> {
        writing.commit().await
    }

    async fn rollback(&self, writing: Self::Writing) -> Result<()> {
        writing.rollback().await
    }

    async fn fire_deferred(session: &mut PgConnection) -> Result<()> {
        let fire = sqlx::raw_sql("SET CONSTRAINTS ALL IMMEDIATE");
        fire.execute(session).await.map(drop)
    }

    async fn begin_insert(&self) -> Result<PgConnection, OutboxError> {
        // Whoever inserts may take time between two rows.
        let unhurried = [("idle_in_transaction_session_timeout", "0")];
        let options = self.servers.options().options(unhurried);
        let beginning = network::meeting(async {
            let mut session = open(&options).await?;
            sqlx::raw_sql(BEGIN_UNHURRIED)
                .execute(&mut session)
                .await
                .map_err(translate)?;
            Ok(session)
        });
        self.servers.beside(beginning).await
    }
}
