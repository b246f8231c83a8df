//! The settings that all connections to MySQL or MariaDB share, and the questions to the server
//! before there is a second connection.
//!
//! It guarantees that sessions lock single rows and no gaps between them, speak UTC, and behave the
//! same whatever the server's defaults are.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{MySqlConnection, Result};

use super::cluster::Cluster;
use super::error::{PASSWORD_NEEDS_TLS, translate};
use super::statements::{FACTS, USER, WHETHER_TLS};
use crate::address::{self, Address, DatabaseKind, Tls};
use crate::outbox::rows::Columns;
use crate::outbox::{OutboxError, operations, server};

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

/// Begins a transaction that writes. Each sets anew how long it waits for a lock of a row or a
/// table, because the transaction before it on the same session may have had another limit. A
/// single statement takes the limit that it finds.
pub(super) const BEGIN: &str =
    "SET SESSION innodb_lock_wait_timeout = 8, lock_wait_timeout = 8; BEGIN";

/// The same for a caller that tries again rather than keep others waiting. There is no shorter
/// limit.
pub(super) const BEGIN_BRIEFLY: &str =
    "SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 1; BEGIN";

/// Less than the time that a session may be silent. The pool checks its idle connections at this
/// interval, so a connection is up to twice as old when it is closed.
pub(super) const LONGEST_IDLE: Duration = Duration::from_secs(2);

/// The longest life of a session. A session looks only once whether its server is part of a
/// cluster, and a server may join one later.
pub(super) const LONGEST_LIFE: Duration = Duration::from_mins(5);

/// For inserts: the caller may take time between two rows.
pub(super) const UNHURRIED: &str = "
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
    let hosts = address::split(&address.url);
    let hosts = hosts.map_err(|error| OutboxError::Failed(error.to_string()))?;
    hosts.iter().map(|url| options(url, address)).collect()
}

/// The options of sessions on one of them.
pub(super) fn options(url: &str, address: &Address) -> Result<MySqlConnectOptions, OutboxError> {
    let options = MySqlConnectOptions::from_str(url).map_err(translate)?;
    let host = server::without_brackets(options.get_host());
    let distance = server::distance(options.get_socket().map(PathBuf::as_path), &host);
    let tls = server::tls(address, DatabaseKind::MySql, distance)?;
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
    let mut session: MySqlConnection = server::connect(options, translate).await?;
    prepare(&mut session, cluster).await.map_err(translate)?;
    Ok(session)
}

/// Makes a new connection one of ours.
pub(super) async fn prepare(session: &mut MySqlConnection, cluster: &Cluster) -> Result<()> {
    sqlx::raw_sql(SESSION).execute(&mut *session).await?;
    cluster.prepare(session).await
}

/// Connects for the first time and refuses a server that the courier cannot work with.
pub(super) async fn meet(
    options: &MySqlConnectOptions,
    cluster: &Cluster,
) -> Result<Facts, OutboxError> {
    let mut session = open(options, cluster).await?;
    let facts = Facts::ask(&mut session).await.map_err(translate)?;
    facts.check()?;
    if !password_lasts(&mut session, options).await {
        return Err(OutboxError::Failed(PASSWORD_NEEDS_TLS.into()));
    }
    server::part(session).await;
    Ok(facts)
}

/// Whether the server will take the user's password again after it has forgotten the user, as it
/// does when it restarts. Without TLS, the server takes some kinds of passwords only while it
/// remembers them.
async fn password_lasts(session: &mut MySqlConnection, options: &MySqlConnectOptions) -> bool {
    if tls(options) >= Tls::Require {
        return true;
    }
    // A proxy between us and the server may not know these questions.
    let tls = sqlx::raw_sql(WHETHER_TLS).fetch_optional(&mut *session);
    let cipher = tls.await.ok().flatten().and_then(|row| row.text("Value"));
    if cipher.is_none_or(|cipher| !cipher.is_empty()) {
        return true;
    }
    let user = sqlx::raw_sql(USER).fetch_optional(session).await;
    let user = user.ok().flatten().and_then(|row| row.text(0));
    user.is_none_or(|user| !needs_tls(&user))
}

/// Whether a user's password, as `SHOW CREATE USER` describes it, is of a kind that is only taken
/// over TLS. A user without a password is taken anyhow.
fn needs_tls(user: &str) -> bool {
    ["caching_sha2_password", "sha256_password"]
        .iter()
        .any(|kind| user.contains(&format!("IDENTIFIED WITH '{kind}' AS ")))
}

/// The kind of the server and its limits.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    version: String,
    /// The most bytes of a statement with its parameters.
    pub(super) packet: usize,
    /// How many prepared statements all of its sessions may have together.
    prepared: usize,
    /// The format of its binary log, if it keeps one.
    binlog: Option<String>,
}

