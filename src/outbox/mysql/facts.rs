//! What the server is and allows: asked before there is a second connection to it.

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{MySqlConnection, Result};

use super::cluster::Cluster;
use super::error::{PASSWORD_NEEDS_TLS, translate};
use super::sessions::{open, tls};
use super::statements::{FACTS, USER, WHETHER_TLS};
use crate::address::Tls;
use crate::outbox::rows::Columns;
use crate::outbox::{OutboxError, network, operations};

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
    network::part(session).await;
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
