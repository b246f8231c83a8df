//! The settings of this program's sessions on PostgreSQL, and whether they hold.
//!
//! The settings go along with the connection. A pooler in between may drop them, or hand each
//! transaction to another server session. So the settings that a writing transaction must have are
//! set once more at its beginning, in the same round trip. The others are checked before the
//! courier starts ([`check`]).

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgRow, PgSslMode};
use sqlx::{PgConnection, PgPool};
use tokio::time::timeout;

use super::error::translate;
use super::statements::{BACKEND, FITNESS};
use crate::address::{self, Address, DatabaseKind, Tls};
use crate::outbox::rows::Columns;
use crate::outbox::{OutboxError, fitness, server};

/// The settings of every session of ours. The journal must survive the loss of power. A statement
/// that waits for longer than this waits for something that is broken.
pub(super) const SESSION: [(&str, &str); 4] = [
    ("synchronous_commit", "on"),
    // Nothing is waited for within a transaction: a courier that is silent in the middle of one
    // stands still, and must not keep its lanes locked from the couriers that take them over.
    ("idle_in_transaction_session_timeout", "5s"),
    // Longer than that, so that a courier that stands still is gone by then.
    ("lock_timeout", "8s"),
    ("statement_timeout", "120s"),
];

/// Keeps the planner on the indexes that were made for our statements. Otherwise it may use
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
        concat!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = on;
             SET LOCAL lock_timeout = '",
            $lock,
            "'; SET LOCAL idle_in_transaction_session_timeout = '",
            $idle,
            "'; SET LOCAL statement_timeout = '120s'"
        )
    };
}

/// Begins a transaction that writes.
pub(super) const BEGIN: &str = begin!(lock: "8s", idle: "5s");

/// The same for a caller that tries again rather than keep others waiting.
pub(super) const BEGIN_BRIEFLY: &str = begin!(lock: "1s", idle: "5s");

/// The same where the caller may take time between two statements.
pub(super) const BEGIN_UNHURRIED: &str = begin!(lock: "8s", idle: "0");

/// How long to wait for a second session of a pooler.
const SECOND_SESSION: Duration = Duration::from_secs(2);

/// The options of sessions on each of the servers of an address.
pub(super) fn each(address: &Address) -> Result<Vec<PgConnectOptions>, OutboxError> {
    let hosts = address::split(&address.url);
    let hosts = hosts.map_err(|error| OutboxError::Failed(error.to_string()))?;
    hosts.iter().map(|url| options(url, address)).collect()
}

/// The options of sessions on one of them.
pub(super) fn options(url: &str, address: &Address) -> Result<PgConnectOptions, OutboxError> {
    let options = PgConnectOptions::from_str(url).map_err(translate)?;
    let host = server::without_brackets(options.get_host());
    let distance = server::distance(options.get_socket().map(PathBuf::as_path), &host);
    let tls = server::tls(address, DatabaseKind::Postgres, distance)?;
    let options = options
        .host(&host)
        .application_name("contact-courier")
        // The server's default works as well, and poolers do not know this setting.
        .extra_float_digits(None)
        .ssl_mode(mode(tls))
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

/// Fails, with the remedy, if the courier could not do its work in such sessions.
pub(super) async fn check(pool: &PgPool) -> Result<(), OutboxError> {
    let told = sqlx::query(FITNESS)
        .fetch_one(pool)
        .await
        .map_err(translate)?;
    let role = told.text("role").unwrap_or_default();
    fitness::encoding(&told.text("encoding").unwrap_or_default())?;
    fitness::row_security(told.text("secured"), &role)?;
    fitness::settings(&dropped(&told), &role)?;
    is_pooled(pool).await.map_err(translate)?;
    Ok(())
}

/// Returns the settings that should hold in a session and do not.
fn dropped(told: &PgRow) -> Vec<(&'static str, &'static str)> {
    let holds = |(name, wanted): &(&str, &str)| {
        let found = told.text(*name).unwrap_or_default();
        // A time limit may have another value, but must not be off.
        found == *wanted || *wanted != "off" && found != "0"
    };
    STEADY_PLANS
        .into_iter()
        .chain([("lock_timeout", "8s"), ("statement_timeout", "120s")])
        .filter(|setting| !holds(setting))
        .collect()
}

/// How often to look for a pooler in between: it may have more than one session at hand.
const LOOKS: usize = 5;

/// Whether a pooler hands transactions of different connections to one session of the server.
/// `false`: no sign of it. Fails if prepared statements do not follow their connection.
pub(super) async fn is_pooled(pool: &PgPool) -> sqlx::Result<bool> {
    if pool.options().get_max_connections() < 2 {
        return Ok(false);
    }
    let mut one = pool.acquire().await?;
    for _ in 0..LOOKS {
        let [first, next] = [backend(&mut one).await?, backend(&mut one).await?];
        if first != next {
            return Ok(true);
        }
        let mut tx = pool.begin().await?;
        let other = backend(&mut tx).await?;
        if next == other {
            // The transaction holds that session now, so this has to run in another one.
            let again = timeout(SECOND_SESSION, backend(&mut one)).await;
            match again {
                Ok(answered) => {
                    answered?;
                }
                // There is no other session, so nothing can get lost between two. Nobody reads the
                // answer of this one any more.
                Err(_) => drop(one.detach()),
            }
            tx.rollback().await?;
            return Ok(true);
        }
        tx.rollback().await?;
    }
    Ok(false)
}

/// The process of the server that works for a connection now.
async fn backend(session: &mut PgConnection) -> sqlx::Result<i32> {
    sqlx::query_scalar(BACKEND).fetch_one(session).await
}
