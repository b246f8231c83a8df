//! The kind of the server, and the settings that its durability rests on.

use std::path::PathBuf;

use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{PgConnection, Result};

use super::pooler::is_pooled;
use super::sessions;
use super::statements::operating::{SERVER, WHETHER_TLS};
use crate::outbox::network;
use crate::outbox::operations::{self, Security, ServerReport, ServerSetting};
use crate::outbox::rows::Columns;
use crate::outbox::servers::Servers;

pub(super) async fn read(servers: &Servers<sqlx::Postgres>) -> Result<ServerReport> {
    let pooled = is_pooled(servers).await?;
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
    durability.extend(replication(&told));
    Ok(ServerReport {
        too_old: (!operations::at_least(&version, &[12])).then_some("PostgreSQL 12 or newer"),
        product: format!("PostgreSQL {version}{behind}"),
        durability,
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

/// Where there are standbys: whether one that takes this server's place has all of its commits.
fn replication(told: &PgRow) -> Option<ServerSetting> {
    let standbys = told.integer("standbys").unwrap_or_default();
    let names = told.text("synchronous_standby_names").unwrap_or_default();
    let is_waited_for = !names.is_empty();
    (standbys > 0 || is_waited_for).then(|| ServerSetting {
        name: "synchronous_standby_names",
        risk: (!is_waited_for).then_some(
            "a standby that takes this server's place may lack the last commits, and contacts would \
             be sent twice; name those that may take it",
        ),
        value: if is_waited_for { names } else { "empty".into() },
    })
}
