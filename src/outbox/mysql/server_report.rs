//! The kind of the server, and the settings that its durability rests on.

use std::collections::HashMap;
use std::path::PathBuf;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{MySqlConnection, Result, Row};

use super::cluster::Kind;
use super::facts::kind;
use super::sessions;
use super::statements::PROTOCOL;
use super::statements::operating::{REPLICAS, REPLICATION, SERVER};
use crate::outbox::network;
use crate::outbox::operations::{Security, ServerReport, ServerSetting};
use crate::outbox::rows::Columns;
use crate::outbox::servers::Servers;

pub(super) async fn read(servers: &Servers<sqlx::MySql>) -> Result<ServerReport> {
    let mut session = servers.acquire().await?;
    let cluster = Kind::of(&mut session).await?;
    let told = sqlx::query(SERVER).fetch_one(&mut *session).await?;
    let version = told.text("version").unwrap_or_default();
    let (product, too_old) = kind(&version);
    let mut durability = vec![
        ServerSetting::new(
            "innodb_flush_log_at_trx_commit",
            told.text("flush_log"),
            &["1"],
            "a crash may forget the journal, and contacts would be sent twice; set it to 1",
        ),
        ServerSetting::new(
            "innodb_doublewrite",
            told.text("doublewrite"),
            &["1", "ON", "DETECT_AND_RECOVER"],
            "a loss of power may destroy the database; set it to ON, unless the file system writes \
             pages as a whole",
        ),
    ];
    if told.flag("log_bin").unwrap_or_default() {
        durability.push(ServerSetting::new(
            "sync_binlog",
            told.text("sync_binlog"),
            &["1"],
            "after a crash the replicas may lack what this server has; set it to 1 if one may take \
             its place",
        ));
    }
    let status = status(&mut session).await?;
    let status = |name: &str| status.get(name).map(String::as_str);
    let commits_wait = commits_wait(status);
    durability.extend(safety(status, replicas(&mut session).await, commits_wait));
    Ok(ServerReport {
        sql_mode: told.text("sql_mode").map(strictness),
        too_old,
        product: format!("{product} {version}"),
        durability,
        commits_wait,
        cluster: cluster.map(Kind::as_str),
        connections: told.integer("connections"),
        security: Some(security(&mut session, &servers.options()).await),
        clock: told.seconds("clock").unwrap_or_default(),
    })
}

/// How the way is secured.
async fn security(session: &mut MySqlConnection, options: &MySqlConnectOptions) -> Security {
    let asked = sqlx::raw_sql(PROTOCOL).fetch_optional(session).await;
    let socket = options.get_socket().map(PathBuf::as_path);
    Security {
        tls: sessions::tls(options),
        distance: network::distance(socket, options.get_host()),
        protocol: asked.ok().flatten().and_then(|told| told.text("Value")),
    }
}

/// What a session that is not told otherwise does with values that do not fit.
fn strictness(sql_mode: String) -> ServerSetting {
    let strict = ["STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"];
    let is_strict = sql_mode.split(',').any(|mode| strict.contains(&mode));
    ServerSetting {
        name: "sql_mode",
        value: sql_mode,
        risk: (!is_strict).then_some(
            "sessions of apps that do not set it themselves are not strict: MariaDB then drops the \
             zone of an instant, and text in a number's column becomes 0; add STRICT_TRANS_TABLES",
        ),
    }
}

/// What the server tells of its replicas.
async fn status(session: &mut MySqlConnection) -> Result<HashMap<String, String>> {
    let told = sqlx::raw_sql(REPLICATION).fetch_all(session).await?;
    let told = told
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    told.collect()
}

/// How many replicas there are. They may not be there for this user, and then nothing is known.
async fn replicas(session: &mut MySqlConnection) -> i64 {
    let asked = sqlx::query_scalar(REPLICAS).fetch_one(session).await;
    asked.unwrap_or_default()
}

