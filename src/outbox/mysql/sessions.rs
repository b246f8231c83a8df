//! The sessions on MySQL or MariaDB: how they are made, and what all of them have in common.
//!
//! It guarantees that sessions lock single rows and no gaps between them, speak UTC, and behave the
//! same whatever the server's defaults are.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::pool::PoolConnection;
use sqlx::{MySqlConnection, Result};
use tokio::time::Instant;

use super::cluster::{self, Cluster};
use super::error::translate;
use super::language::MySql;
use crate::address::{Address, DatabaseKind, Tls};
use crate::outbox::error::CONNECT_TIMEOUT;
use crate::outbox::kept::Held;
use crate::outbox::sql::sessions::Sessions;
use crate::outbox::sql::writing_session::WritingSession;
use crate::outbox::{OutboxError, network};

/// The settings of every session of ours.
///
/// A statement that waits for longer than this waits for something that is broken. The two servers
/// name the time limit of a statement differently, and each reads only its own comment. Nothing is
/// waited for within a transaction: a courier that is silent in the middle of one stands still, and
/// must not keep its lanes locked from the couriers that take them over. MySQL knows no such limit
/// except for silence of any kind. [`BEGIN_BRIEFLY`] sets a shorter wait for a lock; every other
/// wait for a lock is longer than that silence.
///
/// The other settings undo defaults that a server, or its `init_connect`, may have set for all
/// sessions, and that would end or change statements of ours: a limit on how much is read,
/// transactions that follow one another of themselves or only read, `WHERE id IS NULL` for the row
/// that was inserted last. MySQL skips through an index from lane to lane where our statements want
/// one lane of it.
const SESSION: &str = "
    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
    SET SESSION autocommit = 1, completion_type = 0, time_zone = '+00:00',
        innodb_lock_wait_timeout = 8, lock_wait_timeout = 8,
        net_read_timeout = 6, net_write_timeout = 6,
        sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
        sql_safe_updates = 0, sql_select_limit = 18446744073709551615, sql_big_selects = 1,
        sql_auto_is_null = 0, unique_checks = 1
        /*M!100300 , max_statement_time = 120, idle_transaction_timeout = 5, wait_timeout = 60 */
        /*!80000 , max_execution_time = 120000, wait_timeout = 6 */
        /*!80013 , optimizer_switch = 'skip_scan=off' */";

/// Begins a transaction that writes. Each sets anew how long it waits for a lock of a row or a table: the one before
/// it on the same session may have had another limit. A single statement takes the limit that it finds.
const BEGIN: &str = "SET SESSION innodb_lock_wait_timeout = 8, lock_wait_timeout = 8; BEGIN";

/// The same for a caller that tries again rather than keep others waiting. There is no shorter limit.
pub(super) const BEGIN_BRIEFLY: &str =
    "SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 1; BEGIN";

/// Less than a session may be silent. The pool looks after its idle connections as often as this, so
/// that one is up to twice as old when it is closed.
pub(super) const LONGEST_IDLE: Duration = Duration::from_secs(2);

/// A session looks once whether its server is part of a cluster, which a server may become.
pub(super) const LONGEST_LIFE: Duration = Duration::from_mins(5);

/// Whoever inserts may take time between two rows.
const UNHURRIED: &str = "
    SET SESSION innodb_lock_wait_timeout = 30, lock_wait_timeout = 30,
        net_read_timeout = 60, net_write_timeout = 60
        /*M!100300 , idle_transaction_timeout = 0, wait_timeout = 28800 */ /*!80000 , wait_timeout = 28800 */";

/// Building an index on a large table may take its time.
pub(super) const PATIENT: &str = "
    SET SESSION innodb_lock_wait_timeout = 3600, lock_wait_timeout = 3600
        /*M!100100 , max_statement_time = 0, wait_timeout = 28800 */
        /*!80000 , max_execution_time = 0, wait_timeout = 28800 */";

/// The options of sessions on each of the servers of an address.
pub(super) fn each(address: &Address) -> Result<Vec<MySqlConnectOptions>, OutboxError> {
    network::each(address, options)
}

