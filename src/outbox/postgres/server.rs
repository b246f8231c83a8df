//! The kind of the server, and the settings that its durability rests on.

use sqlx::postgres::PgRow;
use sqlx::{PgPool, Result};

use super::session;
use super::statements::operating::SERVER;
use crate::outbox::operations::{self, ServerReport, ServerSetting};
use crate::outbox::rows::Columns;

pub(super) async fn server(pool: &PgPool) -> Result<ServerReport> {
    let told = sqlx::query(SERVER).fetch_one(pool).await?;
    let version = told.text("version").unwrap_or_default();
    let pooled = session::is_pooled(pool).await?;
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
        clock: told.seconds("clock").unwrap_or_default(),
    })
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
