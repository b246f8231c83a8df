//! MySQL and MariaDB as a kind of server.

use std::path::PathBuf;

use async_trait::async_trait;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{MySqlConnection, Row};

use super::cluster::Cluster;
use super::error::{self, LOGS_STATEMENTS, translate};
use super::{sessions, statements};
use crate::outbox::server_kind::ServerKind;
use crate::outbox::{OutboxError, network};

#[async_trait]
impl ServerKind for sqlx::MySql {
    type Context = Cluster;

    async fn prepare(session: &mut MySqlConnection, cluster: &Cluster) -> sqlx::Result<()> {
        sessions::prepare(session, cluster).await
    }

    // Whether this user could write all the same is not asked: who made the server read-only wants
    // nobody to, and what is written on a replica is lost.
    async fn refuses_writes(session: &mut MySqlConnection) -> sqlx::Result<Option<String>> {
        let told = sqlx::raw_sql(statements::TAKES_WRITES)
            .fetch_all(&mut *session)
            .await?;
        let told = told
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<sqlx::Result<Vec<(String, String)>>>()?;
        match refusal(&told) {
            None if is_of_a_group(&told) => of_the_group(session).await,
            refusal => Ok(refusal),
        }
    }

    fn translate(error: sqlx::Error) -> OutboxError {
        translate(error)
    }

    fn allows_no_more(error: &sqlx::Error) -> bool {
        error::allows_no_more(error)
    }

    fn place(options: &MySqlConnectOptions) -> String {
        let socket = options.get_socket().map(PathBuf::as_path);
        network::place(socket, options.get_host(), options.get_port())
    }

    fn database(options: &MySqlConnectOptions) -> Option<&str> {
        options.get_database()
    }

    fn pool_options() -> MySqlPoolOptions {
        MySqlPoolOptions::new()
            .idle_timeout(sessions::LONGEST_IDLE)
            .max_lifetime(sessions::LONGEST_LIFE)
    }
}

/// The variables of which one that is on keeps the server, or the session, from writing.
const READ_ONLY: [&str; 5] = [
    "read_only",
    "super_read_only",
    "innodb_read_only",
    "tx_read_only",
    "transaction_read_only",
];

/// What a Galera node reports while it takes writes, and what else means. Any one of them alone may
/// show that the node refuses everything.
const OF_A_NODE: [(&str, &str, &str); 3] = [
    ("wsrep_cluster_status", "Primary", "has lost its cluster"),
    ("wsrep_ready", "ON", "is not ready"),
    ("wsrep_reject_queries", "NONE", "rejects all queries"),
];

/// Why a server with these variables takes no writes. A server without a cluster may have those of a
/// node as well; there they say nothing.
fn refusal(told: &[(String, String)]) -> Option<String> {
    let of = |name: &str| value(told, name);
    let says = |why: &str, name: &str, value: &str| Some(format!("{why} ({name} is {value})"));
    for name in READ_ONLY {
        if let Some(value) = of(name)
            && !matches!(value, "OFF" | "0")
        {
            return says("is read-only", name, value);
        }
    }
    if of("log_bin") == Some("ON") && of("binlog_format") == Some("STATEMENT") {
        return Some(LOGS_STATEMENTS.to_owned());
    }
    let is_node = of("wsrep_on") == Some("ON")
        && of("wsrep_provider").is_some_and(|library| !matches!(library, "" | "none"));
    if is_node {
        for (name, wanted, why) in OF_A_NODE {
            if let Some(value) = of(name)
                && !value.eq_ignore_ascii_case(wanted)
            {
                return says(why, name, value);
            }
        }
    }
    None
}

/// The value of one of these variables.
fn value<'a>(told: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut named = told.iter().filter(|(is, _)| is.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.as_str())
}

/// Whether the server may be a member of Group Replication.
fn is_of_a_group(told: &[(String, String)]) -> bool {
    value(told, "group_replication_group_name").is_some_and(|name| !name.is_empty())
}