/// The options of sessions on one of them.
pub(super) fn options(url: &str, address: &Address) -> Result<MySqlConnectOptions, OutboxError> {
    let options = MySqlConnectOptions::from_str(url).map_err(translate)?;
    let host = network::without_brackets(options.get_host());
    let distance = network::distance(options.get_socket().map(PathBuf::as_path), &host);
    let tls = network::tls(address, DatabaseKind::MySql, distance)?;
    let options = options.host(&host).charset("utf8mb4").ssl_mode(mode(tls));
    let options = match &address.ca_file {
        Some(file) => options.ssl_ca(file),
        None => options,
    };
    Ok(match &address.password {
        Some(password) => options.password(password.expose_secret()),
        None => options,
    })
}

/// How the way is secured, in the driver's words.
fn mode(tls: Tls) -> MySqlSslMode {
    match tls {
        Tls::Off => MySqlSslMode::Disabled,
        Tls::Prefer => MySqlSslMode::Preferred,
        Tls::Require => MySqlSslMode::Required,
        Tls::VerifyCa => MySqlSslMode::VerifyCa,
        Tls::Verify => MySqlSslMode::VerifyIdentity,
    }
}

/// Returns the security that the driver's options stand for.
pub(super) fn tls(options: &MySqlConnectOptions) -> Tls {
    match options.get_ssl_mode() {
        MySqlSslMode::Disabled => Tls::Off,
        MySqlSslMode::Preferred => Tls::Prefer,
        MySqlSslMode::Required => Tls::Require,
        MySqlSslMode::VerifyCa => Tls::VerifyCa,
        MySqlSslMode::VerifyIdentity => Tls::Verify,
    }
}

/// One connection by itself.
pub(super) async fn open(
    options: &MySqlConnectOptions,
    cluster: &Cluster,
) -> Result<MySqlConnection, OutboxError> {
    let mut session = network::connect::<sqlx::MySql>(options, CONNECT_TIMEOUT).await?;
    prepare(&mut session, cluster).await.map_err(translate)?;
    Ok(session)
}

/// Makes a new connection one of ours.
pub(super) async fn prepare(session: &mut MySqlConnection, cluster: &Cluster) -> Result<()> {
    sqlx::raw_sql(SESSION).execute(&mut *session).await?;
    cluster.prepare(session).await
}

#[async_trait]
impl Sessions for MySql {
    type Writing = WritingSession<sqlx::MySql>;

    fn place(&self) -> Option<String> {
        Some(self.servers.place())
    }

    fn failed(&self, began: Instant, error: OutboxError) -> OutboxError {
        self.servers.failed(began, error)
    }

    fn writers(&self) -> usize {
        network::writers(self.servers.max_connections())
    }

    async fn reading(&self) -> Result<PoolConnection<sqlx::MySql>> {
        self.servers.acquire().await
    }

    async fn at_hand(&self) -> Result<Held<sqlx::MySql>> {
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

    async fn begin_one(&self) -> Result<Self::Writing> {
        self.reading().await.map(WritingSession::One)
    }

    async fn begin_claim(&self) -> Result<Self::Writing> {
        self.begin().await
    }

    async fn commit(&self, writing: Self::Writing) -> Result<()> {
        match writing {
            WritingSession::One(_) => Ok(()),
            WritingSession::All(tx) => self.cluster.commit(tx).await,
        }
    }

    async fn rollback(&self, writing: Self::Writing) -> Result<()> {
        writing.rollback().await
    }

    async fn begin_insert(&self) -> Result<MySqlConnection, OutboxError> {
        let options = self.servers.options();
        let beginning = network::meeting(async {
            let mut session = open(&options, &self.cluster).await?;
            // MySQL does not prepare such a statement.
            for statement in [UNHURRIED, "BEGIN"] {
                sqlx::raw_sql(statement)
                    .execute(&mut session)
                    .await
                    .map_err(translate)?;
            }
            Ok(session)
        });
        self.servers.beside(beginning).await
    }

    async fn stands(session: &mut MySqlConnection) -> Result<()> {
        cluster::stands(session).await
    }
}
