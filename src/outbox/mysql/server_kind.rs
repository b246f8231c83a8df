//! MySQL and MariaDB as a kind of server.

use std::path::PathBuf;

use async_trait::async_trait;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{MySqlConnection, Row};

use super::cluster::Cluster;
use super::error::{self, translate};
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
            .fetch_all(session)
            .await?;
        let told = told
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<sqlx::Result<Vec<(String, String)>>>()?;
        Ok(refusal(&told))
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
    let of = |name: &str| {
        let mut named = told.iter().filter(|(is, _)| is.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.as_str())
    };
    let says = |why: &str, name: &str, value: &str| Some(format!("{why} ({name} is {value})"));
    for name in READ_ONLY {
        if let Some(value) = of(name)
            && !matches!(value, "OFF" | "0")
        {
            return says("is read-only", name, value);
        }
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
    fn each_variable_that_forbids_writes_is_told() {
        for name in READ_ONLY {
            for value in ["ON", "1", "NO_LOCK"] {
                let why = format!("is read-only ({name} is {value})");
                assert_eq!(refusal(&[(name.into(), value.into())]), Some(why));
            }
        }
    }
}