/// Why a member of a group takes no writes. Where its user may not read how the group is, nothing is
/// known against it.
async fn of_the_group(session: &mut MySqlConnection) -> sqlx::Result<Option<String>> {
    match sqlx::raw_sql(statements::MEMBERS).fetch_one(session).await {
        Ok(told) => Ok(without_majority(
            told.try_get_unchecked(0)?,
            told.try_get_unchecked(1)?,
        )),
        Err(sqlx::Error::Database(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Why a member that does not reach so many of its group takes no writes: to commit, it needs the
/// agreement of more than half of them, and waits for it without end.
fn without_majority(members: i64, unreachable: i64) -> Option<String> {
    (unreachable * 2 >= members && unreachable > 0).then(|| {
        format!("has lost its group (it does not reach {unreachable} of {members} members)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: [(&str, &str); 6] = [
        ("read_only", "OFF"),
        ("wsrep_on", "ON"),
        ("wsrep_provider", "/usr/lib/galera/libgalera_smm.so"),
        ("wsrep_cluster_status", "Primary"),
        ("wsrep_ready", "ON"),
        ("wsrep_reject_queries", "NONE"),
    ];

    /// A healthy node's variables, but for these.
    fn node_but(changed: &[(&str, &str)]) -> Option<String> {
        let told: Vec<(String, String)> = NODE
            .iter()
            .map(|&(name, value)| {
                let other = changed.iter().find(|(is, _)| *is == name);
                (name.into(), other.map_or(value, |(_, value)| value).into())
            })
            .collect();
        refusal(&told)
    }

    #[test]
    fn a_galera_node_that_refuses_everything_is_found_by_each_sign_alone() {
        assert_eq!(node_but(&[]), None);
        for (name, value, words) in [
            (
                "wsrep_cluster_status",
                "non-Primary",
                "has lost its cluster (wsrep_cluster_status is non-Primary)",
            ),
            (
                "wsrep_cluster_status",
                "Disconnected",
                "has lost its cluster (wsrep_cluster_status is Disconnected)",
            ),
            ("wsrep_ready", "OFF", "is not ready (wsrep_ready is OFF)"),
            (
                "wsrep_reject_queries",
                "ALL",
                "rejects all queries (wsrep_reject_queries is ALL)",
            ),
            (
                "wsrep_reject_queries",
                "ALL_KILL",
                "rejects all queries (wsrep_reject_queries is ALL_KILL)",
            ),
        ] {
            assert_eq!(node_but(&[(name, value)]).as_deref(), Some(words));
        }
    }

    #[test]
    fn a_server_without_a_cluster_is_not_asked_for_one() {
        let apart = [
            ("wsrep_cluster_status", "Disconnected"),
            ("wsrep_ready", "OFF"),
        ];
        for off in [("wsrep_on", "OFF"), ("wsrep_provider", "none")] {
            assert_eq!(node_but(&[apart[0], apart[1], off]), None, "{off:?}");
        }
        assert_eq!(refusal(&[("read_only".into(), "OFF".into())]), None);
        assert_eq!(refusal(&[]), None);
    }

    #[test]
    fn a_member_that_reaches_no_majority_of_its_group_takes_no_writes() {
        for (members, unreachable) in [(3, 2), (2, 1), (4, 2), (5, 3), (5, 4)] {
            let why = format!(
                "has lost its group (it does not reach {unreachable} of {members} members)"
            );
            assert_eq!(without_majority(members, unreachable), Some(why));
        }
        // Alone by its own will, or not started.
        for (members, unreachable) in [(3, 1), (5, 2), (3, 0), (2, 0), (1, 0), (0, 0)] {
            assert_eq!(without_majority(members, unreachable), None);
        }
    }

    #[test]
    fn only_a_server_with_the_name_of_a_group_is_asked_for_its_members() {
        let told = |name: &str| [("group_replication_group_name".into(), name.into())];
        assert!(is_of_a_group(&told("8a94f357-aab4-11df-86ab-c80aa9429562")));
        assert!(!is_of_a_group(&told("")));
        assert!(!is_of_a_group(&[]));
    }

    #[test]
    fn a_server_whose_log_holds_statements_takes_no_writes_of_ours() {
        for (log, format, refuses) in [
            ("ON", "STATEMENT", true),
            ("ON", "ROW", false),
            ("ON", "MIXED", false),
            ("OFF", "STATEMENT", false),
        ] {
            let told = [("log_bin", log), ("binlog_format", format)];
            let told = told.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(refusal(&told).is_some(), refuses, "{log} {format}");
        }
    }

    #[test]
    fn each_variable_that_forbids_writes_is_told() {
        for name in READ_ONLY {
            for value in ["ON", "1", "NO_LOCK"] {
                let why = format!("is read-only ({name} is {value})");
                assert_eq!(refusal(&[(name.into(), value.into())]), Some(why));
            }
        }
    }
}
