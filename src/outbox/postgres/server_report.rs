//! The kind of the server, and the settings that its durability rests on.

use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;
use sqlx::{PgConnection, Result};

use super::sessions;
use super::statements::operating::{SERVER, WHETHER_TLS};
use crate::outbox::network;
use crate::outbox::operations::{self, Security, ServerReport, ServerSetting};
use crate::outbox::rows::Columns;
use crate::outbox::servers::Servers;

pub(super) async fn read(servers: &Servers<sqlx::Postgres>, pooled: bool) -> Result<ServerReport> {
    let mut session = servers.acquire().await?;
    let told = sqlx::query(SERVER).fetch_one(&mut *session).await?;
    let version = told.text("version").unwrap_or_default();
    let behind = if pooled {
        ", behind a pooler of transactions,"
    } else {
        ""
    };
    let setting =
        |name, wanted: &[&str], risk| ServerSetting::new(name, told.text(name), wanted, risk);
    let mut durability = vec![
        setting(
            "fsync",
            &["on"],
            "a loss of power may destroy the database; set it to on",
        ),
        setting(
            "full_page_writes",
            &["on"],
            "a loss of power may destroy the database; set it to on, unless the file system \
                 writes pages as a whole",
        ),
        // Asked for by our own sessions: something must be wrong if it is not so.
        setting(
            "synchronous_commit",
            &["on", "remote_apply"],
            "a crash may forget the journal, and contacts would be sent twice",
        ),
    ];
    let names = told.text("synchronous_standby_names").unwrap_or_default();
    let readers = told.integer("readers").unwrap_or_default();
    let commits_wait = !names.is_empty() && readers == 0;
    let standbys = told.integer("standbys").unwrap_or_default();
    durability.extend(replication(standbys, names, commits_wait));
    Ok(ServerReport {
        too_old: (!operations::at_least(&version, &[12])).then_some("PostgreSQL 12 or newer"),
        product: format!("PostgreSQL {version}{behind}"),
        durability,
        commits_wait,
        sql_mode: None,
        cluster: None,
        // A pooler's limits are others.
        connections: told.integer("connections").filter(|_| !pooled),
        security: Some(security(&mut session, &servers.options(), pooled).await),
        clock: told.seconds("clock").unwrap_or_default(),
    })
}

/// How the way is secured. The server cannot see a way that ends at a pooler.
async fn security(
    session: &mut PgConnection,
    options: &PgConnectOptions,
    pooled: bool,
) -> Security {
    let asked = sqlx::query(WHETHER_TLS).fetch_optional(session).await;
    let protocol = asked.ok().flatten().and_then(|told| told.text("protocol"));
    let socket = options.get_socket().map(PathBuf::as_path);
    Security {
        tls: sessions::tls(options),
        distance: network::distance(socket, options.get_host()),
        protocol: protocol.filter(|_| !pooled),
    }
}

/// Where there are standbys: whether one that takes this server's place has all of its commits, which may
/// wait until one is there.
fn replication(standbys: i64, names: String, commits_wait: bool) -> Option<ServerSetting> {
    let is_waited_for = !names.is_empty();
    (standbys > 0 || is_waited_for).then(|| ServerSetting {
        name: "synchronous_standby_names",
        risk: if commits_wait {
            Some(
                "no standby is there; each commit waits until one is, and nothing is delivered; \
                 start one, or empty the setting",
            )
        } else {
            (!is_waited_for).then_some(
                "a standby that takes this server's place may lack the last commits, and contacts \
                 would be sent twice; name those that may take it",
            )
        },
        value: if is_waited_for { names } else { "empty".into() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standbys_that_no_commit_waits_for_are_a_risk() {
        for (standbys, names, commits_wait, told) in [
            (0, "", false, None),
            (2, "", false, Some(("empty", true))),
            (1, "FIRST 1 (b, c)", false, Some(("FIRST 1 (b, c)", false))),
            // One that receives the log alone.
            (0, "*", false, Some(("*", false))),
            (0, "*", true, Some(("*", true))),
        ] {
            let setting = replication(standbys, names.to_owned(), commits_wait);
            let line = setting.map(|setting| (setting.value, setting.risk.is_some()));
            let told = told.map(|(value, risky): (&str, bool)| (value.to_owned(), risky));
            assert_eq!(line, told, "{standbys} {names:?}");
        }
    }
}