impl Facts {
    async fn ask(session: &mut MySqlConnection) -> Result<Self> {
        let rows = sqlx::raw_sql(FACTS).fetch_all(session).await?;
        let told = |name: &str| {
            let row = rows.iter().find(|row| {
                row.text("Variable_name")
                    .is_some_and(|told| told.eq_ignore_ascii_case(name))
            });
            row.and_then(|row| row.text("Value"))
        };
        let number = |name: &str| told(name).and_then(|value| value.parse().ok());
        Ok(Self {
            version: told("version").unwrap_or_default(),
            packet: number("max_allowed_packet").unwrap_or(LEAST_PACKET),
            prepared: number("max_prepared_stmt_count").unwrap_or(usize::MAX),
            binlog: told("binlog_format").filter(|_| told("log_bin").as_deref() == Some("ON")),
        })
    }

    fn check(&self) -> Result<(), OutboxError> {
        let (product, wanted) = kind(&self.version);
        if let Some(wanted) = wanted.filter(|_| !self.version.is_empty()) {
            let version = &self.version;
            return Err(OutboxError::Failed(format!(
                "{product} {version} is too old; install {wanted}"
            )));
        }
        if self.packet < LEAST_PACKET {
            return Err(OutboxError::Failed(format!(
                "the server's max_allowed_packet is {}; set it to {LEAST_PACKET} or more",
                self.packet
            )));
        }
        if self.binlog.as_deref() == Some("STATEMENT") {
            return Err(OutboxError::Failed(
                "the server's binlog_format is STATEMENT, which takes no writes of a READ \
                 COMMITTED session; set it to ROW or MIXED"
                    .into(),
            ));
        }
        Ok(())
    }

    /// How many prepared statements each of our connections may keep: together at most a quarter of
    /// the server's limit, because other clients need some, too. With zero, each statement is
    /// prepared anew.
    pub(super) fn statements(&self, connections: u32) -> usize {
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        (self.prepared / 4 / connections.max(1)).min(100)
    }
}

/// Returns the name of the product with such a version; and, if it is too old, the version to
/// install.
pub(super) fn kind(version: &str) -> (&'static str, Option<&'static str>) {
    let (product, oldest, wanted) = if version.contains("MariaDB") {
        ("MariaDB", &[10, 6][..], "MariaDB 10.6 or newer")
    } else {
        ("MySQL", &[8, 0, 16][..], "MySQL 8.0.16 or newer")
    };
    let too_old = !operations::at_least(version, oldest);
    (product, too_old.then_some(wanted))
}

/// The smallest packet that single records fit into: a megabyte has always been the least of the
/// servers' defaults.
pub(super) const LEAST_PACKET: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            version: "8.0.36".into(),
            packet: 64 * LEAST_PACKET,
            prepared: 16_382,
            binlog: None,
        }
    }

    fn refused(facts: &Facts) -> String {
        facts.check().unwrap_err().to_string()
    }

    #[test]
    fn a_server_that_cannot_do_is_refused_with_what_to_do() {
        facts().check().unwrap();
        for (version, words) in [
            (
                "5.7.44-log",
                "MySQL 5.7.44-log is too old; install MySQL 8.0.16 or newer",
            ),
            (
                "10.5.29-MariaDB",
                "MariaDB 10.5.29-MariaDB is too old; install MariaDB 10.6 or newer",
            ),
        ] {
            let version = version.into();
            let said = refused(&Facts { version, ..facts() });
            assert!(said.contains(words), "{said}");
        }
        let packet = 4096;
        let said = refused(&Facts { packet, ..facts() });
        assert!(said.contains("max_allowed_packet is 4096"), "{said}");
        let binlog = Some("STATEMENT".into());
        let said = refused(&Facts { binlog, ..facts() });
        assert!(said.contains("ROW or MIXED"), "{said}");
    }

    #[test]
    fn what_does_not_tell_its_version_is_tried() {
        let version = String::new();
        Facts { version, ..facts() }.check().unwrap();
    }

    #[test]
    fn connections_share_a_quarter_of_the_prepared_statements() {
        for (prepared, each) in [(16_382, 100), (1_600, 50), (40, 1), (20, 0)] {
            assert_eq!(
                Facts {
                    prepared,
                    ..facts()
                }
                .statements(8),
                each
            );
        }
    }

    #[test]
    fn a_password_that_only_tls_may_carry_is_told_from_the_others() {
        for (user, needs) in [
            (
                "CREATE USER `u`@`%` IDENTIFIED WITH 'caching_sha2_password' AS '$A$5' REQUIRE NONE",
                true,
            ),
            (
                "CREATE USER `u`@`%` IDENTIFIED WITH 'sha256_password' AS '$5$' REQUIRE NONE",
                true,
            ),
            (
                "CREATE USER `u`@`%` IDENTIFIED WITH 'caching_sha2_password' REQUIRE NONE",
                false,
            ),
            (
                "CREATE USER `u`@`%` IDENTIFIED WITH 'mysql_native_password' AS '*9' REQUIRE NONE",
                false,
            ),
            (
                "CREATE USER `u`@`localhost` IDENTIFIED WITH 'auth_socket' REQUIRE NONE",
                false,
            ),
        ] {
            assert_eq!(needs_tls(user), needs, "{user}");
        }
    }
}