/// Whether each commit waits for a replica, and none is there.
fn commits_wait<'a>(status: impl Fn(&str) -> Option<&'a str>) -> bool {
    ["master", "source"].iter().any(|role| {
        status(&format!("Rpl_semi_sync_{role}_status")) == Some("ON")
            && status(&format!("Rpl_semi_sync_{role}_clients")) == Some("0")
    })
}

/// Where others follow this server: whether one that takes its place has all of its commits, by the
/// server's own status and the replicas that were seen.
fn safety<'a>(
    status: impl Fn(&str) -> Option<&'a str>,
    replicas: i64,
    commits_wait: bool,
) -> Option<ServerSetting> {
    if let Some(nodes) = status("wsrep_cluster_size").filter(|nodes| *nodes != "0") {
        return Some(ServerSetting {
            name: "wsrep_cluster_size",
            value: nodes.to_owned(),
            risk: None,
        });
    }
    let followed = replicas > 0 || status("Slaves_connected").is_some_and(|count| count != "0");
    let waits = ["Rpl_semi_sync_master_status", "Rpl_semi_sync_source_status"];
    let waits = waits.iter().any(|name| status(name) == Some("ON"));
    (followed || waits).then(|| ServerSetting {
        name: "semi-synchronous replication",
        value: if waits { "on" } else { "off" }.into(),
        risk: if commits_wait {
            Some(
                "no replica is there; each commit waits for one until the timeout of semi-synchronous \
                 replication is over, and nothing is delivered meanwhile",
            )
        } else {
            (!waits).then_some(
                "somebody reads this server's log; if it is a replica that may take its place, that one \
                 may lack the last commits, and contacts would be sent twice; turn it on",
            )
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_that_lets_values_be_changed_is_a_risk() {
        for (mode, is_risky) in [
            ("STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION", false),
            ("ANSI_QUOTES,STRICT_ALL_TABLES", false),
            ("NO_ENGINE_SUBSTITUTION", true),
            ("", true),
        ] {
            assert_eq!(strictness(mode.into()).risk.is_some(), is_risky, "{mode}");
        }
    }
    /// Name and value of the line of a server with this status and so many replicas, and whether it is a
    /// warning.
    fn line(
        status: &[(&str, &'static str)],
        replicas: i64,
    ) -> Option<(&'static str, String, bool)> {
        let value = |name: &str| status.iter().find(|known| known.0 == name).map(|at| at.1);
        let setting = safety(value, replicas, commits_wait(value))?;
        Some((setting.name, setting.value, setting.risk.is_some()))
    }

    #[test]
    fn replicas_that_no_commit_waits_for_are_a_risk() {
        let semi = "semi-synchronous replication";
        for (status, replicas, told) in [
            (&[][..], 0, None),
            (&[("Slaves_connected", "0")], 0, None),
            (&[("wsrep_cluster_size", "0")], 0, None),
            (&[("Slaves_connected", "1")], 0, Some(("off", true))),
            // The user may see them, or the server counts them.
            (&[], 2, Some(("off", true))),
            (
                &[("Rpl_semi_sync_source_status", "OFF")],
                1,
                Some(("off", true)),
            ),
            (
                &[
                    ("Rpl_semi_sync_source_status", "ON"),
                    ("Rpl_semi_sync_source_clients", "1"),
                ],
                1,
                Some(("on", false)),
            ),
            (
                &[
                    ("Rpl_semi_sync_source_status", "ON"),
                    ("Rpl_semi_sync_source_clients", "0"),
                ],
                0,
                Some(("on", true)),
            ),
            (
                &[("Rpl_semi_sync_master_status", "ON")],
                0,
                Some(("on", false)),
            ),
        ] {
            let told = told.map(|(value, risky): (&str, bool)| (semi, value.to_owned(), risky));
            assert_eq!(line(status, replicas), told, "{status:?} {replicas}");
        }
    }

    #[test]
    fn a_cluster_that_certifies_its_commits_is_no_risk() {
        let galera = [("wsrep_cluster_size", "3"), ("Slaves_connected", "1")];
        let told = Some(("wsrep_cluster_size", "3".to_owned(), false));
        assert_eq!(line(&galera, 1), told);
    }
}
